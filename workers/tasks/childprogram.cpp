#include "workers/tasks/childprogram.h"

#include "workers/tasks/wording.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace millrace {

using namespace std::chrono_literals;

namespace {

constexpr auto endGrace = 200ms;        // from SIGTERM to SIGKILL
constexpr auto stopPollInterval = 50ms; // for a StopRequest without fd
constexpr auto forwardPatience = 50ms;  // nobody reads our stderr: what the program writes there is dropped
constexpr int outputPipeBytes = 256 * 1024;

[[noreturn]] void failed(const char *what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

struct Pipe
{
    Descriptor read;
    Descriptor write;
};

Pipe makePipe()
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        failed("no pipe for a program");
    return {Descriptor(fds[0]), Descriptor(fds[1])};
}

void makeNonBlocking(const Descriptor &fd)
{
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

std::vector<char *> pointers(const std::vector<std::string> &texts)
{
    std::vector<char *> result;
    result.reserve(texts.size() + 1);
    for (const std::string &text : texts)
        result.push_back(const_cast<char *>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// All that the child needs between fork and exec, made before: this process has other threads, which may
/// hold any lock at that moment, so the child may only call what is async-signal-safe.
struct Launch
{
    const char *path;
    char *const *arguments;
    char *const *environment;
    pid_t parent;
    int input, output, errors, report;
};

[[noreturn]] void becomeProgram(const Launch &launch) noexcept
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launch.parent) // it died before prctl
        _exit(127);
    if (dup2(launch.input, 0) == 0 && dup2(launch.output, 1) == 1 && dup2(launch.errors, 2) == 2 &&
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
        struct sigaction standard = {};
        standard.sa_handler = SIG_DFL;
        for (int signal = 1; signal < NSIG; ++signal)
            sigaction(signal, &standard, nullptr);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        execve(launch.path, launch.arguments, launch.environment);
    }
    const int error = errno;
    [[maybe_unused]] const ssize_t told = write(launch.report, &error, sizeof error);
    _exit(127);
}

/// Signals wait while the child still has our handlers.
pid_t forkProgram(const Launch &launch)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0)
        becomeProgram(launch);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return pid;
}

/// glibc 2.36 declares pidfd_open() without C linkage.
Descriptor openPidfd(pid_t pid)
{
    return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

/// For poll(2): -1 waits for ever. A deadline of the past may be so long ago that a difference overflows.
int millisecondsUntil(ChildProgram::Clock::time_point deadline)
{
    if (deadline == ChildProgram::never)
        return -1;
    const auto now = ChildProgram::Clock::now();
    if (deadline <= now)
        return 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
    return static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
}

} // namespace

std::string ProgramExit::words() const
{
    if (!bySignal)
        return "exit code " + std::to_string(code);
    const char *const name = sigabbrev_np(code);
    const char *const description = sigdescr_np(code);
    if (!name || !description)
        return "signal " + std::to_string(code);
    return std::string("signal SIG") + name + " (" + description + ")";
}

ChildProgram::ChildProgram(const ProgramCall &call)
{
    Pipe output = makePipe();
    Pipe errors = makePipe();
    Pipe report = makePipe();
    const Descriptor input(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input.isOpen())
        failed("no /dev/null for a program");
    fcntl(output.read.get(), F_SETPIPE_SZ, outputPipeBytes); // fewer turns; an ordinary size does too
    makeNonBlocking(output.read);
    makeNonBlocking(errors.read);
    const auto arguments = pointers(call.arguments);
    const auto environment = pointers(call.environment);
    m_startTime = Clock::now();
    m_pid = forkProgram({call.path.c_str(), arguments.data(), environment.data(), getpid(), input.get(),
                         output.write.get(), errors.write.get(), report.write.get()});
    if (m_pid < 0)
        failed("no process for a program");
    m_process = openPidfd(m_pid);
    const int pidfdError = errno;
    m_output = std::move(output.read);
    m_errors = std::move(errors.read);
    report.write.reset();
    int execError = 0;
    const ssize_t told = TEMP_FAILURE_RETRY(::read(report.read.get(), &execError, sizeof execError));
    if (told == 0 && m_process.isOpen())
        return;
    kill(m_pid, SIGKILL);
    reap();
    if (told == 0)
        throw std::system_error(pidfdError, std::generic_category(), "no pidfd for a program");
    throw ProgramNotStarted(call.name + " cannot be started: " + strerrordesc_np(execError) + " (" +
                            escaped(call.path, 1024) + ")");
}

ChildProgram::~ChildProgram()
{
    end();
}

ChildProgram::Wake ChildProgram::wait(const StopRequest &stop, Clock::time_point deadline)
{
    for (;;) {
        if (stop.token.stop_requested())
            return Wake::Stopped;
        pollfd fds[] = {{m_output.get(), POLLIN, 0},
                        {m_errors.get(), POLLIN, 0},
                        {m_process.get(), POLLIN, 0},
                        {stop.fd, POLLIN, 0}};
        auto until = deadline;
        if (stop.fd < 0 && stop.token.stop_possible())
            until = std::min(deadline, Clock::now() + stopPollInterval);
        if (poll(fds, std::size(fds), millisecondsUntil(until)) < 0) {
            if (errno != EINTR)
                failed("waiting for a program");
            continue;
        }
        if (fds[3].revents != 0)
            return Wake::Stopped;
        if (fds[1].revents != 0)
            readErrors();
        if (fds[0].revents != 0)
            return Wake::Output;
        if (fds[2].revents != 0) {
            reap();
            return Wake::Exited;
        }
        if (Clock::now() >= deadline)
            return Wake::TimedOut;
    }
}

std::optional<std::size_t> ChildProgram::read(std::span<char> room)
{
    if (!m_output.isOpen())
        return std::nullopt;
    const ssize_t bytes = TEMP_FAILURE_RETRY(::read(m_output.get(), room.data(), room.size()));
    if (bytes > 0)
        return static_cast<std::size_t>(bytes);
    if (bytes < 0 && errno == EAGAIN)
        return 0;
    if (bytes < 0)
        failed("reading from a program");
    m_output.reset();
    return std::nullopt;
}

/// Takes at most a pipe's content: a program that floods stderr must not keep us from its rows.
void ChildProgram::readErrors()
{
    char block[16 * 1024];
    for (int turn = 0; turn < 4 && m_errors.isOpen(); ++turn) {
        const ssize_t bytes = TEMP_FAILURE_RETRY(::read(m_errors.get(), block, sizeof block));
        if (bytes < 0)
            return;
        if (bytes == 0)
            m_errors.reset();
        const std::string_view text(block, static_cast<std::size_t>(bytes));
        m_tail.add(text);
        forwardErrors(text);
    }
}

/// Never blocks for long: the lines are also in the tail. A pipe that is writable takes PIPE_BUF bytes.
void ChildProgram::forwardErrors(std::string_view bytes)
{
    while (!bytes.empty()) {
        pollfd ours{STDERR_FILENO, POLLOUT, 0};
        const int patience = m_isForwardingStuck ? 0 : static_cast<int>(forwardPatience.count());
        m_isForwardingStuck = poll(&ours, 1, patience) != 1 || (ours.revents & POLLOUT) == 0;
        if (m_isForwardingStuck)
            return;
        const ssize_t written =
            ::write(STDERR_FILENO, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
        if (written <= 0)
            return;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string ChildProgram::lastErrors()
{
    readErrors();
    return m_tail.text();
}

bool ChildProgram::hasExitedBy(Clock::time_point deadline)
{
    for (;;) {
        pollfd process{m_process.get(), POLLIN, 0};
        const int ready = poll(&process, 1, millisecondsUntil(deadline));
        if (ready >= 0)
            return ready == 1;
    }
}

void ChildProgram::end()
{
    if (m_exit)
        return;
    kill(m_pid, SIGTERM); // no other process can have the id: it is not reaped yet
    m_output.reset();     // what it still prints goes nowhere and cannot block it
    m_errors.reset();
    if (!hasExitedBy(Clock::now() + endGrace))
        kill(m_pid, SIGKILL);
    reap();
}

void ChildProgram::reap()
{
    siginfo_t info = {};
    const int result = TEMP_FAILURE_RETRY(waitid(P_PID, static_cast<id_t>(m_pid), &info, WEXITED));
    m_exit.emplace();
    m_exit->bySignal = result == 0 && info.si_code != CLD_EXITED;
    m_exit->code = result == 0 ? info.si_status : -1; // somebody else reaped it: nobody knows
    m_process.reset();
}

} // namespace millrace
