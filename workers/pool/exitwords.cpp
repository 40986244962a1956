#include "workers/pool/exitwords.h"

#include <csignal>
#include <cstring>
#include <sys/wait.h>

namespace millrace {

bool ProcessExit::isSignal() const
{
    return error == 0 && WIFSIGNALED(status);
}

int ProcessExit::signal() const
{
    return isSignal() ? WTERMSIG(status) : 0;
}

int ProcessExit::code() const
{
    return error == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string signalWords(int signal)
{
    switch (signal) {
    case SIGSEGV:
        return "segmentation fault";
    case SIGABRT:
        return "abort";
    case SIGFPE:
        return "arithmetic error";
    case SIGILL:
        return "illegal instruction";
    case SIGBUS:
        return "bus error";
    case SIGKILL:
        return "killed";
    case SIGTERM:
        return "asked to end";
    case SIGINT:
        return "interrupted";
    case SIGHUP:
        return "hangup";
    case SIGQUIT:
        return "quit";
    case SIGPIPE:
        return "broken pipe";
    case SIGSYS:
        return "forbidden system call";
    case SIGXCPU:
        return "CPU time limit";
    case SIGXFSZ:
        return "file size limit";
    default:
        return "signal " + std::to_string(signal);
    }
}

std::string exitWords(const ProcessExit &exit)
{
    if (exit.error != 0) {
        const std::string reason = std::strerror(exit.error);
        switch (exit.stage) {
        case WardenReport::Stage::Sandbox:
            return "could not be sandboxed: " + reason;
        case WardenReport::Stage::Limits:
            return "could not be given its limits: " + reason;
        case WardenReport::Stage::Fork:
            return "could not be forked: " + reason;
        case WardenReport::Stage::Socket:
        case WardenReport::Stage::Pipe:
            return "could not be connected: " + reason;
        default:
            return "could not be started: " + reason;
        }
    }
    if (exit.isSignal()) {
        const std::string number = "signal " + std::to_string(exit.signal());
        const std::string words = signalWords(exit.signal());
        return "was ended by " + (words == number ? number : number + " (" + words + ")");
    }
    return "ended with exit code " + std::to_string(exit.code());
}

} // namespace millrace
