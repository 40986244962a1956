// millrace-warden: starts, limits and reaps the workers of one supervisor, and sees to it that none outlives
// it.
//
// Two processes. The outer one only waits for the inner one, which does the work: when the inner is killed,
// all it had started becomes the outer's (a subreaper) and is killed; when the outer is killed, the inner is
// told by SIGTERM; when the application dies, the link ends. Single-threaded, no heap, libc only: as little
// as possible can go wrong in it.

#include "workers/warden/descendants.h"
#include "workers/warden/launch.h"
#include "workers/warden/sandbox.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr int linkFd = 3;
/// Killing everything is given this long before the warden leaves what cannot be killed.
constexpr int killMillisecondsMax = 900;
constexpr int exitUsage = 64;

struct Worker
{
    pid_t pid = 0; ///< 0: the slot is free
    std::uint32_t epoch = 0;
    int errorPipe = -1; ///< closed by a good exec; says what failed otherwise
};

Worker workers[wardenSlotsMax];

/// What a child says when it cannot become the program.
struct LaunchFailure
{
    WardenReport::Stage stage;
    std::int32_t error;
};

struct StartOrder
{
    WardenOrder order;
    const char *program = nullptr;
    char *arguments[orderStringsMax + 1];
    char *environment[orderStringsMax + 2]; ///< the worker's token comes last
};

void writeToken(char *token, std::size_t size, std::uint32_t slot, std::uint32_t epoch)
{
    snprintf(token, size, "MILLRACE_WORKER=%d.%u.%u", getpid(), slot, epoch);
}

void report(const WardenReport &message, const int *fds = nullptr, int fdCount = 0)
{
    iovec part{const_cast<WardenReport *>(&message), sizeof message};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fdCount > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(static_cast<std::size_t>(fdCount) * sizeof(int));
        cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(static_cast<std::size_t>(fdCount) * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, static_cast<std::size_t>(fdCount) * sizeof(int));
    }
    // A reader that has gone is seen as the end of the link by the main loop.
    while (sendmsg(linkFd, &header, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

void refuse(const WardenOrder &order, WardenReport::Stage stage, int error)
{
    WardenReport message;
    message.kind = WardenReport::Kind::Refused;
    message.slot = order.slot;
    message.epoch = order.epoch;
    message.stage = stage;
    message.error = error;
    report(message);
}

bool setLimits(const WardenOrder &order)
{
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (order.memoryBytesMax != 0) {
        const rlimit limit{order.memoryBytesMax, order.memoryBytesMax};
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            return false;
    }
    if (order.cpuSecondsMax != 0) {
        // SIGXCPU at the limit, SIGKILL a second later if it is ignored.
        const rlimit limit{order.cpuSecondsMax, order.cpuSecondsMax + 1};
        if (setrlimit(RLIMIT_CPU, &limit) != 0)
            return false;
    }
    errno = 0;
    if (order.nice != 0 && nice(order.nice) == -1 && errno != 0)
        return false;
    // When memory runs out, a worker goes before the window.
    if (const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
        (void)!write(fd, "800", 3);
        close(fd);
    }
    umask(077);
    return true;
}

void resetSignals()
{
    for (int number = 1; number < NSIG; ++number)
        signal(number, SIG_DFL);
    sigset_t empty;
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, nullptr);
}

[[noreturn]] void becomeWorker(StartOrder &start, pid_t warden, int channel, int output, int errorPipe)
{
    const auto fail = [errorPipe](WardenReport::Stage stage, int error) {
        const LaunchFailure failure{stage, error};
        (void)!write(errorPipe, &failure, sizeof failure);
        _exit(127);
    };
    setpgid(0, 0); // never setsid: it would open a new autogroup, in which nice means nothing
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != warden)
        _exit(127);
    resetSignals();
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || dup2(channel, 3) < 0)
        fail(WardenReport::Stage::Pipe, errno);
    // start() has put errorPipe at 4.
    if (close_range(5, ~0u, 0) != 0)
        fail(WardenReport::Stage::Pipe, errno);
    if (!setLimits(start.order))
        fail(WardenReport::Stage::Limits, errno);
    if (start.order.sandbox == WardenSandbox::Compute) {
        if (const int error = enterComputeSandbox())
            fail(WardenReport::Stage::Sandbox, error);
    }
    execve(start.program, start.arguments, start.environment);
    fail(WardenReport::Stage::Exec, errno);
    _exit(127);
}

/// Moves a descriptor out of the range 0 to 9, which the child lays anew.
int raised(int fd)
{
    const int result = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    const int error = errno;
    close(fd);
    errno = error;
    return result;
}

bool makePipe(int (&ends)[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    ends[0] = raised(ends[0]);
    ends[1] = raised(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return true;
    close(ends[0]);
    close(ends[1]);
    return false;
}

void start(StartOrder &start)
{
    const WardenOrder &order = start.order;
    Worker &worker = workers[order.slot];
    if (worker.pid != 0)
        return refuse(order, WardenReport::Stage::Order, EBUSY);

    int channel[2] = {-1, -1};
    int output[2] = {-1, -1};
    int errors[2] = {-1, -1};
    const auto closeAll = [&] {
        for (const int fd : {channel[0], channel[1], output[0], output[1], errors[1]})
            close(fd);
    };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
        return refuse(order, WardenReport::Stage::Socket, errno);
    channel[0] = raised(channel[0]);
    channel[1] = raised(channel[1]);
    if (!makePipe(output) || !makePipe(errors) || channel[0] < 0 || channel[1] < 0) {
        const int error = errno;
        closeAll();
        close(errors[0]);
        return refuse(order, WardenReport::Stage::Pipe, error);
    }
    if (order.channelBytes != 0) // the kernel cuts it to net.core.wmem_max
        setsockopt(channel[1], SOL_SOCKET, SO_SNDBUF, &order.channelBytes, sizeof order.channelBytes);

    char token[64];
    writeToken(token, sizeof token, order.slot, order.epoch);
    start.environment[order.environmentCount] = token;
    start.environment[order.environmentCount + 1] = nullptr;

    const pid_t self = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        const int errorPipe = dup3(errors[1], 4, O_CLOEXEC);
        becomeWorker(start, self, channel[1], output[1], errorPipe);
    }
    if (pid < 0) {
        const int error = errno;
        closeAll();
        close(errors[0]);
        return refuse(order, WardenReport::Stage::Fork, error);
    }
    setpgid(pid, pid); // both sides do it, whoever is first: a signal to the group must find it
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    worker = {pid, order.epoch, errors[0]};

    WardenReport message;
    message.slot = order.slot;
    message.epoch = order.epoch;
    message.pid = pid;
    const int passed[2] = {channel[0], output[0]};
    report(message, passed, 2);
    closeAll();
}

/// Lays the order's strings out in place. Returns false if they do not fit their counts.
bool readStrings(StartOrder &start, char *at, const char *end)
{
    const auto next = [&at, end]() -> char * {
        char *text = at;
        char *nul = static_cast<char *>(memchr(at, 0, static_cast<std::size_t>(end - at)));
        if (!nul)
            return nullptr;
        at = nul + 1;
        return text;
    };
    const WardenOrder &order = start.order;
    if (order.argumentCount > orderStringsMax || order.environmentCount > orderStringsMax)
        return false;
    start.program = next();
    for (std::uint32_t i = 0; i < order.argumentCount; ++i)
        start.arguments[i] = at < end ? next() : nullptr;
    start.arguments[order.argumentCount] = nullptr;
    for (std::uint32_t i = 0; i < order.environmentCount; ++i)
        start.environment[i] = at < end ? next() : nullptr;
    const bool complete = (order.argumentCount == 0 || start.arguments[order.argumentCount - 1]) &&
                          (order.environmentCount == 0 || start.environment[order.environmentCount - 1]);
    return start.program && complete && at == end;
}

/// One order from the link. Returns false at its end.
bool onOrder()
{
    static char packet[orderBytesMax];
    static StartOrder order;
    const ssize_t size = recv(linkFd, packet, sizeof packet, MSG_DONTWAIT);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size < static_cast<ssize_t>(sizeof order.order))
        return false;
    memcpy(&order.order, packet, sizeof order.order);
    if (order.order.version != wardenVersion || order.order.slot >= wardenSlotsMax) {
        refuse(order.order, WardenReport::Stage::Order, EPROTO);
        return true;
    }
    if (order.order.kind == WardenOrder::Kind::Signal) {
        const Worker &worker = workers[order.order.slot];
        if (worker.pid != 0 && worker.epoch == order.order.epoch)
            kill(-worker.pid, order.order.signal);
        return true;
    }
    if (readStrings(order, packet + sizeof order.order, packet + size))
        start(order);
    else
        refuse(order.order, WardenReport::Stage::Order, EINVAL);
    return true;
}

void onWorkerExit(std::uint32_t slot)
{
    Worker &worker = workers[slot];
    // The group first, while its leader is a zombie: its number cannot be anybody else's yet.
    kill(-worker.pid, SIGKILL);
    WardenReport message;
    message.kind = WardenReport::Kind::Exited;
    message.slot = slot;
    message.epoch = worker.epoch;
    message.pid = worker.pid;
    rusage usage{};
    wait4(worker.pid, &message.status, 0, &usage);
    message.residentBytesMax = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
    message.cpuMicroseconds =
        static_cast<std::uint64_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
        static_cast<std::uint64_t>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    LaunchFailure failure{};
    if (read(worker.errorPipe, &failure, sizeof failure) == static_cast<ssize_t>(sizeof failure)) {
        message.stage = failure.stage;
        message.error = failure.error;
    }
    close(worker.errorPipe);
    worker = {};

    char token[64];
    writeToken(token, sizeof token, slot, message.epoch);
    pid_t leaders[wardenSlotsMax];
    int count = 0;
    for (const Worker &other : workers) {
        if (other.pid != 0)
            leaders[count++] = other.pid;
    }
    killStrays(token, leaders, count);
    report(message);
}

/// Reaps whatever has ended: workers with a report, orphans that came to us without.
void onChildren()
{
    for (;;) {
        siginfo_t ended{};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
            return;
        std::uint32_t slot = 0;
        while (slot < wardenSlotsMax && workers[slot].pid != ended.si_pid)
            ++slot;
        if (slot < wardenSlotsMax)
            onWorkerExit(slot);
        else
            waitpid(ended.si_pid, nullptr, 0);
    }
}

int runInner(pid_t outer)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != outer)
        return 1;
    sigset_t mask;
    sigemptyset(&mask);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
        sigaddset(&mask, number);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    const int signals = raised(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));

    for (bool isOn = signals >= 0; isOn;) {
        pollfd watched[2] = {{linkFd, POLLIN, 0}, {signals, POLLIN, 0}};
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            break;
        signalfd_siginfo told{};
        while (read(signals, &told, sizeof told) == static_cast<ssize_t>(sizeof told)) {
            if (told.ssi_signo != SIGCHLD)
                isOn = false;
        }
        onChildren();
        if (isOn && watched[0].revents != 0)
            isOn = onOrder();
    }
    killDescendants(killMillisecondsMax);
    return 0;
}

} // namespace

int main()
{
    sockaddr_storage address{};
    socklen_t addressBytes = sizeof address;
    if (getsockname(linkFd, reinterpret_cast<sockaddr *>(&address), &addressBytes) != 0) {
        fputs("millrace-warden is started by Millrace itself, with its link as descriptor 3; there is "
              "nothing to run by "
              "hand\n",
              stderr);
        return exitUsage;
    }
    close_range(linkFd + 1, ~0u, 0);
    fcntl(linkFd, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    const pid_t self = getpid();
    const pid_t inner = fork();
    if (inner == 0)
        return runInner(self);
    close(linkFd);
    if (inner > 0) {
        while (waitpid(inner, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    killDescendants(killMillisecondsMax);
    return inner > 0 ? 0 : 1;
}
