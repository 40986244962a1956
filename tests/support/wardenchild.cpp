// wardenchild ROLE [ARGUMENT...]: a worker for tests of the warden, which is what its role says. Text for the
// test goes to stdout, which is the worker's output; roles that stay say "ready" when they are there.

#include "tests/support/wardenlink.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <linux/landlock.h>
#include <map>
#include <set>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace millrace;
using namespace millrace::test;

namespace {

using Arguments = std::vector<std::string>;

void say(const std::string &text)
{
    (void)!write(1, text.data(), text.size());
}

[[noreturn]] void stay()
{
    for (;;)
        pause();
}

int ready()
{
    say("ready\n");
    stay();
}

int fds(const Arguments &)
{
    std::set<int> open;
    DIR *directory = opendir("/proc/self/fd");
    while (const dirent *entry = readdir(directory))
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != dirfd(directory))
            open.insert(std::atoi(entry->d_name));
    closedir(directory);
    std::string text;
    for (const int fd : open)
        text += std::to_string(fd) + " ";
    say(text);
    return 0;
}

int environment(const Arguments &)
{
    std::string text;
    for (char **entry = environ; *entry; ++entry)
        text += std::string(*entry) + "\n";
    say(text);
    return 0;
}

std::string lineOf(const char *path, const std::string &name)
{
    char line[512];
    std::string result;
    FILE *file = std::fopen(path, "r");
    while (file && result.empty() && std::fgets(line, sizeof line, file))
        if (name.empty() || std::string(line).starts_with(name + ":"))
            result = std::string(line).substr(name.empty() ? 0 : name.size() + 1);
    if (file)
        std::fclose(file);
    const auto begin = result.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : result.substr(begin, result.find_last_not_of('\n') + 1 - begin);
}

int state(const Arguments &)
{
    rlimit core{};
    getrlimit(RLIMIT_CORE, &core);
    const mode_t mask = umask(0);
    const auto number = [](auto value) { return std::to_string(value); };
    say("pid=" + number(getpid()) + "\ngroup=" + number(getpgrp()) + "\nsession=" + number(getsid(0)) +
        "\nparent=" + number(getppid()) + "\nnice=" + number(getpriority(PRIO_PROCESS, 0)) +
        "\noom=" + lineOf("/proc/self/oom_score_adj", "") + "\ncore=" + number(core.rlim_max) +
        "\numask=" + number(int(mask)) + "\nblocked=" + lineOf("/proc/self/status", "SigBlk") +
        "\nignored=" + lineOf("/proc/self/status", "SigIgn") + "\n");
    return 0;
}

int ignoreTerm(const Arguments &)
{
    std::signal(SIGTERM, SIG_IGN);
    return ready();
}

int stopItself(const Arguments &)
{
    say("ready\n");
    raise(SIGSTOP);
    stay();
}

/// A child that stays in the group; with "exit", the worker does not.
int groupChild(const Arguments &arguments)
{
    const pid_t child = fork();
    if (child == 0)
        stay();
    say("child " + std::to_string(child) + "\nready\n");
    if (!arguments.empty())
        return 0;
    stay();
}

/// A daemon: double fork and setsid. Its own child has no environment. With "exit", the worker leaves it.
int daemonise(const Arguments &arguments)
{
    int pids[2];
    if (pipe(pids) != 0)
        return 1;
    if (const pid_t middle = fork(); middle == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        const pid_t child = fork();
        if (child == 0) {
            char self[] = "/proc/self/exe";
            char role[] = "sleep";
            char *command[] = {self, role, nullptr};
            char *none[] = {nullptr};
            execve(self, command, none);
            _exit(1);
        }
        const pid_t both[2] = {getpid(), child};
        (void)!write(pids[1], both, sizeof both);
        stay();
    } else {
        waitpid(middle, nullptr, 0);
    }
    pid_t both[2] = {};
    (void)!read(pids[0], both, sizeof both);
    say("daemon " + std::to_string(both[0]) + "\nchild " + std::to_string(both[1]) + "\nready\n");
    if (!arguments.empty())
        return 0;
    stay();
}

/// Every process forks until there are 200; every third is in a session of its own.
int bomb(const Arguments &)
{
    constexpr int processesMax = 200;
    auto *count = static_cast<std::atomic<int> *>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int number = 0; number < processesMax;) {
        if (fork() == 0 && (number = ++*count) % 3 == 0)
            setsid();
        else if (*count >= processesMax)
            break;
    }
    return ready();
}

int writeBoth(const Arguments &)
{
    say("to stdout\n");
    (void)!write(2, "to stderr\n", 10);
    return 0;
}

int exitWith(const Arguments &arguments)
{
    return std::stoi(arguments.at(0));
}

int raiseSignal(const Arguments &arguments)
{
    raise(std::stoi(arguments.at(0)));
    return 0;
}

/// Fills 16 MiB and computes for 50 ms.
int work(const Arguments &)
{
    std::vector<char> memory(16 << 20, 'x');
    timespec used{};
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec == 0 && used.tv_nsec < 50'000'000);
    return memory[std::size_t(used.tv_nsec) % memory.size()] == 'x' ? 0 : 1;
}

int burn(const Arguments &)
{
    for (std::atomic<unsigned> i = 0;; ++i) {
    }
}

int allocate(const Arguments &)
{
    say(std::malloc(std::size_t(1) << 30) ? "given" : "refused");
    return 0;
}

int echo(const Arguments &)
{
    char buffer[256];
    ssize_t count = 0;
    while ((count = read(3, buffer, sizeof buffer)) > 0)
        (void)!write(3, buffer, std::size_t(count));
    return 0;
}

int sendBuffer(const Arguments &)
{
    int bytes = 0;
    socklen_t size = sizeof bytes;
    getsockopt(3, SOL_SOCKET, SO_SNDBUF, &bytes, &size);
    say(std::to_string(bytes));
    return 0;
}

int leaveGroup(const Arguments &)
{
    if (setpgid(0, getpgid(getppid())) != 0)
        return 1;
    return ready();
}

/// Stands in for the application: starts a warden and by it a worker, and holds the link.
int application(const Arguments &arguments)
{
    WardenLink link(arguments.at(0));
    Order order;
    char self[4096] = {};
    (void)!readlink("/proc/self/exe", self, sizeof self - 1);
    order.program = self;
    order.arguments = {"wardenchild", arguments.at(1)};
    for (char **entry = environ; *entry; ++entry)
        order.environment.push_back(*entry);
    link.send(order.packet());
    const auto started = link.next();
    if (!started || readUntil(started->output.get(), "ready").empty())
        return 1;
    say("outer " + std::to_string(link.outerPid()) + "\ninner " + std::to_string(link.innerPid()) +
        "\nworker " + std::to_string(started->report.pid) + "\n");
    return ready();
}

int errnoOf(long result)
{
    return result < 0 ? errno : 0;
}

int opened(const std::string &path, int flags)
{
    const Fd fd(open(path.c_str(), flags | O_CLOEXEC, 0600));
    return errnoOf(fd.get());
}

int forked()
{
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    const int result = errnoOf(child);
    if (child > 0)
        waitpid(child, nullptr, 0);
    return result;
}

int spawned()
{
    char program[] = "/bin/true";
    char *arguments[] = {program, nullptr};
    pid_t child = 0;
    const int error = posix_spawn(&child, program, nullptr, nullptr, arguments, environ);
    if (error == 0)
        waitpid(child, nullptr, 0);
    return error;
}

int connected(const std::string &path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return errnoOf(connect(3, reinterpret_cast<sockaddr *>(&address), sizeof address));
}

int peeked(pid_t pid)
{
    char mine[8];
    iovec local{mine, sizeof mine};
    static const char theirs[8] = "text";
    iovec remote{const_cast<char *>(theirs), sizeof theirs};
    return errnoOf(process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

int threaded()
{
    int result = 1;
    std::thread([&result] { result = 0; }).join();
    return result;
}

/// Tries what the sandbox forbids and what it must allow. Arguments: a folder with the files "old" and
/// "gone". One line each: name and errno, 0 if it worked.
int tryAll(const Arguments &arguments)
{
    const std::string folder = arguments.at(0);
    const std::string old = folder + "/old";
    const pid_t parent = getppid();
    const pid_t self = getpid();
    const std::string parentFolder = "/proc/" + std::to_string(parent);
    char letter = 'x';
    const std::vector<std::pair<std::string, int>> results = {
        {"landlock",
         errnoOf(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION))},
        {"read", opened(old, O_RDONLY)},
        {"null", opened("/dev/null", O_WRONLY)},
        {"thread", threaded()},
        {"own kill", errnoOf(kill(self, 0))},
        {"own tgkill", errnoOf(syscall(SYS_tgkill, self, self, 0))},
        {"own limit", errnoOf(prlimit(self, RLIMIT_NOFILE, nullptr, nullptr))},
        {"limit", errnoOf(prlimit(0, RLIMIT_NOFILE, nullptr, nullptr))},
        {"channel", errnoOf(write(3, "x", 1))},
        {"file write", opened(old, O_WRONLY)},
        {"file append", opened(old, O_RDWR | O_APPEND)},
        {"file empty", opened(old, O_RDONLY | O_TRUNC)},
        {"file make", opened(folder + "/new", O_WRONLY | O_CREAT)},
        {"file remove", errnoOf(unlink((folder + "/gone").c_str()))},
        {"file rename", errnoOf(rename(old.c_str(), (folder + "/other").c_str()))},
        {"rename back", errnoOf(rename((folder + "/other").c_str(), old.c_str()))},
        {"file folder", errnoOf(mkdir((folder + "/folder").c_str(), 0700))},
        {"file link", errnoOf(symlink("/", (folder + "/link").c_str()))},
        {"truncate", errnoOf(truncate(old.c_str(), 3))},
        {"mode", errnoOf(chmod(old.c_str(), 0640))},
        {"times", errnoOf(utimensat(AT_FDCWD, old.c_str(), nullptr, 0))},
        {"socket", Fd(socket(AF_INET, SOCK_STREAM, 0)).isOpen() ? 0 : errno},
        {"local socket", Fd(socket(AF_UNIX, SOCK_STREAM, 0)).isOpen() ? 0 : errno},
        {"connect", connected(folder + "/none")},
        {"fork", forked()},
        {"spawn", spawned()},
        {"kill", errnoOf(kill(parent, 0))},
        {"tkill", errnoOf(syscall(SYS_tkill, parent, 0))},
        {"tgkill", errnoOf(syscall(SYS_tgkill, parent, parent, 0))},
        {"parent limit", errnoOf(prlimit(parent, RLIMIT_NOFILE, nullptr, nullptr))},
        {"peek", peeked(self)},
        {"memory", opened(parentFolder + "/mem", O_RDONLY)},
        {"environ", opened(parentFolder + "/environ", O_RDONLY)},
        {"type", errnoOf(ioctl(0, TIOCSTI, &letter))},
        {"ptrace", errnoOf(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr))},
    };
    std::string text;
    for (const auto &[name, error] : results)
        text += name + "=" + std::to_string(error) + "\n";
    say(text);
    return 0;
}

/// The same after another exec.
int execAndTry(const Arguments &arguments)
{
    const std::string self = "/proc/self/exe";
    execl(self.c_str(), self.c_str(), "try", arguments.at(0).c_str(), nullptr);
    return 1;
}

const std::map<std::string, std::function<int(const Arguments &)>> roles = {
    {"fds", fds},
    {"environment", environment},
    {"state", state},
    {"sleep", [](const Arguments &) { return ready(); }},
    {"ignoreterm", ignoreTerm},
    {"stopped", stopItself},
    {"groupchild", groupChild},
    {"daemon", daemonise},
    {"bomb", bomb},
    {"write", writeBoth},
    {"exit", exitWith},
    {"raise", raiseSignal},
    {"work", work},
    {"burn", burn},
    {"allocate", allocate},
    {"echo", echo},
    {"sendbuffer", sendBuffer},
    {"leavegroup", leaveGroup},
    {"application", application},
    {"try", tryAll},
    {"exec", execAndTry},
};

} // namespace

int main(int argc, char **argv)
{
    const auto role = roles.find(argc > 1 ? argv[1] : "");
    if (role == roles.end()) {
        std::fputs("usage: wardenchild ROLE [ARGUMENT...]\n", stderr);
        return 64;
    }
    return role->second(Arguments(argv + 2, argv + argc));
}
