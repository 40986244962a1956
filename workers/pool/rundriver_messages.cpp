// The part of RunDriver that answers the workers, and that tells people what happened.

#include "workers/pool/rundriver.h"

#include <csignal>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// A worker that has not parked by then is stopped where it is.
constexpr Moment parkDeadline = 250ms;
/// Lines of a dead worker's output that its sentence quotes.
constexpr std::size_t quotedLinesMax = 5;

std::string workerName(unsigned slot)
{
    return "worker " + std::to_string(slot + 1);
}

} // namespace

template <typename Other>
void RunDriver::on(unsigned slot, const Other &)
{
    violation(slot, "sent a message that only the application sends");
}

void RunDriver::message(unsigned slot, std::uint16_t epoch, const Message &message)
{
    enter([&] {
        const bool isHello = std::holds_alternative<Hello>(message);
        // A worker that is stopped before its Prepare knows no epoch yet.
        const bool isEarlyBye = std::holds_alternative<Bye>(message) && epoch == 0;
        if (epoch != (isHello ? 0 : m_pool.epoch(slot)) && !isEarlyBye)
            return violation(slot, "sent a message of epoch " + std::to_string(epoch));
        std::visit([this, slot](const auto &one) { on(slot, one); }, message);
    });
}

void RunDriver::on(unsigned slot, const Hello &hello)
{
    if (std::exchange(m_links[slot].isGreeted, true))
        return violation(slot, "said Hello twice");
    if (!m_pool.hello(slot, hello, now()))
        return;
    Prepare prepare;
    prepare.task = m_request.task;
    prepare.parameters = m_request.parameters;
    prepare.seed = m_request.seed;
    prepare.rows = m_request.rows;
    prepare.threads = m_request.threads;
    prepare.slot = slot;
    prepare.epoch = m_pool.epoch(slot);
    if (encodeMessage(prepare, prepare.epoch).size() > qsizetype(controlBytesMax) + qsizetype(headerBytes))
        return finish(RunState::Failed, "the parameters are longer than 1 MiB together: shorten their texts");
    send(slot, prepare);
}

void RunDriver::on(unsigned slot, const Prepared &prepared)
{
    Link &link = m_links[slot];
    if (link.isPrepared)
        return violation(slot, "prepared the run twice");
    if (!link.isGreeted)
        return violation(slot, "prepared the run before it said Hello");
    if (m_shape && *m_shape != prepared.shape)
        return violation(
            slot,
            "prepared another run than the workers before it: its answer to the same parameters differs");
    link.isPrepared = true;
    m_pool.ready(slot);
    if (!m_shape)
        beginRun(prepared.shape);
    if (m_state == RunState::Paused)
        send(slot, Park{});
    m_isFeedDue = true;
}

void RunDriver::beginRun(const RunShape &shape)
{
    if (m_state != RunState::Starting)
        return;
    m_shape = shape;
    LeaseTable::Options options;
    options.end = shape.rows;
    options.rowBytes = shape.columnCount() * sizeof(double);
    options.budgetBytes = m_request.budgetBytes;
    options.workers = m_request.workers;
    options.splittable = shape.splittable;
    options.leaseRows = shape.leaseRows;
    options.pacing = shape.pacing;
    m_runningSince = now();
    m_table.emplace(options, m_runningSince);
    m_sink->begin(shape, 0, m_feedback);
    setState(RunState::Running);
    if (!shape.repeatable)
        m_pool.forbidRestarts();
    // A source is read by one worker; the others would only wait.
    for (unsigned other = 1; shape.splittable && other < m_pool.size(); ++other)
        m_pool.start(other, now());
    if (m_isPauseWanted)
        pause();
}

void RunDriver::on(unsigned slot, const Refused &refused)
{
    if (!m_links[slot].isGreeted || m_links[slot].isPrepared)
        return violation(slot, "refused a run that it was not asked to prepare");
    std::string message;
    for (const auto &error : refused.errors)
        message += (message.empty() ? "" : "; ") + error.sentence;
    if (m_state == RunState::Starting) {
        m_errors = refused.errors;
        finish(RunState::Failed, message);
    } else { // others have prepared the same: it is this worker's trouble
        violation(slot, "refused what others had prepared: " + message);
    }
}

void RunDriver::on(unsigned slot, const Done &done)
{
    if (!m_table || !isGoing())
        return;
    if (const auto sentence = m_table->done(slot, done.lease, done.rows, done.ended, now()))
        violation(slot, *sentence);
    m_isFeedDue = true;
}

void RunDriver::on(unsigned slot, const GivenBack &givenBack)
{
    if (!m_table || !isGoing())
        return;
    if (const auto sentence = m_table->givenBack(slot, givenBack.lease, givenBack.given))
        violation(slot, *sentence);
    m_isFeedDue = true;
}

void RunDriver::on(unsigned slot, const Parked &)
{
    if (m_state == RunState::Paused)
        freeze(slot);
}

void RunDriver::on(unsigned, const Bye &) {}

void RunDriver::on(unsigned, const Pong &) {}

void RunDriver::on(unsigned slot, const Failed &failed)
{
    m_links[slot].trace = failed.trace;
    m_pool.failed(slot, failed, now());
    // What cannot even be prepared would fail the next time as well.
    if (m_state == RunState::Starting)
        finish(RunState::Failed, failed.message);
}

void RunDriver::on(unsigned slot, const Log &log)
{
    tell(log.level, workerName(slot), sanitised(QByteArray::fromStdString(log.text)), log.count);
}

/// The sink takes no more: nothing is leased until it does.
void RunDriver::stall()
{
    const Moment moment = now();
    m_table->pause(moment);
    m_pausedSince = moment;
    setState(RunState::Stalled);
}

void RunDriver::pause()
{
    const Moment moment = now();
    m_table->pause(moment);
    if (!m_pausedSince)
        m_pausedSince = moment;
    m_parkDeadline = moment + parkDeadline;
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        if (m_links[slot].isPrepared) // one that is not yet is told when it is
            send(slot, Park{});
    }
    setState(RunState::Paused);
}

/// Stops the worker's group where it is: programs that it has started compute no further either.
void RunDriver::freeze(unsigned slot)
{
    Link &link = m_links[slot];
    if (!link.channel || link.isFrozen || m_pool.state(slot) != WorkerState::Ready)
        return;
    link.isFrozen = true;
    m_launcher->signal(slot, m_pool.epoch(slot), SIGSTOP);
}

void RunDriver::resume()
{
    const Moment moment = now();
    m_parkDeadline.reset();
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        if (std::exchange(m_links[slot].isFrozen, false))
            m_launcher->signal(slot, m_pool.epoch(slot), SIGCONT);
        if (m_state == RunState::Paused && m_links[slot].isPrepared)
            send(slot, Unpark{});
    }
    m_table->resume(moment);
    if (m_pausedSince)
        m_pausedTime += moment - *m_pausedSince;
    m_pausedSince.reset();
    setState(RunState::Running);
    m_isFeedDue = true;
    if (m_stall)
        stall();
}

void RunDriver::onEnd(const Pool::End &end)
{
    LeaseTable::Death death;
    if (m_table && isGoing()) {
        const bool isOurs =
            end.cause == EndCause::Asked || end.cause == EndCause::ByUser || end.cause == EndCause::Lost;
        const auto blame = isOurs           ? LeaseTable::Blame::Ours
                           : end.isExternal ? LeaseTable::Blame::External
                                            : LeaseTable::Blame::Own;
        death = m_table->workerGone(end.slot, blame, now());
        m_isFeedDue = true;
    }
    if (end.cause == EndCause::Asked)
        return;
    const std::string sentence = endSentence(end, death);
    tell(end.isGivenUp ? Log::Level::Error : Log::Level::Warning, {}, sentence);
    if (m_state == RunState::Stopping)
        return;
    if (death.poison)
        return finish(RunState::Failed, "row " + std::to_string(*death.row) + " failed 3 times: " + sentence);
    if (m_shape && !m_shape->repeatable && m_table)
        return finish(RunState::Failed,
                      "cut at row " + std::to_string(m_table->releasedEnd()) + ": " + sentence);
    const bool isAlone = !m_table || !m_shape->splittable; // the other slots were never started
    if (isAlone ? end.isGivenUp : m_pool.areAllGivenUp())
        finish(RunState::Failed, sentence);
}

std::string RunDriver::endSentence(const Pool::End &end, const LeaseTable::Death &death)
{
    std::string sentence = workerName(end.slot);
    if (end.pid != 0)
        sentence += " (pid " + std::to_string(end.pid) + ")";
    sentence += " " + end.what;
    if (death.row)
        sentence += ", at row " + std::to_string(*death.row);
    if (!end.action.empty())
        sentence += "; " + end.action;
    const Link &link = m_links[end.slot];
    if (!link.trace.empty())
        sentence += "\n" + link.trace;
    if (link.output && !link.output->lastLines().empty()) {
        sentence += "\nIts last lines:";
        const auto &lines = link.output->lastLines();
        for (std::size_t i = lines.size() - std::min(lines.size(), quotedLinesMax); i < lines.size(); ++i)
            sentence += "\n  " + lines[i];
    }
    return sentence;
}

void RunDriver::tell(Log::Level level, const std::string &source, const std::string &text,
                     std::uint64_t count)
{
    m_boxes.events.post({level, source, text, count});
}

void RunDriver::tellOutput(unsigned slot)
{
    if (!m_links[slot].output)
        return;
    WorkerOutput &output = *m_links[slot].output;
    std::optional<RunEvent> pending; // equal lines in a row are one event
    const auto flush = [&] {
        if (pending)
            tell(pending->level, pending->source, pending->text, pending->count);
        pending.reset();
    };
    for (const std::string &line : output.takeLines()) {
        if (pending && pending->text == line) {
            ++pending->count;
            continue;
        }
        flush();
        pending = RunEvent{Log::Level::Info, workerName(slot), line, 1};
    }
    flush();
    if (const std::uint64_t bytes = output.takeSuppressed())
        tell(Log::Level::Warning, workerName(slot),
             std::to_string(bytes) + " bytes of its output were not kept");
}

void RunDriver::publish()
{
    for (unsigned slot = 0; slot < m_pool.size(); ++slot)
        tellOutput(slot);
    m_boxes.status.set(status());
}

RunStatus RunDriver::status() const
{
    RunStatus status;
    status.state = m_state;
    status.shape = m_shape;
    status.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed());
    status.message = m_state == RunState::Stalled ? m_stall.value_or("") : m_message;
    status.errors = m_errors;
    if (m_table) {
        status.rows = m_table->releasedEnd();
        status.rowsTotal = m_table->end();
    }
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        WorkerStatus worker;
        worker.slot = slot;
        worker.state = m_pool.state(slot);
        worker.pid = m_pool.pid(slot);
        worker.epoch = m_pool.epoch(slot);
        worker.restarts = m_pool.restarts(slot);
        worker.rows = m_links[slot].rows;
        if (const auto current = m_table ? m_table->current(slot) : std::nullopt)
            worker.row = current->next;
        status.restarts += worker.restarts;
        status.workers.push_back(worker);
    }
    return status;
}

} // namespace millrace
