// millrace: the application. Without a window: its command line.

#include "app/commandline.h"
#include "app/headlessrun.h"
#include "app/signalwatcher.h"
#include "app/tasklist.h"
#include "workers/protocol/description.h"

#include <QCoreApplication>

#include <csignal>
#include <cstdio>

using namespace millrace;

namespace {

void print(FILE *stream, const std::string &text)
{
    std::fwrite(text.data(), 1, text.size(), stream);
}

int listTasks(QCoreApplication &app, const TasksCommand &command)
{
    const Programs programs = ownPrograms();
    if (const auto problem = programProblem(programs.helper)) {
        print(stderr, "millrace: " + *problem + "\n");
        return HeadlessRun::failedExit;
    }
    TaskCatalog catalog;
    QObject::connect(&catalog, &TaskCatalog::loaded, &app, [&] {
        print(stdout, command.isJson ? describeTasks(catalog.tasks()).toStdString()
                                     : taskListText(catalog.tasks()).toStdString());
        app.exit(HeadlessRun::finishedExit);
    });
    QObject::connect(&catalog, &TaskCatalog::failed, &app, [&](const QString &sentence) {
        print(stderr, "millrace: " + sentence.toStdString() + "\n");
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
    // A reader that has gone is met as an error of the write.
    std::signal(SIGPIPE, SIG_IGN);
    QCoreApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("millrace"));
    QCoreApplication::setApplicationVersion(QStringLiteral(MILLRACE_VERSION));

    const CommandLine commandLine = parseCommandLine(app.arguments().mid(1));
    if (const auto *text = std::get_if<PrintText>(&commandLine)) {
        print(stdout, text->text);
        return HeadlessRun::finishedExit;
    }
    if (const auto *error = std::get_if<UsageError>(&commandLine)) {
        print(stderr, "millrace: " + error->sentence + "\n");
        return HeadlessRun::usageExit;
    }
    if (const auto *tasks = std::get_if<TasksCommand>(&commandLine))
        return listTasks(app, *tasks);
    return runTask(app, std::get<RunCommandLine>(commandLine));
}
