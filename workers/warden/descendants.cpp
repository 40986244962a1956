#include "workers/warden/descendants.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace millrace {

namespace {

/// Of a process, as /proc/PID/stat tells.
struct Process
{
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t group = 0;
    pid_t session = 0;
    bool isZombie = false;
};

/// The processes met in one round. What does not fit is met in the next, for orphans become our children.
class PidSet
{
public:
    void add(pid_t pid)
    {
        if (m_count < pidsMax)
            m_pids[m_count++] = pid;
    }
    bool contains(pid_t pid) const
    {
        for (int i = 0; i < m_count; ++i) {
            if (m_pids[i] == pid)
                return true;
        }
        return false;
    }
    void clear() { m_count = 0; }
    bool isEmpty() const { return m_count == 0; }

private:
    static constexpr int pidsMax = 8192;
    pid_t m_pids[pidsMax];
    int m_count = 0;
};

PidSet met;

ssize_t readFile(const char *path, char *buffer, std::size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    std::size_t have = 0;
    ssize_t count = 0;
    while (have + 1 < size && (count = read(fd, buffer + have, size - 1 - have)) > 0)
        have += static_cast<std::size_t>(count);
    close(fd);
    buffer[have] = '\0';
    return static_cast<ssize_t>(have);
}

/// Its fields come after the name, which may itself hold ')' and blanks. Returns false if it has gone.
bool readProcess(pid_t pid, Process &process)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (readFile(path, text, sizeof text) <= 0)
        return false;
    char state = 0;
    const char *nameEnd = strrchr(text, ')');
    if (!nameEnd ||
        sscanf(nameEnd + 1, " %c %d %d %d", &state, &process.parent, &process.group, &process.session) != 4)
        return false;
    process.pid = pid;
    process.isZombie = state == 'Z' || state == 'X';
    return true;
}

template <typename Visit>
void forEachProcess(Visit visit)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return;
    while (const dirent *entry = readdir(directory)) {
        Process process;
        if (const pid_t pid = atoi(entry->d_name); pid > 0 && readProcess(pid, process))
            visit(process);
    }
    closedir(directory);
}

void killGroup(pid_t group)
{
    if (group > 1)
        kill(-group, SIGKILL);
}

void killDescendantsOnce()
{
    const pid_t self = getpid();
    const pid_t session = getsid(0);
    met.clear();
    forEachProcess([&](const Process &process) {
        if (process.parent != self && !met.contains(process.parent))
            return;
        met.add(process.pid);
        kill(process.pid, SIGKILL);
        // The group in one blow, so that one which forks faster than it is read here ends too: where it is
        // sure to be its own and not one of the session that it has joined.
        if (process.group == process.pid || process.session != session)
            killGroup(process.group);
    });
}

bool hasToken(pid_t pid, const char *token)
{
    static char text[128 * 1024];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    const ssize_t size = readFile(path, text, sizeof text);
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(text + at)) + 1) {
        if (strcmp(text + at, token) == 0)
            return true;
    }
    return false;
}

long long nowMilliseconds()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/// A killed process needs a moment to become a zombie.
void pauseBetweenRounds()
{
    const timespec pause{0, 1000000};
    nanosleep(&pause, nullptr);
}

/// Stops our descendants that hold `token`, and all below them, and adds them to `strays`. Returns whether
/// there were any that were not in it.
bool stopStrays(const char *token, PidSet &strays)
{
    const pid_t self = getpid();
    bool isAnyNew = false;
    met.clear();
    forEachProcess([&](const Process &process) {
        if (process.parent != self && !met.contains(process.parent))
            return;
        met.add(process.pid);
        if (process.isZombie || strays.contains(process.pid))
            return;
        if (!strays.contains(process.parent) && !hasToken(process.pid, token))
            return;
        strays.add(process.pid);
        kill(process.pid, SIGSTOP);
        isAnyNew = true;
    });
    return isAnyNew;
}

} // namespace

void killDescendants(int millisecondsMax)
{
    const long long deadline = nowMilliseconds() + millisecondsMax;
    for (;;) {
        pid_t reaped = 0;
        while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0 || (reaped < 0 && errno == EINTR)) {
        }
        if (reaped < 0 || nowMilliseconds() > deadline)
            return;
        killDescendantsOnce();
        pauseBetweenRounds();
    }
}

void killStrays(const char *token, int millisecondsMax)
{
    const long long deadline = nowMilliseconds() + millisecondsMax;
    static PidSet strays;
    do {
        strays.clear();
        // All are stopped before one is killed: the child of a killed process becomes ours, and its own
        // environment need not say whose it was.
        while (stopStrays(token, strays) && nowMilliseconds() <= deadline) {
        }
        forEachProcess([](const Process &process) {
            if (strays.contains(process.pid))
                kill(process.pid, SIGKILL);
        });
        if (!strays.isEmpty())
            pauseBetweenRounds();
    } while (!strays.isEmpty() && nowMilliseconds() <= deadline);
}

} // namespace millrace
