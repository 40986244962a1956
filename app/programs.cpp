#include "app/programs.h"

#include <QCoreApplication>

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace {

Programs ownPrograms()
{
    const std::string folder = QCoreApplication::applicationDirPath().toStdString();
    return {folder + "/millrace-worker", folder + "/millrace-warden"};
}

std::optional<std::string> programProblem(const std::string &path)
{
    struct stat file
    {
    };
    if (::stat(path.c_str(), &file) != 0)
        return "cannot start " + path + ": " + std::strerror(errno) + "; is Millrace installed completely?";
    if (!S_ISREG(file.st_mode) || ::access(path.c_str(), X_OK) != 0)
        return path + " is not a program that you may run";
    struct stat folder
    {
    };
    const std::string folderPath = path.substr(0, path.rfind('/') + 1);
    const bool isFolderOpen = ::stat(folderPath.c_str(), &folder) != 0 ||
                              ((folder.st_mode & S_IWOTH) && !(folder.st_mode & S_ISVTX));
    if ((file.st_mode & S_IWOTH) || isFolderOpen)
        return path +
               " is not started, for every user of this machine may change it: chmod o-w it and its folder";
    return std::nullopt;
}

} // namespace millrace
