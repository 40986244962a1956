#pragma once

#include "workers/warden/launch.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The application's side of a warden's link, raw: for tests of the warden itself.
namespace millrace::test {

class Fd
{
public:
    explicit Fd(int fd = -1) : m_fd(fd) {}
    Fd(Fd &&other) noexcept : m_fd(other.release()) {}
    Fd &operator=(Fd &&other) noexcept;
    ~Fd() { reset(); }

    int get() const { return m_fd; }
    bool isOpen() const { return m_fd >= 0; }
    int release();
    void reset();

private:
    int m_fd;
};

struct Reported
{
    WardenReport report;
    Fd channel;
    Fd output;
};

struct Order
{
    WardenOrder fields;
    std::string program;
    std::vector<std::string> arguments; ///< argv[0] included
    std::vector<std::string> environment;

    /// As the link carries it; the counts are taken from the strings.
    std::string packet() const;
};

/// Spawns a warden, waits until it works, and holds the other end of its link. Destruction ends it and waits
/// for its end. Blocks, but never longer than a deadline.
class WardenLink
{
public:
    explicit WardenLink(const std::string &warden);
    ~WardenLink();
    WardenLink(const WardenLink &) = delete;
    WardenLink &operator=(const WardenLink &) = delete;

    int outerPid() const { return m_pid; }
    int innerPid() const;
    int link() const { return m_link.get(); }
    bool send(const std::string &packet);
    void signal(std::uint32_t slot, std::uint32_t epoch, int number);
    /// The next report; nothing at the end of the link or after the deadline.
    std::optional<Reported> next();
    void closeLink() { m_link.reset(); }
    /// Whether the outer process ended in time; reaps it.
    bool awaitEnd();

private:
    Fd m_link;
    int m_pid = -1;
};

constexpr int deadlineMilliseconds = 10'000;

/// Reads until the text has `mark`, the end, or the deadline.
std::string readUntil(int fd, const std::string &mark);
inline std::string readAll(int fd)
{
    return readUntil(fd, std::string(1, '\0'));
}

struct ProcessState
{
    int pid = 0;
    int parent = 0;
    char state = 0;
};

/// What runs below the caller or has the entry NAME=VALUE in its environment; no zombies, not the caller.
std::vector<int> processesWith(const std::string &token);
/// Waits until no such process is left. Returns how long it took in milliseconds, or -1 after the deadline.
int awaitNone(const std::string &token);
/// Waits until a process, of whatever parent, is gone or a zombie.
bool awaitGone(int pid);
std::vector<ProcessState> allProcesses();

} // namespace millrace::test
