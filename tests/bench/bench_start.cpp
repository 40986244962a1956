// From exec to a helper's Hello, from `run` to the first row in the sink, and what a helper costs in memory
// (PSS) while the application and two workers run.

#include "app/programs.h"
#include "tests/bench/bench.h"
#include "workers/pool/processsupervisor.h"
#include "workers/pool/wardenlauncher.h"

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QRegularExpression>

#include <atomic>
#include <csignal>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace millrace;

namespace {

using Clock = std::chrono::steady_clock;

/// Starts helpers through a warden and measures from the order to the first byte on the channel, which is the
/// Hello's.
class HelloBench : public QObject, public LauncherClient
{
public:
    double measure()
    {
        if (!m_launcher)
            m_launcher = std::make_unique<WardenLauncher>(ownPrograms().warden, *this);
        LaunchSpec spec;
        spec.program = ownPrograms().helper;
        m_start = Clock::now();
        m_launcher->start(0, ++m_epoch, spec);
        m_loop.exec();
        return m_milliseconds;
    }

    void launched(unsigned slot, std::uint16_t epoch, int, int channel, int output) override
    {
        pollfd hello{channel, POLLIN, 0};
        ::poll(&hello, 1, 5000);
        m_milliseconds = bench::secondsSince(m_start) * 1000;
        ::close(channel);
        ::close(output);
        m_launcher->signal(slot, epoch, SIGKILL);
    }
    void exited(unsigned, std::uint16_t, const ProcessExit &) override { m_loop.quit(); }
    void launcherLost(const std::string &) override { m_loop.quit(); }

private:
    std::unique_ptr<WardenLauncher> m_launcher;
    QEventLoop m_loop;
    Clock::time_point m_start;
    std::uint16_t m_epoch = 0;
    double m_milliseconds = 0;
};

class FirstRow : public RowSink
{
public:
    void begin(const RunShape &, std::uint64_t, std::shared_ptr<SinkFeedback> feedback) override
    {
        m_feedback = feedback;
    }
    void rows(const ReleasedRows &rows) override
    {
        if (!m_isHere.exchange(true))
            m_at = Clock::now();
        m_feedback->written(rows.first + rows.count);
    }
    void end(RunEnd) override { m_feedback.reset(); }

    std::atomic<bool> m_isHere = false;
    Clock::time_point m_at;

private:
    std::shared_ptr<SinkFeedback> m_feedback;
};

double pssMegabytes(int pid)
{
    QFile file(QStringLiteral("/proc/%1/smaps_rollup").arg(pid));
    if (!file.open(QIODevice::ReadOnly))
        return 0;
    const auto match =
        QRegularExpression(QStringLiteral("Pss:\\s+(\\d+) kB")).match(QString::fromLatin1(file.readAll()));
    return match.captured(1).toDouble() / 1024;
}

struct Run
{
    double firstRowMilliseconds = 0;
    std::vector<double> helperMegabytes;
};

Run measureRun()
{
    RunRequest request;
    request.task = "count";
    request.parameters = {{"rate", 1000.0}};
    request.workers = 2;
    request.helper = ownPrograms().helper;
    request.warden = ownPrograms().warden;
    auto sink = std::make_shared<FirstRow>();
    Run run;
    QEventLoop loop;
    const auto start = Clock::now();
    ProcessSupervisor supervisor(request, sink);
    QObject::connect(&supervisor, &Supervisor::changed, &loop, [&] {
        const RunStatus status = supervisor.status();
        const bool areReady =
            std::all_of(status.workers.begin(), status.workers.end(),
                        [](const WorkerStatus &worker) { return worker.state == WorkerState::Ready; });
        if (!areReady || !sink->m_isHere || !run.helperMegabytes.empty())
            return;
        for (const WorkerStatus &worker : status.workers)
            run.helperMegabytes.push_back(pssMegabytes(worker.pid));
        supervisor.stop();
    });
    QObject::connect(&supervisor, &Supervisor::ended, &loop, &QEventLoop::quit);
    supervisor.start();
    loop.exec();
    run.firstRowMilliseconds = std::chrono::duration<double, std::milli>(sink->m_at - start).count();
    return run;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const int repeats = bench::isShort(argc, argv) ? 3 : 51;
    std::vector<double> hello, firstRow, megabytes;
    HelloBench helloBench;
    helloBench.measure(); // the first one also starts the warden
    for (int i = 0; i < repeats; ++i)
        hello.push_back(helloBench.measure());
    for (int i = 0; i < repeats; ++i) {
        const Run run = measureRun();
        firstRow.push_back(run.firstRowMilliseconds);
        megabytes.insert(megabytes.end(), run.helperMegabytes.begin(), run.helperMegabytes.end());
    }
    bench::printJson("start", {{"hello_ms", bench::median(hello)},
                               {"first_row_ms", bench::median(firstRow)},
                               {"helper_pss_mb", bench::median(megabytes)}});
    return 0;
}
