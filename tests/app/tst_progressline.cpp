#include "app/progressline.h"

#include <QTest>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

RunStatus statusOf(std::uint64_t rows, std::optional<std::uint64_t> rowsTotal,
                   RunState state = RunState::Running)
{
    RunStatus status;
    status.state = state;
    status.rows = rows;
    status.rowsTotal = rowsTotal;
    return status;
}

constexpr int wide = 1000;

} // namespace

class TestProgressLine : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void runWithAnEndHasBarRateAndTimeLeft()
    {
        QCOMPARE(progressLine(statusOf(250'000, 1'000'000), 10'000, std::nullopt, wide),
                 QStringLiteral("[######..................]  25 % 250,000 of 1,000,000 rows, 10,000 rows/s, "
                                "1 min 15 s left"));
    }

    void whatIsNotKnownIsSaidToBeUnknown_data()
    {
        QTest::addColumn<double>("rate"); // below 0: none

        QTest::newRow("no rate yet") << -1.0;
        QTest::newRow("it stands") << 0.0;
        QTest::newRow("longer than anybody waits") << 1e-9;
    }

    void whatIsNotKnownIsSaidToBeUnknown()
    {
        QFETCH(double, rate);

        const QString line =
            progressLine(statusOf(1, 100), rate < 0 ? std::nullopt : std::optional(rate), std::nullopt, wide);

        QVERIFY2(line.endsWith(QLatin1String(", time left unknown")), qPrintable(line));
        QCOMPARE(line.contains(QLatin1String("rows/s")), rate >= 0);
    }

    void unboundedRunSaysSo()
    {
        QCOMPARE(progressLine(statusOf(1'234'567, std::nullopt), 1000, std::nullopt, wide),
                 QStringLiteral("1,234,567 rows, 1,000 rows/s, no end set"));
        QCOMPARE(progressLine(statusOf(0, std::nullopt), std::nullopt, std::nullopt, wide),
                 QStringLiteral("0 rows, no end set"));
    }

    void durationIsAnEnd()
    {
        RunStatus status = statusOf(500, std::nullopt);
        status.elapsed = 2500ms;

        QCOMPARE(progressLine(status, 200, 10s, wide),
                 QStringLiteral("[######..................]  25 % 500 rows, 200 rows/s, 8 s left"));
    }

    void whatEndsFirstCounts_data()
    {
        QTest::addColumn<double>("rate"); // below 0: none
        QTest::addColumn<QString>("end");

        QTest::newRow("rows") << 100.0 << "1 s left";
        QTest::newRow("duration") << 1.0 << "5 s left";
        QTest::newRow("rate unknown: not after the duration") << -1.0 << "5 s left";
    }

    void whatEndsFirstCounts()
    {
        QFETCH(double, rate);
        QFETCH(QString, end);
        RunStatus status = statusOf(900, 1000);
        status.elapsed = 5s;

        const QString line = progressLine(status, rate < 0 ? std::nullopt : std::optional(rate), 10s, wide);

        QVERIFY2(line.endsWith(end), qPrintable(line));
        QVERIFY(line.contains(QLatin1String("] ")) && line.contains(QLatin1String(" 90 % ")));
    }

    void stateIsShownUnlessItRuns()
    {
        const QString line = progressLine(statusOf(5, 10, RunState::Stopping), 3, std::nullopt, wide);

        QVERIFY2(line.endsWith(QLatin1String(", stopping")), qPrintable(line));
        QVERIFY(!line.contains(QLatin1String("left")));
    }

    void linesNeverReachBeyondTheTerminal_data()
    {
        QTest::addColumn<int>("width");

        for (const int width : {-1, 0, 1, 10, 40, 79})
            QTest::addRow("%d", width) << width;
    }

    void linesNeverReachBeyondTheTerminal()
    {
        QFETCH(int, width);

        for (const auto rowsTotal : {std::optional(~std::uint64_t(0)), std::optional<std::uint64_t>()}) {
            const QString line =
                progressLine(statusOf(~std::uint64_t(0) / 2, rowsTotal), 1e12, std::nullopt, width);

            QVERIFY(line.size() <= std::max(width, 0));
        }
    }

    void barIsWholeOnlyAtTheEnd()
    {
        QVERIFY(progressLine(statusOf(0, 7), 1, std::nullopt, wide)
                    .startsWith(QLatin1String("[........................]   0 % ")));
        QVERIFY(progressLine(statusOf(999'999, 1'000'000), 1, std::nullopt, wide)
                    .contains(QLatin1String(".]  99 % ")));
        QVERIFY(progressLine(statusOf(7, 7), 1, std::nullopt, wide)
                    .startsWith(QLatin1String("[########################] 100 % ")));
    }

    void durationsAreInTwoUnits_data()
    {
        QTest::addColumn<int>("seconds");
        QTest::addColumn<QString>("text");

        QTest::newRow("0") << 0 << "0 s";
        QTest::newRow("59 s") << 59 << "59 s";
        QTest::newRow("1 min") << 60 << "1 min 0 s";
        QTest::newRow("200 s") << 200 << "3 min 20 s";
        QTest::newRow("1 h") << 3600 << "1 h 0 min";
        QTest::newRow("2 h 5 min") << 7500 << "2 h 5 min";
        QTest::newRow("47 h") << 47 * 3600 << "47 h 0 min";
        QTest::newRow("4 days") << 4 * 86400 + 3 * 3600 << "4 days 3 h";
    }

    void durationsAreInTwoUnits()
    {
        QFETCH(int, seconds);
        QFETCH(QString, text);

        QCOMPARE(durationText(std::chrono::seconds(seconds)), text);
    }

    void rateIsUnknownBeforeTheFirstRow()
    {
        RateMeter meter;

        QVERIFY(!meter.add(0, 0ms));
        QVERIFY(!meter.add(0, 5s));
        QCOMPARE(meter.add(1, 10s).value_or(0), 0.1);
    }

    void firstRowDoesNotMakeTheRate()
    {
        RateMeter meter;
        meter.add(1, 200ms);

        QCOMPARE(meter.add(1, 2s).value_or(0), 0.5);
    }

    void steadyRateIsMet()
    {
        RateMeter meter;
        std::optional<double> rate;

        for (int tick = 1; tick <= 100; ++tick)
            rate = meter.add(std::uint64_t(tick) * 200, tick * 200ms);

        QVERIFY(std::abs(*rate - 1000) < 1e-6);
    }

    void changedRateIsFollowedInSeconds()
    {
        RateMeter meter;
        std::uint64_t rows = 0;
        std::optional<double> rate;

        for (int tick = 1; tick <= 200; ++tick) {
            rows += tick <= 50 ? 200 : 20; // from the 10th second on a tenth
            rate = meter.add(rows, tick * 200ms);
        }

        QVERIFY(*rate > 90 && *rate < 200);
    }

    void slowRowsDoNotMakeItJump()
    {
        RateMeter meter;

        for (int tick = 1; tick <= 3000; ++tick) { // a row every 10 s
            const auto rate = meter.add(std::uint64_t(tick / 50), tick * 200ms);
            if (tick > 500)
                QVERIFY(*rate > 0.06 && *rate < 0.15);
        }
    }

    void timeThatStandsChangesNothing()
    {
        RateMeter meter;
        meter.add(100, 1s);

        QCOMPARE(meter.add(200, 1s).value_or(0), 100.0);
    }
};

QTEST_GUILESS_MAIN(TestProgressLine)
#include "tst_progressline.moc"
