#pragma once

#include "workers/pool/supervisor.h"

#include <QStringList>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace millrace {

/// `millrace tasks`
struct TasksCommand
{
    bool isJson = false;
};

/// `millrace run TASK`. What was not said is not set.
struct RunCommandLine
{
    std::string task;
    std::vector<std::pair<std::string, std::string>> settings; ///< --set, as typed
    std::optional<std::uint64_t> rows;
    std::optional<std::chrono::milliseconds> duration;
    std::optional<unsigned> workers;
    std::optional<unsigned> threads;
    std::optional<std::uint64_t> seed;
    std::string name;
    std::string output; ///< empty: none; "-": stdout
    bool isDigest = false;
    bool isJson = false;
    bool isQuiet = false;
};

/// Text to print on stdout, and nothing else to do.
struct PrintText
{
    std::string text;
};

/// A sentence for stderr; exit code 2.
struct UsageError
{
    std::string sentence;
};

using CommandLine = std::variant<TasksCommand, RunCommandLine, PrintText, UsageError>;

/// What somebody typed, as a sentence shows it: in quotes, cut when it is long, control characters escaped,
/// so that no text plays with the terminal.
QString quotedText(const QString &text);

/// Reads the arguments after the program's name. Knows no task: settings are checked against the helper's
/// description later. Pure; any thread.
CommandLine parseCommandLine(const QStringList &arguments);

} // namespace millrace
