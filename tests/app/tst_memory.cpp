// A run of very many rows in constant memory: from the kernel to the series store, as the window will hold
// it.

#include "app/runrows.h"
#include "tests/support/runharness.h"

#include <QFile>
#include <QTest>

#include <unistd.h>

using namespace millrace;

namespace {

/// Resident memory of this process.
qint64 residentBytes()
{
    QFile file(QStringLiteral("/proc/self/statm"));
    if (!file.open(QIODevice::ReadOnly))
        return 0;
    return file.readAll().split(' ').value(1).toLongLong() * ::sysconf(_SC_PAGESIZE);
}

} // namespace

class TestMemory : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void manyRowsNeedConstantMemory()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        const bool isLong = qEnvironmentVariableIsSet("MILLRACE_LONG");
        const std::uint64_t rows = isLong ? 10'000'000'000 : 100'000'000;
        [[maybe_unused]] constexpr qint64 growthMax = 16 * 1024 * 1024;
        RunRequest request = RunHarness::taskRequest("count");
        request.rows = rows;
        request.workers = 2;
        const auto store = std::make_shared<SeriesStore>();
        ProcessSupervisor supervisor(request, std::make_shared<RunRows>(store, nullptr, 1));
        qint64 warmBytes = 0;
        qint64 bytesMax = 0;
        bool hasEnded = false;
        QEventLoop loop;
        connect(&supervisor, &Supervisor::changed, &loop, [&] {
            const std::uint64_t done = supervisor.status().rows;
            if (done < rows / 4)
                return;
            if (warmBytes == 0)
                warmBytes = residentBytes();
            bytesMax = std::max(bytesMax, residentBytes());
        });
        connect(&supervisor, &Supervisor::ended, &loop, [&] {
            hasEnded = true;
            loop.quit();
        });

        supervisor.start();
        loop.exec();

        QVERIFY(hasEnded);
        QCOMPARE(supervisor.status().state, RunState::Finished);
        const Totals totals = store->totals(0);
        QCOMPARE(totals.rows, rows);
        QCOMPARE(totals.last, std::optional(double(rows - 1)));
        QCOMPARE(totals.summary.min, 0.0);
        QCOMPARE(totals.summary.max, double(rows - 1));
        QVERIFY(store->bytes() <= SeriesStore::seriesBytesMax);
        QVERIFY(warmBytes > 0);
#ifndef MILLRACE_SANITIZED // which keep freed memory for a while, to see whether it is used
        QVERIFY2(bytesMax - warmBytes < growthMax,
                 qPrintable(QStringLiteral("%1 bytes after a quarter of the rows, %2 later")
                                .arg(warmBytes)
                                .arg(bytesMax)));
#endif
    }
};

QTEST_GUILESS_MAIN(TestMemory)
#include "tst_memory.moc"
