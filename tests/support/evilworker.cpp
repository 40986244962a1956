// A helper that misbehaves on request: `evilworker --fault=NAME`. What it computes is `count` with series
// value = row; the fault strikes when row 1,000 of the run is due (or earlier, if it is one of the start), in
// its first epoch only unless the name ends with "-always": then the run can finish, and the test can see
// that nothing was lost.

#include "tests/support/evilprotocol.h"
#include "workers/helper/helpermain.h"

#include <atomic>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr std::uint64_t strikeRow = 1000;

std::string faultName;

unsigned long argumentOf(const std::string &fault)
{
    const auto colon = fault.find(':');
    return colon == std::string::npos ? 0 : std::strtoul(fault.c_str() + colon + 1, nullptr, 10);
}

bool is(const char *name)
{
    return faultName.substr(0, faultName.find(':')) == name;
}

[[noreturn]] void spin()
{
    static std::atomic<unsigned long> turns;
    for (;;)
        ++turns;
}

void forkSleeper(bool isDaemon)
{
    if (::fork() != 0)
        return;
    if (isDaemon) {
        ::setsid();
        if (::fork() != 0)
            ::_exit(0);
    }
    for (;;)
        ::pause();
}

void flood(int fd, std::size_t bytes, const std::string &piece)
{
    while (bytes > 0) {
        const ssize_t count = ::write(fd, piece.data(), std::min(bytes, piece.size()));
        if (count < 0)
            return;
        bytes -= std::size_t(count);
    }
}

void strike()
{
    if (is("exit"))
        std::exit(int(argumentOf(faultName)));
    if (is("quick-exit"))
        std::_Exit(int(argumentOf(faultName)));
    if (is("signal")) {
        std::signal(int(argumentOf(faultName)), SIG_DFL);
        std::raise(int(argumentOf(faultName)));
    }
    if (is("throw"))
        throw std::runtime_error("the sky fell");
    if (is("throw-int"))
        throw 42;
    if (is("bad-alloc"))
        throw std::bad_alloc();
    if (is("stop-self"))
        std::raise(SIGSTOP);
    if (is("close-channel"))
        ::close(3);
    if (is("ignore-sigterm"))
        std::signal(SIGTERM, SIG_IGN);
    if (is("close-output")) {
        ::close(STDOUT_FILENO);
        ::close(STDERR_FILENO);
    }
    if (is("hang") || is("ignore-sigterm"))
        spin();
    if (is("fork-and-die")) {
        forkSleeper(false);
        std::_Exit(1);
    }
    if (is("daemonise-and-die")) {
        forkSleeper(true);
        std::_Exit(1);
    }
    if (is("stderr-flood"))
        flood(STDERR_FILENO, 100'000'000, std::string(65536, 'x') + '\n');
    if (is("stderr-markup"))
        std::fputs("<img src=http://example.invalid/>\x1b[31mred\x1b[0m\a\n", stderr);
    if (is("stderr-no-newline"))
        flood(STDERR_FILENO, 2'000'000, std::string(65536, 'y'));
    if (is("last-words")) {
        for (int i = 0; i < 100; ++i)
            std::fprintf(stderr, "last word %d\n", i);
        std::_Exit(9);
    }
    if (is("change-state")) {
        ::umask(0);
        (void)!::chdir("/");
        std::setlocale(LC_ALL, "C.UTF-8");
        sigset_t all;
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
    }
}

class EvilKernel : public Kernel
{
public:
    EvilKernel(const Parameters &parameters, const RunOptions &options)
        : m_faultRow(std::uint64_t(get<std::int64_t>(parameters, "fault-row"))), m_rows(options.rows)
    {
    }

    RunShape shape() override
    {
        RunShape shape;
        shape.series = {{"value", "", {}}};
        shape.rows = m_rows;
        if (is("source"))
            shape.splittable = shape.repeatable = false;
        return shape;
    }

    std::size_t fill(const Batch &batch, FillContext &) override
    {
        const bool isDue = batch.begin <= m_faultRow && m_faultRow < batch.begin + batch.rows;
        if (isDue && isStriking())
            strike();
        if (is("too-many-rows") && isDue && isStriking())
            return batch.rows + 1;
        if (is("ends-early") && isDue && isStriking())
            return 0;
        for (std::size_t i = 0; i < batch.rows; ++i)
            batch.columns[0][i] = is("bit-patterns") ? evilBits(batch.begin + i) : double(batch.begin + i);
        return batch.rows;
    }

private:
    /// Leases of any epoch after the first are served well, unless the fault is for ever.
    static bool isStriking() { return faultName.ends_with("-always") || evilEpoch() == 1; }

    const std::uint64_t m_faultRow;
    const std::optional<std::uint64_t> m_rows;
};

TaskEntry evilTask()
{
    TaskDescription task;
    task.name = "evil";
    task.title = "Evil";
    task.help = "Counts, and misbehaves at a row.";
    ParameterDescription row;
    row.name = "fault-row";
    row.title = "Fault row";
    row.type = ParameterType::Integer;
    row.initial = std::int64_t(strikeRow);
    row.maximum = 1e15;
    row.help = "Where the fault strikes.";
    task.parameters = {row};
    return {task, [](const Parameters &parameters, const RunOptions &options) -> std::unique_ptr<Kernel> {
                return std::make_unique<EvilKernel>(parameters, options);
            }};
}

} // namespace

int main(int argc, char **argv)
{
    constexpr char prefix[] = "--fault=";
    for (int i = 1; i < argc; ++i) {
        if (std::strncmp(argv[i], prefix, std::strlen(prefix)) == 0)
            faultName = argv[i] + std::strlen(prefix);
    }
    const bool isAlways = faultName.ends_with("-always");
    const std::string plain =
        isAlways ? faultName.substr(0, faultName.size() - std::strlen("-always")) : faultName;
    if (isProtocolFault(plain))
        return runEvilProtocol(plain, isAlways);
    if (isAlways)
        faultName = plain + (plain.find(':') == std::string::npos ? ":0-always" : "-always");
    return helperMain(1, argv, "evilworker 1.0", {evilTask()});
}
