// millrace: the application. Without a window: its command line.

#include "app/commandline.h"
#include "app/headlessrun.h"
#include "app/signalwatcher.h"
#include "app/tasklist.h"
#include "workers/protocol/description.h"

#include <QCoreApplication>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace millrace;

namespace {

void complain(const std::string &sentence)
{
    std::fputs(("millrace: " + sentence + "\n").c_str(), stderr);
}

/// Prints on stdout. Returns the exit code.
int print(const std::string &text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return HeadlessRun::finishedExit;
    complain(std::string("cannot write to stdout: ") + std::strerror(errno));
    return HeadlessRun::failedExit;
}

/// Takes the places of standard streams that the caller closed, or the next file opened would be one of them.
/// Writing to such a place fails, as it should.
void occupyStandardStreams()
{
    for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) {
        if (fd > STDERR_FILENO) {
            ::close(fd);
            return;
        }
    }
}

int listTasks(QCoreApplication &app, const TasksCommand &command)
{
    const Programs programs = ownPrograms();
    if (const auto problem = programProblem(programs.helper)) {
        complain(*problem);
        return HeadlessRun::failedExit;
    }
    TaskCatalog catalog;
    QObject::connect(&catalog, &TaskCatalog::loaded, &app, [&] {
        app.exit(print(command.isJson ? describeTasks(catalog.tasks()).toStdString()
                                      : taskListText(catalog.tasks()).toStdString()));
    });
    QObject::connect(&catalog, &TaskCatalog::failed, &app, [&](const QString &sentence) {
        complain(sentence.toStdString());
        app.exit(HeadlessRun::failedExit);
    });
    catalog.load(programs.helper);
    return app.exec();
}

int runTask(QCoreApplication &app, const RunCommandLine &command)
{
    SignalWatcher signalWatcher;
    HeadlessRun run(command, ownPrograms());
    QObject::connect(&signalWatcher, &SignalWatcher::requested, &run, &HeadlessRun::stop);
    // Queued: a run that cannot start says so before there is an event loop to leave.
    QObject::connect(&run, &HeadlessRun::ended, &app, &QCoreApplication::exit, Qt::QueuedConnection);
    run.start();
    return app.exec();
}

} // namespace

int main(int argc, char **argv)
{
    occupyStandardStreams();
    // A reader that has gone is met as an error of the write.
    std::signal(SIGPIPE, SIG_IGN);
    QCoreApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("millrace"));
    QCoreApplication::setApplicationVersion(QStringLiteral(MILLRACE_VERSION));

    const CommandLine commandLine = parseCommandLine(app.arguments().mid(1));
    if (const auto *text = std::get_if<PrintText>(&commandLine))
        return print(text->text);
    if (const auto *error = std::get_if<UsageError>(&commandLine)) {
        complain(error->sentence);
        return HeadlessRun::usageExit;
    }
    if (const auto *tasks = std::get_if<TasksCommand>(&commandLine))
        return listTasks(app, *tasks);
    return runTask(app, std::get<RunCommandLine>(commandLine));
}
