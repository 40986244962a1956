// millrace-warden: starts, limits and reaps the workers of one supervisor, and sees to it that none outlives
// it.
//
// Two processes. The outer one only waits for the inner one, which does the work: when the inner is killed,
// all it had started becomes the outer's (a subreaper) and is killed; when the outer is killed, the inner is
// told by SIGTERM; when the application dies, the link ends, for both: an inner that was stopped is killed.
// When application, outer and inner are killed at one moment, workers die by PR_SET_PDEATHSIG, but what they
// have started does not. Single-threaded, no heap of its own, libc only: as little as possible can go wrong
// in it.

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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr int linkFd = 3;
/// Killing everything is given this long before the warden leaves what cannot be killed.
constexpr int killMillisecondsMax = 800;
/// After the end of the link the inner process is given this long by the outer, before that does its work.
constexpr int innerMillisecondsMax = 600;
/// Orders wait while the strays of a worker are killed: longer than this only at the end of the link.
constexpr int strayMillisecondsMax = 100;
constexpr int exitUsage = 64;

struct Worker
{
    pid_t pid = 0; ///< 0: the slot is free
    std::uint32_t epoch = 0;
    int errorPipe = -1; ///< closed by a good exec; says what failed otherwise
};

Worker workers[wardenSlotsMax];

/// Set by a signal. All signals of the inner process are blocked, except while it waits.
volatile sig_atomic_t isEnding = 0;

class Descriptor
{
public:
    Descriptor() = default;
    ~Descriptor()
    {
        if (m_fd >= 0)
            close(m_fd);
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;

    int fd() const { return m_fd; }
    void take(int fd) { m_fd = fd; }
    int release()
    {
        const int fd = m_fd;
        m_fd = -1;
        return fd;
    }

private:
    int m_fd = -1;
};

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
    char token[64];
};

void writeToken(char *token, std::size_t size, std::uint32_t slot, std::uint32_t epoch)
{
    snprintf(token, size, "MILLRACE_WORKER=%d.%u.%u", getpid(), slot, epoch);
}

/// Waits for the link, at most for `timeout` (null: for ever), or for a signal. Returns what is ready.
short waitForLink(short events, const timespec *timeout)
{
    sigset_t none;
    sigemptyset(&none);
    pollfd link{linkFd, events, 0};
    return ppoll(&link, 1, timeout, &none) > 0 ? link.revents : short(0);
}

/// Returns 0 or an errno. A stopped application does not read: then it waits, but not for ever if the outer
/// process dies meanwhile.
int report(const WardenReport &message, const int *fds = nullptr, int fdCount = 0)
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
    while (sendmsg(linkFd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EINTR && (errno != EAGAIN || isEnding))
            return errno;
        if (errno == EAGAIN)
            waitForLink(POLLOUT, nullptr);
    }
    return 0;
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

/// A limit that the starter has set lower stays.
bool lowerLimit(__rlimit_resource resource, rlim_t soft, rlim_t hard)
{
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0)
        return false;
    limit.rlim_max = hard < limit.rlim_max ? hard : limit.rlim_max;
    limit.rlim_cur = soft < limit.rlim_cur ? soft : limit.rlim_cur;
    return setrlimit(resource, &limit) == 0;
}

bool setLimits(const WardenOrder &order)
{
    lowerLimit(RLIMIT_CORE, 0, 0);
    if (order.memoryBytesMax != 0 && !lowerLimit(RLIMIT_AS, order.memoryBytesMax, order.memoryBytesMax))
        return false;
    // SIGXCPU at the limit, SIGKILL a second later if it is ignored.
    if (order.cpuSecondsMax != 0 && !lowerLimit(RLIMIT_CPU, order.cpuSecondsMax, order.cpuSecondsMax + 1))
        return false;
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
    // The kernel's own call: posix_spawn() leaves two signals ignored that signal() refuses to name.
    const struct
    {
        void *handler, *flags, *restorer, *mask;
    } standard{};
    for (int number = 1; number < NSIG; ++number)
        syscall(SYS_rt_sigaction, number, &standard, nullptr, sizeof standard.mask);
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
    // startWorker() has put errorPipe at 4.
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

/// Returns false, with errno, if one of them found no place.
bool takeRaised(const int (&made)[2], Descriptor (&ends)[2])
{
    ends[0].take(raised(made[0]));
    ends[1].take(raised(made[1]));
    return ends[0].fd() >= 0 && ends[1].fd() >= 0;
}

bool makePipe(Descriptor (&ends)[2])
{
    int made[2];
    return pipe2(made, O_CLOEXEC) == 0 && takeRaised(made, ends);
}

bool makeChannel(Descriptor (&ends)[2], std::uint32_t bytes)
{
    int made[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) != 0 || !takeRaised(made, ends))
        return false;
    if (bytes != 0) // the kernel cuts it to net.core.wmem_max
        setsockopt(ends[1].fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return true;
}

void startWorker(StartOrder &start)
{
    const WardenOrder &order = start.order;
    Worker &worker = workers[order.slot];
    if (worker.pid != 0)
        return refuse(order, WardenReport::Stage::Order, EBUSY);

    Descriptor channel[2];
    Descriptor output[2];
    Descriptor errors[2];
    if (!makeChannel(channel, order.channelBytes))
        return refuse(order, WardenReport::Stage::Socket, errno);
    if (!makePipe(output) || !makePipe(errors))
        return refuse(order, WardenReport::Stage::Pipe, errno);

    writeToken(start.token, sizeof start.token, order.slot, order.epoch);
    start.environment[order.environmentCount] = start.token;
    start.environment[order.environmentCount + 1] = nullptr;

    const pid_t self = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        const int errorPipe = dup3(errors[1].fd(), 4, O_CLOEXEC);
        becomeWorker(start, self, channel[1].fd(), output[1].fd(), errorPipe);
    }
    if (pid < 0)
        return refuse(order, WardenReport::Stage::Fork, errno);
    setpgid(pid, pid); // both sides do it, whoever is first: a signal to the group must find it
    fcntl(errors[0].fd(), F_SETFL, O_NONBLOCK);
    worker = {pid, order.epoch, errors[0].release()};

    WardenReport message;
    message.slot = order.slot;
    message.epoch = order.epoch;
    message.pid = pid;
    const int passed[2] = {channel[0].fd(), output[0].fd()};
    // Too many descriptors on their way: without them it is told as one whose descriptors found no place.
    if (report(message, passed, 2) != 0)
        report(message);
}

/// To the group, and to the worker itself if it has joined another.
void signalWorker(const Worker &worker, int signal)
{
    kill(-worker.pid, signal);
    if (getpgid(worker.pid) != worker.pid)
        kill(worker.pid, signal);
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

/// Whether it asks for something that this warden can do: an unknown sandbox must not become none.
bool isKnown(const WardenOrder &order)
{
    return order.kind == WardenOrder::Kind::Start &&
           (order.sandbox == WardenSandbox::None || order.sandbox == WardenSandbox::Compute);
}

/// One order from the link. Returns false at its end, and for one that is too short to be answered.
bool onOrder()
{
    static char packet[orderBytesMax];
    static StartOrder start;
    const WardenOrder &order = start.order;
    const ssize_t size = recv(linkFd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size < static_cast<ssize_t>(sizeof order))
        return false;
    memcpy(&start.order, packet, sizeof order);
    const bool isSignal = order.kind == WardenOrder::Kind::Signal;
    if (order.version != wardenVersion || order.slot >= wardenSlotsMax)
        refuse(order, WardenReport::Stage::Order, EPROTO);
    else if (size > static_cast<ssize_t>(sizeof packet))
        refuse(order, WardenReport::Stage::Order, E2BIG);
    else if (isSignal && workers[order.slot].pid != 0 && workers[order.slot].epoch == order.epoch)
        signalWorker(workers[order.slot], order.signal);
    else if (!isSignal && (!isKnown(order) || !readStrings(start, packet + sizeof order, packet + size)))
        refuse(order, WardenReport::Stage::Order, EINVAL);
    else if (!isSignal)
        startWorker(start);
    return true;
}

/// What a worker that has gone left behind outside its group. With no other worker about, that is all there
/// is; else what carries its token.
void killRemains(std::uint32_t slot, std::uint32_t epoch)
{
    for (const Worker &other : workers) {
        if (other.pid == 0)
            continue;
        char token[64];
        writeToken(token, sizeof token, slot, epoch);
        return killStrays(token, strayMillisecondsMax);
    }
    killDescendants(strayMillisecondsMax);
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

    killRemains(slot, message.epoch);
    report(message);
}

/// Reaps one process that has ended: a worker with a report, an orphan that came to us without. Returns
/// whether there was one.
bool reapOne()
{
    siginfo_t ended{};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
        return false;
    std::uint32_t slot = 0;
    while (slot < wardenSlotsMax && workers[slot].pid != ended.si_pid)
        ++slot;
    if (slot < wardenSlotsMax)
        onWorkerExit(slot);
    else
        waitpid(ended.si_pid, nullptr, 0);
    return true;
}

void handleSignals()
{
    struct sigaction action
    {
    };
    sigset_t mask;
    sigemptyset(&mask);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) {
        action.sa_handler = number == SIGCHLD ? [](int) {} : [](int) { isEnding = 1; };
        sigaction(number, &action, nullptr);
        sigaddset(&mask, number);
    }
    sigprocmask(SIG_BLOCK, &mask, nullptr);
}

int runInner(pid_t outer)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    handleSignals();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != outer)
        return 1;
    // The end of the link comes before all else: no order of a dead application is carried out.
    for (bool isOn = true; isOn && !isEnding;) {
        constexpr timespec noTime{};
        const short ready = waitForLink(POLLIN, reapOne() ? &noTime : nullptr);
        if ((ready & (POLLHUP | POLLERR)) != 0)
            isOn = false;
        else if ((ready & POLLIN) != 0)
            isOn = onOrder();
    }
    for (const Worker &worker : workers) {
        if (worker.pid != 0)
            signalWorker(worker, SIGKILL);
    }
    killDescendants(killMillisecondsMax);
    return 0;
}

/// Returns when the inner process has ended. One that does not notice the end of the link is killed.
void awaitInner(pid_t inner)
{
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, inner, 0));
    pollfd watched[2] = {{handle, POLLIN, 0}, {linkFd, 0, 0}};
    while (handle >= 0 && poll(watched, 2, -1) < 0 && errno == EINTR) {
    }
    if (handle >= 0 && watched[0].revents == 0 && poll(watched, 1, innerMillisecondsMax) == 0)
        kill(inner, SIGKILL);
    while (waitpid(inner, nullptr, 0) < 0 && errno == EINTR) {
    }
}

} // namespace

int main()
{
    int type = 0;
    socklen_t typeBytes = sizeof type;
    if (getsockopt(linkFd, SOL_SOCKET, SO_TYPE, &type, &typeBytes) != 0 || type != SOCK_SEQPACKET) {
        fputs("millrace-warden is started by Millrace itself, with its link as descriptor 3; "
              "there is nothing to run by hand\n",
              stderr);
        return exitUsage;
    }
    close_range(linkFd + 1, ~0u, 0);
    fcntl(linkFd, F_SETFD, FD_CLOEXEC);
    resetSignals(); // an inherited SIG_IGN for SIGCHLD would hide every exit
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    const pid_t self = getpid();
    const pid_t inner = fork();
    if (inner == 0)
        return runInner(self);
    if (inner > 0)
        awaitInner(inner);
    killDescendants(killMillisecondsMax);
    return inner > 0 ? 0 : 1;
}
