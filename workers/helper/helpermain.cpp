#include "workers/helper/helpermain.h"

#include "workers/helper/session.h"
#include "workers/protocol/description.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>

namespace millrace {

namespace {

constexpr int channelFd = 3;

bool isSocket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int describe(const std::vector<TaskEntry> &tasks)
{
    std::vector<TaskDescription> descriptions;
    descriptions.reserve(tasks.size());
    for (const TaskEntry &task : tasks)
        descriptions.push_back(task.description);
    const QByteArray json = describeTasks(descriptions);
    const bool isWritten =
        std::fwrite(json.constData(), 1, std::size_t(json.size()), stdout) == std::size_t(json.size());
    return isWritten && std::fflush(stdout) == 0 ? helperStopped : helperFailed;
}

int exitCode(Session::End end)
{
    switch (end) {
    case Session::End::Stopped:
    case Session::End::Closed:
        return helperStopped;
    case Session::End::Failed:
        return helperFailed;
    case Session::End::Broken:
        break;
    }
    return helperProtocol;
}

int serve(const std::string &nameAndVersion, const std::vector<TaskEntry> &tasks)
{
    // A supervisor that is gone is met as an error of the write, not as a signal.
    std::signal(SIGPIPE, SIG_IGN);
    Session session(channelFd, tasks, {nameAndVersion.substr(0, nameAndVersion.find(' ')), nameAndVersion});
    const Session::End end = session.run();
    if (end == Session::End::Broken)
        std::fprintf(stderr, "the application's messages make no sense: %s\n", session.error().c_str());
    if (!session.hasReturned())
        std::_Exit(exitCode(end)); // a kernel that does not listen is left behind; nothing of it is needed
    return exitCode(end);
}

} // namespace

int helperMain(int argc, char **argv, const std::string &nameAndVersion, const std::vector<TaskEntry> &tasks)
{
    const std::string argument = argc == 2 ? argv[1] : "";
    if (argument == "--describe")
        return describe(tasks);
    if (argument == "--version") {
        std::printf("%s\n", nameAndVersion.c_str());
        return helperStopped;
    }
    if (argc == 1 && isSocket(channelFd))
        return serve(nameAndVersion, tasks);
    std::fprintf(stderr,
                 "%s computes for Millrace and is started by it: its channel is descriptor 3.\n"
                 "By hand: --describe prints its tasks as JSON, --version its version.\n",
                 nameAndVersion.c_str());
    return helperUsage;
}

} // namespace millrace
