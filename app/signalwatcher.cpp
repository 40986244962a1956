#include "app/signalwatcher.h"

#include <atomic>
#include <csignal>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr int stoppedExit = 3;

std::atomic<int> wakeFd = -1;
std::atomic<int> signalCount = 0;
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

extern "C" void onSignal(int)
{
    if (signalCount.fetch_add(1) > 0)
        ::_exit(stoppedExit);
    constexpr std::uint64_t one = 1;
    (void)!::write(wakeFd, &one, sizeof one);
}

int makeWakeFd()
{
    wakeFd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakeFd;
}

void setHandler(void (*handler)(int))
{
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        ::sigaction(number, &action, nullptr);
}

} // namespace

SignalWatcher::SignalWatcher(QObject *parent) : QObject(parent), m_readable(makeWakeFd(), QSocketNotifier::Read)
{
    signalCount = 0;
    connect(&m_readable, &QSocketNotifier::activated, this, [this] {
        std::uint64_t count;
        (void)!::read(wakeFd, &count, sizeof count);
        Q_EMIT requested();
    });
    setHandler(onSignal);
}

SignalWatcher::~SignalWatcher()
{
    setHandler(SIG_DFL);
    ::close(wakeFd.exchange(-1));
}

} // namespace millrace
