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

/// Most processes looked at in one round; what is beyond is met in the next.
constexpr int processesMax = 8192;

struct Process
{
    pid_t pid = 0;
    pid_t parent = 0;
    bool below = false; ///< a descendant of ours
};

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

/// The parent's pid is the second field after the name, which may itself hold ')' and blanks.
pid_t parentOf(pid_t pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (readFile(path, text, sizeof text) <= 0)
        return 0;
    const char *nameEnd = strrchr(text, ')');
    int parent = 0;
    char state = 0;
    return nameEnd && sscanf(nameEnd + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

int listProcesses(Process *processes)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return 0;
    int count = 0;
    while (const dirent *entry = readdir(directory)) {
        const pid_t pid = atoi(entry->d_name);
        if (pid <= 0 || count == processesMax)
            continue;
        processes[count++] = {pid, parentOf(pid), false};
    }
    closedir(directory);
    return count;
}

void markDescendants(Process *processes, int count)
{
    const pid_t self = getpid();
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < count; ++i) {
            Process &process = processes[i];
            if (process.below)
                continue;
            bool below = process.parent == self;
            for (int k = 0; k < count && !below; ++k)
                below = processes[k].below && processes[k].pid == process.parent;
            if (below)
                process.below = changed = true;
        }
    }
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

} // namespace

void killDescendants(int millisecondsMax)
{
    static Process processes[processesMax];
    const long long deadline = nowMilliseconds() + millisecondsMax;
    for (;;) {
        const int count = listProcesses(processes);
        markDescendants(processes, count);
        for (int i = 0; i < count; ++i) {
            if (processes[i].below)
                kill(processes[i].pid, SIGKILL);
        }
        pid_t reaped = 0;
        while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        if ((reaped < 0 && errno == ECHILD) || nowMilliseconds() > deadline)
            return;
        const timespec pause{0, 1000000}; // a killed process needs a moment to become a zombie
        nanosleep(&pause, nullptr);
    }
}

void killStrays(const char *token, const pid_t *spared, int sparedCount)
{
    static Process processes[processesMax];
    const int count = listProcesses(processes);
    const pid_t self = getpid();
    for (int i = 0; i < count; ++i) {
        bool isSpared = processes[i].parent != self;
        for (int k = 0; k < sparedCount && !isSpared; ++k)
            isSpared = spared[k] == processes[i].pid;
        if (!isSpared && hasToken(processes[i].pid, token))
            kill(processes[i].pid, SIGKILL);
    }
}

} // namespace millrace
