#include "app/headlessrun.h"

#include "app/csvwriter.h"
#include "app/digester.h"
#include "workers/pool/processsupervisor.h"

#include <QJsonDocument>
#include <QRandomGenerator>
#include <QThread>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr int progressMilliseconds = 200;
constexpr int terminalWidthDefault = 80;

/// Two, so that the run goes on while one is started again; together they use every core.
unsigned defaultWorkers()
{
    return unsigned(std::min(2, QThread::idealThreadCount()));
}

unsigned defaultThreads(unsigned workers)
{
    return std::max(1u, unsigned(QThread::idealThreadCount()) / workers);
}

int terminalWidth()
{
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                             : terminalWidthDefault;
}

/// False if not all of it could be written; errno says why.
bool printTo(FILE *stream, const QByteArray &text)
{
    const auto size = std::size_t(text.size());
    return std::fwrite(text.constData(), 1, size, stream) == size && std::fflush(stream) == 0;
}

} // namespace

HeadlessRun::HeadlessRun(RunCommandLine command, Programs programs, QObject *parent)
    : QObject(parent), m_command(std::move(command)), m_programs(std::move(programs)),
      m_store(std::make_shared<SeriesStore>())
{
    connect(&m_catalog, &TaskCatalog::loaded, this, &HeadlessRun::onTasks);
    connect(&m_catalog, &TaskCatalog::failed, this,
            [this](const QString &sentence) { endWith(failedExit, sentence.toStdString()); });
    connect(&m_progressTimer, &QTimer::timeout, this, &HeadlessRun::showProgress);
    m_request.name = m_command.name;
    m_request.task = m_command.task;
    m_request.rows = m_command.rows;
    m_request.duration = m_command.duration;
    m_request.workers = m_command.workers.value_or(defaultWorkers());
    m_request.threads = m_command.threads.value_or(defaultThreads(m_request.workers));
    m_request.seed = m_command.seed.value_or(QRandomGenerator::global()->generate());
    m_request.helper = m_programs.helper;
    m_request.warden = m_programs.warden;
}

HeadlessRun::~HeadlessRun() = default;

void HeadlessRun::start()
{
    for (const std::string &program : {m_programs.helper, m_programs.warden}) {
        if (const auto problem = programProblem(program))
            return endWith(failedExit, *problem);
    }
    m_catalog.load(m_programs.helper);
}

void HeadlessRun::stop()
{
    if (m_supervisor)
        return m_supervisor->stop();
    m_status.state = RunState::Stopped; // before it began
    reportAndEnd();
}

void HeadlessRun::onTasks()
{
    if (m_isEnded)
        return; // stopped meanwhile
    const TaskDescription *task = m_catalog.find(m_command.task);
    if (!task) {
        std::string known;
        for (const auto &one : m_catalog.tasks())
            known += (known.empty() ? "" : ", ") + one.name;
        return endWith(usageExit, "There is no task " +
                                      quotedText(QString::fromStdString(m_command.task)).toStdString() +
                                      ": the tasks are " + known + ".");
    }
    if (makeRequest(*task))
        startRun();
}

/// Checks what was typed against what the task declares. Returns false after having said what is wrong.
bool HeadlessRun::makeRequest(const TaskDescription &task)
{
    Parameters given;
    std::string wrong;
    const auto refuse = [&wrong](const std::string &sentence) {
        wrong += (wrong.empty() ? "--set: " : "\n--set: ") + sentence;
    };
    for (const auto &[name, text] : m_command.settings) {
        const auto declared =
            std::find_if(task.parameters.begin(), task.parameters.end(),
                         [&name = name](const auto &parameter) { return parameter.name == name; });
        if (declared == task.parameters.end()) {
            given.insert_or_assign(name, text); // resolveParameters() says which there are
            continue;
        }
        auto value = parseParameter(*declared, text);
        if (const auto *error = std::get_if<ParameterError>(&value))
            refuse(error->sentence);
        else
            given.insert_or_assign(name, std::get<ParameterValue>(std::move(value)));
    }
    auto resolved = resolveParameters(task, given);
    for (const auto &error : resolved.errors)
        refuse(error.sentence);
    if (!wrong.empty()) {
        endWith(usageExit, wrong);
        return false;
    }
    m_request.parameters = std::move(resolved.values);
    m_request.access = task.access;
    return true;
}

void HeadlessRun::startRun()
{
    std::vector<std::unique_ptr<RowConsumer>> consumers;
    if (!m_command.output.empty())
        consumers.push_back(std::make_unique<CsvWriter>(m_command.output));
    if (m_command.isDigest)
        consumers.push_back(std::make_unique<Digester>(m_sha256));
    m_isWriterDone = consumers.empty();
    if (!consumers.empty()) {
        m_writer = std::make_shared<RowWriter>(std::move(consumers), [this] {
            QMetaObject::invokeMethod(this, "onWriterDone", Qt::QueuedConnection);
        });
    }
    auto rows = std::make_shared<RunRows>(m_store, m_writer, m_request.seed);
    m_supervisor = std::make_unique<ProcessSupervisor>(m_request, rows);
    connect(m_supervisor.get(), &Supervisor::changed, this, &HeadlessRun::onChanged);
    connect(m_supervisor.get(), &Supervisor::ended, this, &HeadlessRun::onRunEnded);
    if (!m_command.isQuiet && ::isatty(STDERR_FILENO))
        m_progressTimer.start(progressMilliseconds);
    m_supervisor->start();
}

void HeadlessRun::onChanged()
{
    m_status = m_supervisor->status();
    m_sinceStatus.start();
    printEvents();
}

void HeadlessRun::printEvents()
{
    for (const RunEvent &event : m_supervisor->takeEvents()) {
        if (m_command.isQuiet)
            continue;
        clearProgress();
        std::string line = event.source.empty() ? event.text : event.source + ": " + event.text;
        if (event.count > 1)
            line += " (" + grouped(event.count).toStdString() + " times)";
        printTo(stderr, QByteArray::fromStdString(line + "\n"));
    }
}

void HeadlessRun::showProgress()
{
    RunStatus status = m_status;
    if (status.state == RunState::Running) // its clock goes on between two rows
        status.elapsed += std::chrono::milliseconds(m_sinceStatus.elapsed());
    const auto rate = m_rateMeter.add(status.rows, status.elapsed);
    const QString line = progressLine(status, rate, m_request.duration, terminalWidth() - 1);
    printTo(stderr, "\r" + line.toUtf8() + "\x1b[K");
}

void HeadlessRun::clearProgress()
{
    if (m_progressTimer.isActive())
        printTo(stderr, "\r\x1b[K");
}

void HeadlessRun::onRunEnded()
{
    m_isRunOver = true;
    if (m_writer)
        m_writer->end(); // a run that failed before its first row never began it
    endIfComplete();
}

void HeadlessRun::onWriterDone()
{
    m_isWriterDone = true;
    endIfComplete();
}

void HeadlessRun::endIfComplete()
{
    if (!m_isRunOver || !m_isWriterDone)
        return;
    m_status = m_supervisor->status();
    printEvents();
    clearProgress();
    m_progressTimer.stop();
    if (m_writer && !m_writer->error().empty()) {
        m_status.state = RunState::Failed;
        m_status.message = m_writer->error();
    }
    if (!m_status.errors.empty()) {
        std::string sentences;
        for (const auto &error : m_status.errors)
            sentences += (sentences.empty() ? "" : "\n") + error.sentence;
        return endWith(usageExit, sentences);
    }
    reportAndEnd();
}

void HeadlessRun::reportAndEnd()
{
    RunReport report{m_request, m_status, {}, m_sha256};
    if (m_status.shape) {
        const std::size_t first = m_status.shape->timed ? 1 : 0;
        for (std::size_t i = 0; i < m_status.shape->series.size(); ++i)
            report.totals.push_back(m_store->totals(first + i));
    }
    const bool isFailed = m_status.state == RunState::Failed;
    if (isFailed && !(m_command.isJson && m_command.isQuiet)) // the object says it too
        complain(m_status.message);
    if (!print(report))
        return endWith(failedExit, std::string("cannot write to stdout: ") + std::strerror(errno));
    endWith(isFailed ? failedExit : m_status.state == RunState::Stopped ? stoppedExit : finishedExit, {});
}

/// False if stdout did not take it; errno says why.
bool HeadlessRun::print(const RunReport &report)
{
    if (m_command.isJson)
        return printTo(stdout, QJsonDocument(reportJson(report)).toJson());
    if (m_command.output != "-")
        return printTo(stdout, reportText(report).toUtf8());
    if (!m_command.isQuiet)
        printTo(stderr, reportText(report).toUtf8());
    return true;
}

void HeadlessRun::complain(const std::string &sentence)
{
    printTo(stderr, QByteArray::fromStdString("millrace: " + sentence + "\n"));
}

void HeadlessRun::endWith(int exitCode, const std::string &sentence)
{
    if (!sentence.empty())
        complain(sentence);
    if (!std::exchange(m_isEnded, true))
        Q_EMIT ended(exitCode);
}

} // namespace millrace
