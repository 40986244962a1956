#include "workers/pool/wardenlauncher.h"

#include <QMetaObject>
#include <QSocketNotifier>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace {

namespace {

/// SO_SNDBUF of a worker's end: what an ordinary user may set (net.core.wmem_max of a default system).
constexpr std::uint32_t channelBytes = 212'992;
constexpr int wardenLinkFd = 3;
/// The warden needs at most 1.4 s; one that has not ended by then is killed.
constexpr std::chrono::milliseconds endMax{1500};

/// Returns whether the child has ended in time. It stays to be reaped.
bool hasEnded(int pid)
{
    const auto deadline = std::chrono::steady_clock::now() + endMax;
    const int handle = int(::syscall(SYS_pidfd_open, pid, 0));
    bool ended = false;
    for (auto left = endMax; !ended && left.count() > 0;
         left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())) {
        // Without a handle (no descriptor free) it looks every millisecond.
        pollfd watched{handle, POLLIN, 0};
        ::poll(&watched, 1, handle >= 0 ? int(left.count()) : 1);
        siginfo_t state{};
        ended = ::waitid(P_PID, id_t(pid), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_pid == pid;
    }
    if (handle >= 0)
        ::close(handle);
    return ended;
}

class SpawnSettings
{
public:
    explicit SpawnSettings(int link)
    {
        posix_spawn_file_actions_init(&m_actions);
        posix_spawn_file_actions_adddup2(&m_actions, link,
                                         wardenLinkFd); // clears FD_CLOEXEC even if it is 3 already
        posix_spawnattr_init(&m_attributes);
        // A group of its own: Ctrl-C in the terminal is for the application, which then stops its run in
        // order.
        posix_spawnattr_setflags(&m_attributes,
                                 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        sigset_t all;
        sigfillset(&all);
        posix_spawnattr_setsigdefault(&m_attributes, &all);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&m_attributes, &none);
    }
    ~SpawnSettings()
    {
        posix_spawn_file_actions_destroy(&m_actions);
        posix_spawnattr_destroy(&m_attributes);
    }
    SpawnSettings(const SpawnSettings &) = delete;
    SpawnSettings &operator=(const SpawnSettings &) = delete;

    posix_spawn_file_actions_t m_actions;
    posix_spawnattr_t m_attributes;
};

void closeAll(std::span<const int> fds)
{
    for (const int fd : fds) {
        if (fd >= 0)
            ::close(fd);
    }
}

} // namespace

WardenLauncher::WardenLauncher(std::string warden, LauncherClient &client, QObject *parent)
    : QObject(parent), m_warden(std::move(warden)), m_client(client)
{
}

WardenLauncher::~WardenLauncher()
{
    closeLink();
}

/// The warden kills all and ends within a second of losing its link; one that does not is killed itself.
void WardenLauncher::closeLink()
{
    if (m_readable) {
        m_readable->setEnabled(false);
        m_readable->deleteLater(); // it may be the one that is calling
        m_readable = nullptr;
    }
    if (m_link >= 0)
        ::close(m_link);
    m_link = -1;
    m_unconnected.clear();
    if (m_pid == 0)
        return;
    if (!hasEnded(m_pid))
        ::kill(m_pid, SIGKILL);
    ::waitpid(m_pid, nullptr, 0);
    m_pid = 0;
}

int WardenLauncher::startWarden()
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    const SpawnSettings settings(ends[1]);
    char *arguments[] = {m_warden.data(), nullptr};
    char *environment[] = {nullptr};
    const int error = ::posix_spawn(&m_pid, m_warden.c_str(), &settings.m_actions, &settings.m_attributes,
                                    arguments, environment);
    ::close(ends[1]);
    if (error != 0) {
        m_pid = 0;
        ::close(ends[0]);
        return error;
    }
    m_link = ends[0];
    m_readable = new QSocketNotifier(m_link, QSocketNotifier::Read, this);
    connect(m_readable, &QSocketNotifier::activated, this, &WardenLauncher::onReport);
    return 0;
}

void WardenLauncher::start(unsigned slot, std::uint16_t epoch, const LaunchSpec &spec)
{
    if (m_link < 0) {
        if (const int error = startWarden())
            return refuse(slot, epoch, WardenReport::Stage::Fork, error);
    }
    WardenOrder order;
    order.slot = slot;
    order.epoch = epoch;
    order.sandbox = spec.sandbox;
    order.nice = spec.nice;
    order.channelBytes = channelBytes;
    order.memoryBytesMax = spec.memoryBytesMax;
    order.cpuSecondsMax = spec.cpuSecondsMax;
    order.argumentCount = std::uint32_t(spec.arguments.size() + 1);
    order.environmentCount = std::uint32_t(spec.environment.size());

    std::string packet(reinterpret_cast<const char *>(&order), sizeof order);
    const auto append = [&packet](const std::string &text) { packet.append(text.c_str(), text.size() + 1); };
    append(spec.program);
    append(spec.program);
    for (const auto &argument : spec.arguments)
        append(argument);
    for (const auto &entry : spec.environment)
        append(entry);
    const int error = packet.size() > orderBytesMax ? E2BIG : send(packet);
    // A warden that has just died is told by the end of its link, for this slot as for all others.
    if (error != 0 && error != EPIPE && error != ECONNRESET)
        refuse(slot, epoch, WardenReport::Stage::Order, error);
}

void WardenLauncher::signal(unsigned slot, std::uint16_t epoch, int signal)
{
    if (m_link < 0)
        return;
    WardenOrder order;
    order.kind = WardenOrder::Kind::Signal;
    order.slot = slot;
    order.epoch = epoch;
    order.signal = signal;
    send(std::string(reinterpret_cast<const char *>(&order), sizeof order));
}

int WardenLauncher::send(const std::string &packet)
{
    return ::send(m_link, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

/// Told as an exit, but not from within start(): the caller is in the middle of its own thoughts.
void WardenLauncher::refuse(unsigned slot, std::uint16_t epoch, WardenReport::Stage stage, int error)
{
    ProcessExit exit;
    exit.error = error;
    exit.stage = stage;
    QMetaObject::invokeMethod(
        this, [this, slot, epoch, exit] { m_client.exited(slot, epoch, exit); }, Qt::QueuedConnection);
}

void WardenLauncher::onReport()
{
    for (;;) {
        WardenReport report;
        iovec part{&report, sizeof report};
        alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const ssize_t size = ::recvmsg(m_link, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        int fds[] = {-1, -1};
        if (const cmsghdr *rights = size > 0 ? CMSG_FIRSTHDR(&header) : nullptr)
            std::memcpy(fds, CMSG_DATA(rights),
                        std::min<std::size_t>(sizeof fds, rights->cmsg_len - CMSG_LEN(0)));
        if (size != ssize_t(sizeof report)) {
            closeAll(fds);
            closeLink();
            m_client.launcherLost("the warden ended; its workers ended with it");
            return;
        }
        readReport(report, fds[0], fds[1]);
        if (m_link < 0)
            return;
    }
}

void WardenLauncher::readReport(const WardenReport &report, int channel, int output)
{
    const auto epoch = std::uint16_t(report.epoch);
    if (report.kind == WardenReport::Kind::Started && channel >= 0 && output >= 0) {
        ::fcntl(output, F_SETFL, O_NONBLOCK);
        m_client.launched(report.slot, epoch, report.pid, channel, output);
        return;
    }
    // A descriptor table that is full takes the message and drops its descriptors: a worker without a
    // channel.
    const auto place = std::pair(report.slot, report.epoch);
    if (report.kind == WardenReport::Kind::Started) {
        closeAll(std::array{channel, output});
        m_unconnected.insert(place);
        signal(report.slot, epoch, SIGKILL);
        return;
    }
    ProcessExit exit;
    exit.status = report.status;
    exit.error = report.error;
    exit.stage = report.stage;
    exit.residentBytesMax = report.residentBytesMax;
    exit.cpuMicroseconds = report.cpuMicroseconds;
    if (m_unconnected.erase(place) != 0) {
        exit.error = EMFILE;
        exit.stage = WardenReport::Stage::Pipe;
    }
    m_client.exited(report.slot, epoch, exit);
}

} // namespace millrace
