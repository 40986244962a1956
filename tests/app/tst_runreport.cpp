#include "app/runreport.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QTest>

#include <limits>

using namespace millrace;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

Totals totalsOf(const std::vector<double> &values)
{
    Totals totals;
    totals.rows = values.size();
    totals.summary = Summary::of(values);
    if (!values.empty())
        totals.last = values.back();
    totals.sampleSize = values.size();
    if (totals.summary.finite() > 0)
        totals.quantiles = {1, 2, 3, 4, 5};
    return totals;
}

RunReport reportOf(const std::vector<std::vector<double>> &series)
{
    RunReport report;
    report.request.task = "monte-carlo";
    report.request.parameters = {
        {"option", std::string("call")}, {"paths", std::int64_t(10'000)}, {"buffered", true}, {"spot", 42.5}};
    report.request.seed = 9223372036854775807;
    report.request.workers = 2;
    report.request.threads = 3;
    report.status.state = RunState::Finished;
    report.status.elapsed = std::chrono::milliseconds(2500);
    report.status.restarts = 4;
    report.status.shape = RunShape();
    for (const auto &values : series) {
        const std::string name = "s" + std::to_string(report.totals.size());
        report.status.rows = values.size();
        report.status.shape->series.push_back({name, "", std::nullopt});
        report.totals.push_back(totalsOf(values));
    }
    return report;
}

/// As it arrives at who reads the printed text.
QJsonObject printedJson(const RunReport &report)
{
    return QJsonDocument::fromJson(QJsonDocument(reportJson(report)).toJson()).object();
}

QJsonObject seriesAt(const RunReport &report, int index)
{
    return printedJson(report).value(QLatin1String("series")).toArray().at(index).toObject();
}

QJsonValue value(const QJsonObject &object, const char *key)
{
    return object.value(QLatin1String(key));
}

QStringList words(const char *text)
{
    return QString::fromLatin1(text).split(QLatin1Char(' '));
}

} // namespace

class TestRunReport : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void everyKeyIsThere()
    {
        const RunReport report = reportOf({{1, 2, 3}, {}});

        QCOMPARE(printedJson(report).keys(), words("message parameters restarts rows rows_per_second seconds "
                                                   "seed series state task threads workers"));
        for (const int series : {0, 1})
            QCOMPARE(seriesAt(report, series).keys(),
                     words("count last max mean min name nonfinite quantile_sample "
                           "quantiles reference stddev stderr sum unit"));
    }

    void numbersAreThoseOfTheRun()
    {
        const QJsonObject object = printedJson(reportOf({{1, 2, 3, 4, 5}}));

        QCOMPARE(value(object, "task").toString(), QStringLiteral("monte-carlo"));
        QCOMPARE(value(object, "seed").toInteger(), qint64(9223372036854775807)); // to the last digit
        QCOMPARE(value(object, "workers").toInt(), 2);
        QCOMPARE(value(object, "threads").toInt(), 3);
        QCOMPARE(value(object, "rows").toInt(), 5);
        QCOMPARE(value(object, "seconds").toDouble(), 2.5);
        QCOMPARE(value(object, "rows_per_second").toDouble(), 2.0);
        QCOMPARE(value(object, "restarts").toInt(), 4);
        QCOMPARE(value(object, "state").toString(), QStringLiteral("finished"));
        QVERIFY(value(object, "message").isString());
    }

    void parametersKeepTheirType()
    {
        const QJsonObject parameters = value(printedJson(reportOf({})), "parameters").toObject();

        const QJsonObject expected = {{QStringLiteral("option"), QStringLiteral("call")},
                                      {QStringLiteral("paths"), 10'000},
                                      {QStringLiteral("buffered"), true},
                                      {QStringLiteral("spot"), 42.5}};
        QCOMPARE(parameters, expected);
    }

    void nameAndDigestAreThereIfThereAreAny()
    {
        RunReport report = reportOf({{1}});
        report.request.name = "größe \"x\"";
        report.sha256 = "abc";

        const QJsonObject object = printedJson(report);

        QCOMPARE(value(object, "name").toString(), QStringLiteral("größe \"x\""));
        QCOMPARE(value(object, "sha256").toString(), QStringLiteral("abc"));
    }

    void statisticsAreThoseOfTheFiniteValues()
    {
        RunReport report = reportOf({{1, 2, 3, 4, notANumber, 5, infinity}});
        report.status.shape->series[0] = {"price", "€", 3.25};

        const QJsonObject series = seriesAt(report, 0);

        QCOMPARE(value(series, "name").toString(), QStringLiteral("price"));
        QCOMPARE(value(series, "unit").toString(), QStringLiteral("€"));
        QCOMPARE(value(series, "count").toInt(), 7);
        QCOMPARE(value(series, "nonfinite").toInt(), 2);
        QCOMPARE(value(series, "mean").toDouble(), 3.0);
        QCOMPARE(value(series, "stddev").toDouble(), std::sqrt(2.5));
        QCOMPARE(value(series, "stderr").toDouble(), std::sqrt(0.5));
        QCOMPARE(value(series, "min").toDouble(), 1.0);
        QCOMPARE(value(series, "max").toDouble(), 5.0);
        QCOMPARE(value(series, "sum").toDouble(), 15.0);
        QCOMPARE(value(series, "reference").toDouble(), 3.25);
    }

    void quantilesAreNamedByTheirShare()
    {
        const QJsonObject quantiles = value(seriesAt(reportOf({{7}}), 0), "quantiles").toObject();

        const QJsonObject expected = {{QStringLiteral("0.05"), 1},
                                      {QStringLiteral("0.25"), 2},
                                      {QStringLiteral("0.5"), 3},
                                      {QStringLiteral("0.75"), 4},
                                      {QStringLiteral("0.95"), 5}};
        QCOMPARE(quantiles, expected);
    }

    void nonFiniteValuesAreTexts_data()
    {
        QTest::addColumn<double>("last");
        QTest::addColumn<QString>("text");

        QTest::newRow("NaN") << notANumber << "NaN";
        QTest::newRow("-NaN") << -notANumber << "NaN";
        QTest::newRow("Infinity") << infinity << "Infinity";
        QTest::newRow("-Infinity") << -infinity << "-Infinity";
    }

    void nonFiniteValuesAreTexts()
    {
        QFETCH(double, last);
        QFETCH(QString, text);
        RunReport report = reportOf({{1, last}});
        report.status.shape->series[0].reference = last;
        report.request.parameters["spot"] = last;

        QCOMPARE(value(seriesAt(report, 0), "last"), QJsonValue(text));
        QCOMPARE(value(seriesAt(report, 0), "reference"), QJsonValue(text));
        QCOMPARE(value(value(printedJson(report), "parameters").toObject(), "spot"), QJsonValue(text));
    }

    void sumBeyondTheRangeIsInfinity()
    {
        const QJsonObject series = seriesAt(reportOf({{1e308, 1e308, 1e308}}), 0);

        QCOMPARE(value(series, "sum"), QJsonValue(QStringLiteral("Infinity")));
        QVERIFY(value(series, "mean").isNull());
    }

    void whatThereIsNotIsNull_data()
    {
        QTest::addColumn<QList<double>>("values");
        QTest::addColumn<QStringList>("nulls");

        QTest::newRow("no rows") << QList<double>{}
                                 << words("mean stddev stderr min max sum last quantiles reference");
        QTest::newRow("one row") << QList<double>{1} << words("stddev stderr reference");
        QTest::newRow("no finite rows") << QList<double>{notANumber, infinity}
                                        << words("mean stddev stderr min max sum quantiles reference");
    }

    void whatThereIsNotIsNull()
    {
        QFETCH(QList<double>, values);
        QFETCH(QStringList, nulls);

        const QJsonObject series = seriesAt(reportOf({{values.begin(), values.end()}}), 0);

        for (const QString &key : series.keys())
            QVERIFY2(series.value(key).isNull() == nulls.contains(key), qPrintable(key));
    }

    void runThatNeverBeganHasNoSeries()
    {
        RunReport report;
        report.request.task = "count";
        report.status.state = RunState::Failed;
        report.status.message = "why";

        const QJsonObject object = printedJson(report);

        QVERIFY(value(object, "series").isArray());
        QVERIFY(value(object, "series").toArray().isEmpty());
        QCOMPARE(value(object, "rows_per_second").toDouble(), 0.0);
        QCOMPARE(value(object, "state").toString(), QStringLiteral("failed"));
        QCOMPARE(value(object, "message").toString(), QStringLiteral("why"));
        QVERIFY(reportText(report).startsWith(QLatin1String("count failed: 0 rows in 0.000 s")));
    }

    void textIsForPeople()
    {
        RunReport report = reportOf({{1, 2, 3, 4, 5, notANumber}});
        report.status.shape->series[0] = {"price", "€", 2.0};
        report.request.seed = 7;
        report.sha256 = "abc";

        QCOMPARE(
            reportText(report),
            QStringLiteral("monte-carlo finished: 6 rows in 2.500 s (2.4 rows/s), 4 worker restarts, seed 7\n"
                           "  price: mean 3 ± 0.71 €, reference 2 (1.4 standard errors away)\n"
                           "    min 1, max 5, sum 15, last nan, median 3, 1 not finite\n"
                           "  sha256 abc\n"));
    }

    void textSaysWhereAQuantileIsFrom()
    {
        RunReport report = reportOf({{1, 2}});
        report.totals[0].areQuantilesExact = false;
        report.totals[0].sampleSize = 2449;

        QVERIFY(reportText(report).contains(QLatin1String("median 3 from a sample of 2,449")));
    }

    void textHasNoRateOfNoTimeAndNoPluralOfOne()
    {
        RunReport report = reportOf({{1}});
        report.status.elapsed = {};
        report.status.restarts = 1;
        report.request.name = "night";
        report.request.seed = 0;

        QVERIFY2(reportText(report).startsWith(
                     QLatin1String("night finished: 1 row in 0.000 s, 1 worker restart, seed 0\n")),
                 qPrintable(reportText(report)));
    }

    void textWithoutFiniteValuesSaysSo()
    {
        QVERIFY(reportText(reportOf({{notANumber}})).endsWith(QLatin1String("  s0: no finite values\n")));
    }

    void failureIsNoPartOfTheText()
    {
        RunReport report = reportOf({{1}});
        report.status.message = "the reason";

        QVERIFY(reportText(report).contains(QLatin1String("the reason\n")));
        report.status.state = RunState::Failed; // then it goes to stderr
        QVERIFY(!reportText(report).contains(QLatin1String("the reason")));
    }

    void everyStateHasAName()
    {
        QStringList names;
        for (int state = 0; state <= int(RunState::Failed); ++state)
            names += stateName(RunState(state));

        QCOMPARE(names, words("queued starting running paused stalled stopping finished stopped failed"));
    }

    void wholeNumbersAreGrouped_data()
    {
        QTest::addColumn<quint64>("number");
        QTest::addColumn<QString>("text");

        QTest::newRow("0") << quint64(0) << "0";
        QTest::newRow("999") << quint64(999) << "999";
        QTest::newRow("1000") << quint64(1000) << "1,000";
        QTest::newRow("123456") << quint64(123456) << "123,456";
        QTest::newRow("1234567") << quint64(1234567) << "1,234,567";
        QTest::newRow("largest") << ~quint64(0) << "18,446,744,073,709,551,615";
    }

    void wholeNumbersAreGrouped()
    {
        QFETCH(quint64, number);
        QFETCH(QString, text);

        QCOMPARE(grouped(number), text);
    }

    void slowRatesKeepTheirDigits()
    {
        QCOMPARE(rateText(0.0123), QStringLiteral("0.012"));
        QCOMPARE(rateText(2.44), QStringLiteral("2.4"));
        QCOMPARE(rateText(12.6), QStringLiteral("13"));
        QCOMPARE(rateText(1234567.8), QStringLiteral("1,234,568"));
    }
};

QTEST_GUILESS_MAIN(TestRunReport)
#include "tst_runreport.moc"
