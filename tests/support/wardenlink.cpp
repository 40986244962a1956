#include "tests/support/wardenlink.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace millrace::test {

namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point deadline()
{
    return Clock::now() + std::chrono::milliseconds(deadlineMilliseconds);
}

bool awaitReadable(int fd, Clock::time_point until)
{
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0)
            return false;
        pollfd watched{fd, POLLIN, 0};
        if (const int count = poll(&watched, 1, int(left.count())); count != -1 || errno != EINTR)
            return count == 1;
    }
}

/// A process may go while it is read: then there is nothing.
std::string contents(const std::string &path)
{
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, std::size_t(count));
    return text;
}

} // namespace

Fd &Fd::operator=(Fd &&other) noexcept
{
    reset();
    m_fd = other.release();
    return *this;
}

int Fd::release()
{
    return std::exchange(m_fd, -1);
}

void Fd::reset()
{
    if (m_fd >= 0)
        close(m_fd);
    m_fd = -1;
}

std::string Order::packet() const
{
    WardenOrder counted = fields;
    counted.argumentCount = std::uint32_t(arguments.size());
    counted.environmentCount = std::uint32_t(environment.size());
    std::string result(reinterpret_cast<const char *>(&counted), sizeof counted);
    result.append(program.c_str(), program.size() + 1);
    for (const auto *strings : {&arguments, &environment})
        for (const auto &text : *strings)
            result.append(text.c_str(), text.size() + 1);
    return result;
}

WardenLink::WardenLink(const std::string &warden)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    m_link = Fd(ends[0]);
    const Fd theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), 3);
    // Mask and ignored signals are inherited: the warden must not care.
    char *arguments[] = {const_cast<char *>(warden.c_str()), nullptr};
    char *environment[] = {nullptr};
    if (posix_spawn(&m_pid, warden.c_str(), &actions, nullptr, arguments, environment) != 0)
        m_pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    // An order that is refused: once it is answered, both processes are there.
    Order greeting;
    greeting.fields.version = 0;
    if (m_pid > 0 && send(greeting.packet()))
        next();
}

WardenLink::~WardenLink()
{
    closeLink();
    if (!awaitEnd() && m_pid > 0) {
        kill(m_pid, SIGKILL);
        waitpid(m_pid, nullptr, 0);
    }
}

int WardenLink::innerPid() const
{
    for (const auto &process : allProcesses())
        if (process.parent == m_pid)
            return process.pid;
    return -1;
}

bool WardenLink::send(const std::string &packet)
{
    return ::send(m_link.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           ssize_t(packet.size());
}

void WardenLink::signal(std::uint32_t slot, std::uint32_t epoch, int number)
{
    WardenOrder order;
    order.kind = WardenOrder::Kind::Signal;
    order.slot = slot;
    order.epoch = epoch;
    order.signal = number;
    send(std::string(reinterpret_cast<const char *>(&order), sizeof order));
}

std::optional<Reported> WardenLink::next()
{
    if (!awaitReadable(m_link.get(), deadline()))
        return std::nullopt;
    Reported result;
    iovec part{&result.report, sizeof result.report};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    if (recvmsg(m_link.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != ssize_t(sizeof result.report))
        return std::nullopt;
    if (const cmsghdr *rights = CMSG_FIRSTHDR(&header)) {
        int fds[2] = {-1, -1};
        std::memcpy(fds, CMSG_DATA(rights), std::min(sizeof fds, rights->cmsg_len - CMSG_LEN(0)));
        result.channel = Fd(fds[0]);
        result.output = Fd(fds[1]);
    }
    return result;
}

bool WardenLink::awaitEnd()
{
    if (m_pid <= 0)
        return true;
    const Fd handle(int(syscall(SYS_pidfd_open, m_pid, 0)));
    if (!awaitReadable(handle.get(), deadline()))
        return false;
    waitpid(m_pid, nullptr, 0);
    m_pid = -1;
    return true;
}

std::string readUntil(int fd, const std::string &mark)
{
    const auto until = deadline();
    std::string text;
    char buffer[4096];
    while (text.find(mark) == std::string::npos && awaitReadable(fd, until)) {
        const ssize_t count = read(fd, buffer, sizeof buffer);
        if (count <= 0)
            break;
        text.append(buffer, std::size_t(count));
    }
    return text;
}

std::vector<ProcessState> allProcesses()
{
    std::vector<ProcessState> result;
    DIR *directory = opendir("/proc");
    while (const dirent *entry = directory ? readdir(directory) : nullptr) {
        ProcessState process;
        process.pid = std::atoi(entry->d_name);
        if (process.pid <= 0)
            continue;
        const auto text = contents("/proc/" + std::string(entry->d_name) + "/stat");
        const auto nameEnd = text.rfind(')');
        if (nameEnd != std::string::npos &&
            std::sscanf(text.c_str() + nameEnd + 1, " %c %d", &process.state, &process.parent) == 2)
            result.push_back(process);
    }
    if (directory)
        closedir(directory);
    return result;
}

std::vector<int> processesWith(const std::string &token)
{
    const std::string entry = std::string(1, '\0') + token + '\0';
    std::vector<int> below{getpid()};
    std::vector<int> result;
    for (const auto &process : allProcesses()) {
        const bool isBelow = std::ranges::find(below, process.parent) != below.end();
        if (isBelow)
            below.push_back(process.pid);
        if (process.state == 'Z' || process.state == 'X' || process.pid == getpid())
            continue;
        const auto environment = '\0' + contents("/proc/" + std::to_string(process.pid) + "/environ");
        if (isBelow || environment.find(entry) != std::string::npos)
            result.push_back(process.pid);
    }
    return result;
}

int awaitNone(const std::string &token)
{
    const auto begin = Clock::now();
    const auto until = deadline();
    for (auto left = processesWith(token); !left.empty(); left = processesWith(token)) {
        const Fd handle(int(syscall(SYS_pidfd_open, left.front(), 0)));
        if (handle.isOpen() && !awaitReadable(handle.get(), until))
            return -1;
    }
    return int(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count());
}

bool awaitGone(int pid)
{
    const Fd handle(int(syscall(SYS_pidfd_open, pid, 0)));
    return !handle.isOpen() || awaitReadable(handle.get(), deadline());
}

} // namespace millrace::test
