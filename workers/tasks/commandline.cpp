#include "workers/tasks/commandline.h"

#include "workers/tasks/wording.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr std::size_t textBytesShown = 200;

std::string shown(std::string_view text)
{
    return "\"" + escaped(text, textBytesShown) + "\"";
}

/// 0 if `path` is a file that this user may execute, else errno.
int executableError(const std::string &path)
{
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    return access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

ParameterError notStartable(const std::string &path, int error)
{
    if (error == ENOENT || error == ENOTDIR)
        return {"program", "program does not exist: " + shown(path)};
    if (error == EISDIR)
        return {"program", "program is a folder: " + shown(path)};
    if (error == EACCES)
        return {"program", "program is not executable: " + shown(path)};
    return {"program", "program cannot be started: " + shown(path) + ": " + strerrordesc_np(error)};
}

std::variant<std::string, ParameterError> findOnPath(const std::string &program)
{
    const char *const path = std::getenv("PATH");
    std::string_view folders = path ? path : "/usr/local/bin:/usr/bin:/bin";
    std::optional<ParameterError> nearMiss;
    while (!folders.empty()) {
        const std::size_t end = std::min(folders.find(':'), folders.size());
        // An empty entry would mean the current folder, which is nobody's choice here.
        if (end > 0) {
            const std::string file = std::string(folders.substr(0, end)) + "/" + program;
            const int error = executableError(file);
            if (error == 0)
                return file;
            if (error == EACCES && !nearMiss)
                nearMiss = notStartable(file, error);
        }
        folders.remove_prefix(std::min(end + 1, folders.size()));
    }
    if (nearMiss)
        return *nearMiss;
    const bool hasBlank = program.find(' ') != std::string::npos;
    return ParameterError{"program", "program not found on PATH: " + shown(program) +
                                         (hasBlank ? "; its arguments belong into arguments" : "")};
}

void replaceAll(std::string &text, std::string_view placeholder, std::uint64_t value)
{
    const std::string word = std::to_string(value);
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += word.size())
        text.replace(at, placeholder.size(), word);
}

} // namespace

std::variant<std::vector<std::string>, ParameterError> splitArguments(const std::string &text)
{
    int count = 0;
    char **words = nullptr;
    GError *error = nullptr;
    std::vector<std::string> result;
    if (g_shell_parse_argv(text.c_str(), &count, &words, &error)) {
        result.assign(words, words + count);
        g_strfreev(words);
        return result;
    }
    const bool isEmpty = error->code == G_SHELL_ERROR_EMPTY_STRING;
    ParameterError told{"arguments", "arguments are not quoted as in a shell: " + shown(error->message)};
    g_error_free(error);
    if (isEmpty)
        return result;
    return told;
}

std::variant<std::string, ParameterError> findProgram(const std::string &program)
{
    if (program.empty())
        return ParameterError{"program", "program must be given: the name or path of what is to be started"};
    if (program.find('/') == std::string::npos)
        return findOnPath(program);
    if (const int error = executableError(program))
        return notStartable(program, error);
    return program;
}

ProgramCall programCall(const std::string &path, const std::vector<std::string> &arguments,
                        Buffering buffering)
{
    ProgramCall call;
    call.name = escaped(path.substr(path.find_last_of('/') + 1), textBytesShown);
    call.path = path;
    for (const char *name : {"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ"}) {
        if (const char *const value = std::getenv(name))
            call.environment.push_back(std::string(name) + "=" + value);
    }
    call.environment.emplace_back("LC_ALL=C.UTF-8");
    if (buffering == Buffering::ByLine) {
        call.environment.emplace_back("PYTHONUNBUFFERED=1");
        const auto stdbuf = findProgram("stdbuf");
        if (const auto *file = std::get_if<std::string>(&stdbuf)) {
            call.path = *file;
            call.arguments = {"stdbuf", "-oL", "--"};
        }
    }
    call.arguments.push_back(path);
    call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
    return call;
}

std::vector<std::string> replaced(std::vector<std::string> arguments, const LeaseWords &words)
{
    for (std::string &argument : arguments) {
        replaceAll(argument, "{begin}", words.begin);
        replaceAll(argument, "{end}", words.end);
        replaceAll(argument, "{seed}", words.seed);
        replaceAll(argument, "{worker}", words.worker);
    }
    return arguments;
}

} // namespace millrace
