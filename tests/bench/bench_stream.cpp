// Values per second of `count` from its kernel to the series store, with summaries, by one worker; beside two
// baselines in the same run: `raw`, two processes and a socket, and `loop`, the same with the kernel's fill
// and the summaries but no protocol.

#include "app/programs.h"
#include "app/runrows.h"
#include "tests/bench/bench.h"
#include "workers/helper/kernel.h"
#include "workers/pool/binsummary.h"
#include "workers/pool/processsupervisor.h"
#include "workers/tasks/count.h"

#include <QCoreApplication>
#include <QTimer>

#include <csignal>
#include <cstring>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr std::size_t blockValues = 64 * 1024; // 512 KiB, as the helper's batches
constexpr int sendBufferBytes = 212'992;       // as the warden's

enum class Baseline { Raw, Loop };

[[noreturn]] void produce(int fd, Baseline kind)
{
    std::vector<double> block(blockValues, 1.0);
    const TaskEntry task = countTask();
    const auto kernel = task.make(resolveParameters(task.description, {}).values, RunOptions{});
    FillContext context;
    for (std::uint64_t row = 0;; row += blockValues) {
        double *column = block.data();
        if (kind == Baseline::Loop)
            kernel->fill({row, blockValues, row, row + blockValues, {&column, 1}}, context);
        for (std::size_t sent = 0; sent < blockValues * sizeof(double);) {
            const ssize_t count = ::send(fd, reinterpret_cast<const char *>(block.data()) + sent,
                                         blockValues * sizeof(double) - sent, MSG_NOSIGNAL);
            if (count <= 0)
                ::_exit(0);
            sent += std::size_t(count);
        }
    }
}

double consume(int fd, Baseline kind, double seconds)
{
    std::vector<double> block(blockValues);
    FrameSummary summary;
    double kept = 0;
    std::uint64_t values = 0;
    const auto start = std::chrono::steady_clock::now();
    while (bench::secondsSince(start) < seconds) {
        double *column = block.data();
        summary.begin(values, blockValues, {&column, 1});
        for (std::size_t have = 0; have < blockValues * sizeof(double);) {
            const ssize_t count = ::recv(fd, reinterpret_cast<char *>(block.data()) + have,
                                         blockValues * sizeof(double) - have, 0);
            if (count <= 0)
                return 0;
            have += std::size_t(count);
            if (kind == Baseline::Loop)
                summary.advance(0, have / sizeof(double));
        }
        if (kind == Baseline::Loop) {
            summary.advance(1, 0);
            kept += summary.take().front().sum;
        }
        values += blockValues;
    }
    const double rate = double(values) / bench::secondsSince(start);
    return kept == -1 ? 0 : rate; // `kept` keeps the summaries from being optimised away
}

double baseline(Baseline kind, double seconds)
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return 0;
    ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &sendBufferBytes, sizeof sendBufferBytes);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        produce(ends[1], kind);
    }
    ::close(ends[1]);
    const double rate = consume(ends[0], kind, seconds);
    ::close(ends[0]);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return rate;
}

/// Rows per second between two moments of one run: its start is another bench's matter.
double stream(double seconds)
{
    RunRequest request;
    request.task = "count";
    request.helper = ownPrograms().helper;
    request.warden = ownPrograms().warden;
    auto store = std::make_shared<SeriesStore>();
    ProcessSupervisor supervisor(request, std::make_shared<RunRows>(store, nullptr, 0));
    QEventLoop loop;
    std::uint64_t rowsAtStart = 0;
    double rate = 0;
    std::chrono::steady_clock::time_point start;
    QObject::connect(&supervisor, &Supervisor::changed, &loop, [&] {
        const RunStatus status = supervisor.status();
        constexpr std::uint64_t warmRows = 20'000'000;
        if (rowsAtStart == 0 && status.rows > warmRows) {
            rowsAtStart = status.rows;
            start = std::chrono::steady_clock::now();
        } else if (rowsAtStart != 0 && rate == 0 && bench::secondsSince(start) >= seconds) {
            rate = double(status.rows - rowsAtStart) / bench::secondsSince(start);
            supervisor.stop();
        }
    });
    QObject::connect(&supervisor, &Supervisor::ended, &loop, &QEventLoop::quit);
    supervisor.start();
    loop.exec();
    return rate;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const bool isShort = bench::isShort(argc, argv);
    const double seconds = isShort ? 0.2 : 1.0;
    const int repeats = isShort ? 1 : 7;
    std::vector<double> raw, loop, ours, ratio, ofLoop;
    for (int i = 0; i < repeats; ++i) {
        raw.push_back(baseline(Baseline::Raw, seconds));
        ours.push_back(stream(seconds));
        loop.push_back(baseline(Baseline::Loop, seconds));
        ratio.push_back(ours.back() / raw.back());
        ofLoop.push_back(ours.back() / loop.back());
    }
    bench::printJson("stream", {{"values_per_second", bench::median(ours)},
                                {"raw_values_per_second", bench::median(raw)},
                                {"loop_values_per_second", bench::median(loop)},
                                {"ratio", bench::median(ratio)},
                                {"of_loop", bench::median(ofLoop)}});
    return bench::median(ours) > 0 ? 0 : 1;
}
