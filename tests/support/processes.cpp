#include "tests/support/processes.h"

#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <unistd.h>

namespace millrace {

namespace {

std::string readAll(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Stat
{
    char state = 0;
    pid_t parent = 0;
    unsigned long long ticks = 0;
};

/// The fields after the process's name, which may itself hold ')' and blanks.
Stat readStat(pid_t pid)
{
    const std::string text = readAll("/proc/" + std::to_string(pid) + "/stat");
    const auto nameEnd = text.rfind(')');
    Stat stat;
    if (nameEnd == std::string::npos)
        return stat;
    std::istringstream fields(text.substr(nameEnd + 1));
    std::string skipped;
    unsigned long long user = 0;
    unsigned long long system = 0;
    fields >> stat.state >> stat.parent;
    for (int field = 0; field < 9; ++field)
        fields >> skipped;
    fields >> user >> system;
    stat.ticks = user + system;
    return stat;
}

std::vector<pid_t> allProcesses()
{
    std::vector<pid_t> pids;
    DIR *directory = ::opendir("/proc");
    while (const dirent *entry = directory ? ::readdir(directory) : nullptr) {
        if (const pid_t pid = std::atoi(entry->d_name); pid > 0)
            pids.push_back(pid);
    }
    if (directory)
        ::closedir(directory);
    return pids;
}

std::size_t entriesOf(const char *path)
{
    std::size_t count = 0;
    DIR *directory = ::opendir(path);
    while (const dirent *entry = directory ? ::readdir(directory) : nullptr)
        count += entry->d_name[0] != '.';
    if (directory)
        ::closedir(directory);
    return count;
}

} // namespace

std::vector<pid_t> descendantsOf(pid_t ancestor)
{
    std::multimap<pid_t, pid_t> children;
    std::set<pid_t> zombies;
    for (const pid_t pid : allProcesses()) {
        const Stat stat = readStat(pid);
        children.emplace(stat.parent, pid);
        if (stat.state == 'Z' || stat.state == 'X' || stat.state == 0)
            zombies.insert(pid);
    }
    std::vector<pid_t> found;
    std::vector<pid_t> next = {ancestor};
    while (!next.empty()) {
        const pid_t parent = next.back();
        next.pop_back();
        const auto [first, last] = children.equal_range(parent);
        for (auto child = first; child != last; ++child) {
            next.push_back(child->second);
            if (!zombies.contains(child->second))
                found.push_back(child->second);
        }
    }
    return found;
}

std::vector<pid_t> descendantsOf(pid_t ancestor, const std::string &text)
{
    std::vector<pid_t> found;
    for (const pid_t pid : descendantsOf(ancestor)) {
        if (readAll("/proc/" + std::to_string(pid) + "/cmdline").find(text) != std::string::npos)
            found.push_back(pid);
    }
    return found;
}

std::vector<pid_t> processesWith(const std::string &token)
{
    std::vector<pid_t> found;
    for (const pid_t pid : allProcesses()) {
        const std::string environment = '\0' + readAll("/proc/" + std::to_string(pid) + "/environ");
        if (environment.find('\0' + token + '\0') != std::string::npos && readStat(pid).state != 'Z')
            found.push_back(pid);
    }
    return found;
}

char processState(pid_t pid)
{
    return readStat(pid).state;
}

unsigned long long processTicks(pid_t pid)
{
    return readStat(pid).ticks;
}

std::size_t threadCount()
{
    return entriesOf("/proc/self/task");
}

std::size_t fdCount()
{
    return entriesOf("/proc/self/fd") - 1; // the one that reads the folder
}

} // namespace millrace
