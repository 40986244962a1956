#include "app/signalwatcher.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace millrace {

namespace {

constexpr int stoppedExit = 3;
/// Signals that come closer together are one: timeout(1) sends its signal to the process and then to its
/// group, a terminal that closes sends SIGHUP twice.
constexpr std::int64_t togetherNanoseconds = 100'000'000;

std::atomic<int> wakeFd = -1;
std::atomic<std::int64_t> firstNanoseconds = 0; // 0: no signal yet
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free,
              "used in a signal handler");

std::int64_t nowNanoseconds()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

extern "C" void onSignal(int)
{
    std::int64_t first = 0;
    const std::int64_t now = nowNanoseconds();
    if (!firstNanoseconds.compare_exchange_strong(first, now)) {
        if (now - first >= togetherNanoseconds)
            ::_exit(stoppedExit);
        return;
    }
    constexpr std::uint64_t one = 1;
    const int before = errno;
    (void)!::write(wakeFd, &one, sizeof one);
    errno = before;
}

int makeWakeFd()
{
    wakeFd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakeFd;
}

bool isIgnored(int number)
{
    struct sigaction action
    {
    };
    return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void handle(int number, void (*handler)(int))
{
    struct sigaction action
    {
    };
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(number, &action, nullptr);
}

} // namespace

SignalWatcher::SignalWatcher(QObject *parent)
    : QObject(parent), m_readable(makeWakeFd(), QSocketNotifier::Read), m_numbers{SIGINT, SIGTERM}
{
    firstNanoseconds = 0;
    connect(&m_readable, &QSocketNotifier::activated, this, [this] {
        std::uint64_t count = 0;
        (void)!::read(wakeFd, &count, sizeof count);
        Q_EMIT requested();
    });
    if (!isIgnored(SIGHUP)) // as nohup(1) has it
        m_numbers.push_back(SIGHUP);
    for (const int number : m_numbers)
        handle(number, onSignal);
}

SignalWatcher::~SignalWatcher()
{
    for (const int number : m_numbers)
        handle(number, SIG_DFL);
    m_readable.setEnabled(false);
    ::close(wakeFd.exchange(-1));
}

} // namespace millrace
