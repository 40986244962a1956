#pragma once

#include <optional>
#include <string>

namespace millrace {

/// The programs that belong to the app, by absolute path: beside the app itself, in the build tree as when
/// installed.
struct Programs
{
    std::string helper; ///< millrace-worker
    std::string warden; ///< millrace-warden
};

/// Needs a QCoreApplication.
Programs ownPrograms();

/// Why the program at the absolute path `path` is not to be started: missing, not executable, or open to
/// changes by other users (it, or its folder). Nothing: it is good. One stat(2) or two.
std::optional<std::string> programProblem(const std::string &path);

} // namespace millrace
