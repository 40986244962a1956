// 500 random schedules; MILLRACE_LONG=1: 10,000; MILLRACE_SEED=n: that one.

#include "tests/workers/pool/simulation.h"

#include <QTest>

using namespace millrace;

namespace {

constexpr int eventsPerRun = 1000;

/// What is wrong with the run of this seed; empty: nothing.
std::string outcome(std::uint64_t seed, Simulation::Sabotage sabotage)
{
    try {
        Simulation(seed, sabotage).run(eventsPerRun);
    } catch (const Wrong &wrong) {
        return wrong.what();
    }
    return {};
}

} // namespace

Q_DECLARE_METATYPE(millrace::Simulation::Sabotage)

class TestSimulation : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void everyRowIsReleasedOnceInAnySchedule()
    {
        bool isOne = false;
        const std::uint64_t one = qEnvironmentVariable("MILLRACE_SEED").toULongLong(&isOne);
        const std::uint64_t first = isOne ? one : 1;
        const std::uint64_t count = isOne ? 1 : qEnvironmentVariableIsSet("MILLRACE_LONG") ? 10'000 : 500;

        for (std::uint64_t seed = first; seed < first + count; ++seed) {
            const std::string wrong = outcome(seed, Simulation::Sabotage::None);
            QVERIFY2(wrong.empty(), ("MILLRACE_SEED=" + std::to_string(seed) + ": " + wrong).c_str());
        }
    }

    void sabotageIsFound_data()
    {
        QTest::addColumn<Simulation::Sabotage>("sabotage");
        QTest::newRow("a batch skipped after a death") << Simulation::Sabotage::SkipAfterDeath;
        QTest::newRow("a frame released twice") << Simulation::Sabotage::ReleaseTwice;
        QTest::newRow("a cut frame counted") << Simulation::Sabotage::CountCutFrame;
        QTest::newRow("a dead worker's lease lost") << Simulation::Sabotage::LoseAfterDeath;
    }

    void sabotageIsFound()
    {
        QFETCH(Simulation::Sabotage, sabotage);
        int found = 0;

        for (std::uint64_t seed = 1; seed <= 50; ++seed)
            found += !outcome(seed, sabotage).empty();

        QVERIFY2(found > 20, qPrintable(QStringLiteral("%1 of 50").arg(found)));
    }
};

QTEST_GUILESS_MAIN(TestSimulation)
#include "tst_simulation.moc"
