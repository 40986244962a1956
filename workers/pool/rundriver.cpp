#include "workers/pool/rundriver.h"

#include "workers/pool/environment.h"
#include "workers/pool/threadorder.h"

#include <QThread>

#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// The screen is told of changes at most so often: once per frame.
constexpr auto publishInterval = 16ms;
/// A timer that is so late was not late: this process stood still, and so did the workers' time to answer.
constexpr Moment gapMin = 1s;
/// Idle blocks of memory that a run keeps for its next ranges.
constexpr std::size_t idleBytesMax = 64 * 1024 * 1024;

} // namespace

bool isOver(RunState state)
{
    return state == RunState::Finished || state == RunState::Stopped || state == RunState::Failed;
}

RunDriver::RunDriver(RunRequest request, std::shared_ptr<RowSink> sink, MakeLauncher makeLauncher,
                     RunBoxes &boxes)
    : m_request(std::move(request)), m_sink(std::move(sink)), m_makeLauncher(std::move(makeLauncher)),
      m_boxes(boxes), m_pool(m_request.workers, m_request.seed), m_links(m_request.workers),
      m_memory(std::make_shared<RangeMemory>(idleBytesMax))
{
    m_feedback = std::make_shared<SinkFeedbackBox>(
        [this] { QMetaObject::invokeMethod(this, "onFeedback", Qt::QueuedConnection); });
}

RunDriver::~RunDriver()
{
    orderAcquire(&m_boxes);
    m_feedback->disconnect();
    if (m_table && isGoing())
        m_sink->end(RunEnd::Stopped);
    orderRelease(&m_boxes);
}

Moment RunDriver::now() const
{
    return std::chrono::steady_clock::now().time_since_epoch();
}

Moment RunDriver::elapsed() const
{
    if (!m_table)
        return {};
    return m_pausedSince.value_or(now()) - m_runningSince - m_pausedTime;
}

void RunDriver::onException(const std::string &what)
{
    try {
        finish(RunState::Failed, "the supervisor failed: " + what);
    } catch (...) { // the same again, at its last rows: they are given up, the run still ends
        setState(RunState::Stopping);
        m_pool.stopAll(now());
    }
    actOnPool();
    conclude();
    if (!isOver(m_state)) {
        rearm();
        schedulePublish();
    }
}

void RunDriver::begin()
{
    orderAcquire(&m_boxes);
    enter([this] {
        m_timer = std::make_unique<QTimer>();
        m_timer->setSingleShot(true);
        m_timer->setTimerType(Qt::PreciseTimer);
        connect(m_timer.get(), &QTimer::timeout, this, &RunDriver::onTimer);
        m_publishTimer = std::make_unique<QTimer>();
        m_publishTimer->setSingleShot(true);
        connect(m_publishTimer.get(), &QTimer::timeout, this, &RunDriver::publish);
        m_launcher = m_makeLauncher(*this);
        setState(RunState::Starting);
        m_pool.start(0, now()); // alone, until it has prepared the run
    });
}

void RunDriver::onCommands()
{
    enter([this] {
        for (const RunCommand &command : m_boxes.commands.take().items)
            doCommand(command);
    });
}

void RunDriver::doCommand(const RunCommand &command)
{
    switch (command.kind) {
    case RunCommand::Kind::Pause:
        m_isPauseWanted = true;
        if (m_state == RunState::Running || m_state == RunState::Stalled)
            pause();
        break;
    case RunCommand::Kind::Resume:
        m_isPauseWanted = false;
        if (m_state == RunState::Stalled)
            m_stall.reset(); // by the user's word; the sink can say it again
        if (m_state == RunState::Paused || m_state == RunState::Stalled)
            resume();
        break;
    case RunCommand::Kind::Stop:
        finish(RunState::Stopped, {});
        break;
    case RunCommand::Kind::KillWorker:
        if (command.slot < m_pool.size())
            m_pool.kill(command.slot, now());
        break;
    case RunCommand::Kind::RestartWorker:
        if (command.slot < m_pool.size() && isGoing() && (m_shape->splittable || command.slot == 0))
            m_pool.restart(command.slot, now());
        break;
    }
}

void RunDriver::onTimer()
{
    enter([this] {
        const Moment moment = now();
        if (const Moment late = moment - m_armed.value_or(moment); late > gapMin)
            m_pool.shift(late);
        m_armed.reset();
        m_pool.tick(moment);
        if (m_parkDeadline && *m_parkDeadline <= moment) {
            m_parkDeadline.reset();
            for (unsigned slot = 0; slot < m_pool.size(); ++slot)
                freeze(slot);
        }
        if (m_request.duration && m_table && elapsed() >= *m_request.duration)
            finish(RunState::Finished, {});
        m_isFeedDue = true;
    });
}

/// What follows from whatever has just happened, until nothing follows any more.
void RunDriver::settle()
{
    // One round settles nearly all; what is left after some more waits for the timer, and the event loop
    // turns.
    constexpr int roundsMax = 4;
    for (int round = 0; round < roundsMax; ++round) {
        actOnPool();
        if (m_table && isGoing()) {
            releaseRows();
            takeFeedback();
            if (m_table->isFinished())
                finish(RunState::Finished, {});
        }
        if (!m_isFeedDue || m_state != RunState::Running)
            break;
        m_isFeedDue = false;
        feed();
    }
    actOnPool();
    conclude();
    if (!isOver(m_state)) {
        rearm();
        schedulePublish();
    }
}

void RunDriver::schedulePublish()
{
    if (!m_publishTimer->isActive())
        m_publishTimer->start(publishInterval);
}

void RunDriver::actOnPool()
{
    for (auto actions = m_pool.takeActions(); !actions.empty(); actions = m_pool.takeActions()) {
        for (const auto &action : actions) {
            try {
                act(action);
            } catch (const std::exception
                         &) { // memory, mostly: the worker that cannot be ordered has failed to start
                ProcessExit exit;
                exit.error = ENOMEM;
                exit.stage = WardenReport::Stage::Order;
                if (action.kind == Pool::Action::Kind::Launch)
                    m_pool.exited(action.slot, action.epoch, exit, now());
            }
        }
    }
}

void RunDriver::act(const Pool::Action &action)
{
    switch (action.kind) {
    case Pool::Action::Kind::Launch: {
        LaunchSpec spec;
        spec.program = m_request.helper;
        spec.arguments = m_request.helperArguments;
        spec.environment = workerEnvironment(m_request.access);
        spec.sandbox = m_request.access == Access::Compute ? WardenSandbox::Compute : WardenSandbox::None;
        m_launcher->start(action.slot, action.epoch, spec);
        break;
    }
    case Pool::Action::Kind::SendStop:
        send(action.slot, Stop{});
        break;
    case Pool::Action::Kind::Continue:
        // Also if it was not us who stopped it: a stopped process hears nothing but SIGKILL.
        m_links[action.slot].isFrozen = false;
        m_launcher->signal(action.slot, action.epoch, SIGCONT);
        break;
    case Pool::Action::Kind::Terminate:
        m_launcher->signal(action.slot, action.epoch, SIGTERM);
        break;
    case Pool::Action::Kind::Kill:
        m_launcher->signal(action.slot, action.epoch, SIGKILL);
        break;
    }
}

void RunDriver::releaseRows()
{
    const auto rows = m_table->release();
    if (rows.first == rows.end)
        return;
    for (auto range = std::prev(m_ranges.upper_bound(rows.first));
         range != m_ranges.end() && range->first < rows.end; ++range)
        range->second.release(rows.end, *m_sink);
}

void RunDriver::onFeedback()
{
    enter([this] { takeFeedback(); });
}

void RunDriver::takeFeedback()
{
    if (!m_table || !isGoing())
        return;
    const auto feedback = m_feedback->take();
    for (const std::uint64_t range : m_table->written(feedback.written)) {
        m_ranges.erase(range);
        m_isFeedDue = true;
    }
    if (feedback.failed) {
        finish(RunState::Failed, *feedback.failed);
        return;
    }
    if (feedback.stalled || feedback.isReady)
        m_stall = feedback.stalled; // of a paused run it is remembered
    if (m_stall && m_state == RunState::Running)
        stall();
    else if (!m_stall && m_state == RunState::Stalled)
        resume();
}

void RunDriver::feed()
{
    m_fedAt = now();
    bool isAnyIdle = false;
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        if (m_links[slot].isPrepared && m_pool.state(slot) == WorkerState::Ready)
            isAnyIdle = !feed(slot) || isAnyIdle;
    }
    if (!isAnyIdle)
        return;
    if (const auto candidate = m_table->giveBackCandidate())
        send(candidate->first, GiveBack{candidate->second});
}

/// Returns whether the slot has something to do.
bool RunDriver::feed(unsigned slot)
{
    while (const auto grant = m_table->grant(slot, m_fedAt)) {
        if (grant->newRangeEnd) {
            m_ranges.try_emplace(grant->range, *m_memory, grant->begin, *grant->newRangeEnd - grant->begin,
                                 m_shape->columnCount());
        }
        send(slot, Lease{grant->lease, grant->begin, grant->end, grant->careful});
    }
    return m_table->holdsLease(slot);
}

void RunDriver::rearm()
{
    std::optional<Moment> next = m_pool.nextTick();
    const auto consider = [&next](std::optional<Moment> moment) {
        if (moment && (!next || *moment < *next))
            next = moment;
    };
    consider(m_parkDeadline);
    if (m_state == RunState::Running) {
        const auto due = m_table->nextDue();
        // Rows that were due when it was last looked wait for a worker or for memory, and are leased when
        // either comes.
        if (due && *due > m_fedAt)
            consider(due);
        if (m_isFeedDue)
            consider(m_fedAt);
        if (m_request.duration)
            consider(m_runningSince + m_pausedTime + *m_request.duration);
    }
    if (next == m_armed && m_timer->isActive())
        return;
    m_armed = next;
    // The timer counts in an int: a deadline far away is looked at again on the way.
    constexpr Moment farAway = 1h;
    if (next)
        m_timer->start(
            std::chrono::ceil<std::chrono::milliseconds>(std::clamp(*next - now(), Moment::zero(), farAway)));
    else
        m_timer->stop();
}

std::vector<std::span<std::byte>> RunDriver::rowsBegin(unsigned slot, const FrameHeader &header)
{
    try {
        return placeRows(slot, header);
    } catch (const std::exception &error) {
        onException(error.what());
        return {};
    }
}

std::vector<std::span<std::byte>> RunDriver::placeRows(unsigned slot, const FrameHeader &header)
{
    std::vector<std::span<std::byte>> places;
    Link &link = m_links[slot];
    if (!link.isPrepared)
        refuseRows(slot, "sent rows without having prepared the run");
    if (!m_table || !isGoing() || !link.isPrepared)
        return places;
    if (header.epoch != m_pool.epoch(slot)) {
        refuseRows(slot, "sent rows of epoch " + std::to_string(header.epoch));
        return places;
    }
    const auto place = m_table->beginFrame(slot, header);
    if (const auto *sentence = std::get_if<std::string>(&place)) {
        refuseRows(slot, *sentence);
        return places;
    }
    link.place = std::get<LeaseTable::Place>(place);
    link.frameRows = header.rows;
    const auto columns = m_ranges.at(link.place.range).at(link.place.first);
    link.summary.begin(link.place.first, header.rows, columns);
    places.reserve(columns.size());
    for (double *column : columns)
        places.push_back(std::as_writable_bytes(std::span(column, header.rows)));
    return places;
}

void RunDriver::refuseRows(unsigned slot, const std::string &sentence)
{
    enter([&] { violation(slot, sentence); });
}

void RunDriver::rowsPart(unsigned slot, FrameReader::Placed placed)
{
    try {
        m_links[slot].summary.advance(placed.column, placed.bytes / sizeof(double));
    } catch (const std::exception &error) {
        onException(error.what());
    }
}

void RunDriver::rowsEnd(unsigned slot)
{
    enter([this, slot] {
        if (!isGoing())
            return;
        Link &link = m_links[slot];
        link.summary.advance(m_shape->columnCount(), 0);
        m_ranges.at(link.place.range).accept(link.place.first, link.frameRows, link.summary.take());
        link.rows += link.frameRows;
        m_table->endFrame(slot, now());
        m_pool.progress(slot);
    });
}

void RunDriver::broken(unsigned slot, const std::string &sentence)
{
    enter([&] { violation(slot, "broke the protocol: " + sentence); });
}

void RunDriver::violation(unsigned slot, const std::string &sentence)
{
    m_pool.violation(slot, sentence, now());
}

void RunDriver::closed(unsigned slot, bool)
{
    enter([this, slot] { m_pool.channelClosed(slot, now()); });
}

void RunDriver::launched(unsigned slot, std::uint16_t epoch, int pid, int channel, int output)
{
    enter([&] {
        if (epoch != m_pool.epoch(slot)) { // nobody waits for it any more
            ::close(channel);
            ::close(output);
            m_launcher->signal(slot, epoch, SIGKILL);
            return;
        }
        Link &link = m_links[slot];
        const std::uint64_t rows = link.rows;
        link = Link();
        link.rows = rows;
        link.channel = std::make_unique<Channel>(slot, channel, *this);
        link.output = std::make_unique<WorkerOutput>(output);
        connect(link.output.get(), &WorkerOutput::arrived, this, &RunDriver::schedulePublish);
        m_pool.launched(slot, epoch, pid, now());
    });
}

void RunDriver::exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit)
{
    enter([&] {
        if (epoch != m_pool.epoch(slot))
            return;
        readLast(slot);
        if (const auto end = m_pool.exited(slot, epoch, exit, now()))
            onEnd(*end);
        forget(slot);
    });
}

/// What a worker sent and wrote before it died counts.
void RunDriver::readLast(unsigned slot)
{
    Link &link = m_links[slot];
    if (link.channel)
        link.channel->drain();
    if (link.output)
        link.output->finish();
    tellOutput(slot);
}

void RunDriver::forget(unsigned slot)
{
    Link &link = m_links[slot];
    const std::uint64_t rows = link.rows;
    link = Link();
    link.rows = rows;
}

void RunDriver::launcherLost(const std::string &sentence)
{
    enter([&] {
        tell(Log::Level::Warning, {}, sentence);
        for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
            readLast(slot);
            if (const auto end = m_pool.lost(slot, now()))
                onEnd(*end);
            forget(slot);
        }
    });
}

void RunDriver::finish(RunState outcome, const std::string &message)
{
    if (isOver(m_state) || m_state == RunState::Stopping)
        return;
    if (m_table) {
        releaseRows();
        m_sink->end(outcome == RunState::Finished  ? RunEnd::Finished
                    : outcome == RunState::Stopped ? RunEnd::Stopped
                                                   : RunEnd::Failed);
        if (!m_pausedSince)
            m_pausedSince = now(); // the run's clock stops here
    }
    m_outcome = outcome;
    m_message = message;
    m_parkDeadline.reset();
    setState(RunState::Stopping);
    m_pool.stopAll(now());
}

void RunDriver::conclude()
{
    if (m_state != RunState::Stopping || m_pool.isAnyAlive())
        return;
    if (const auto feedback = m_feedback->take(); feedback.failed && m_outcome == RunState::Finished) {
        m_outcome = RunState::Failed;
        m_message = *feedback.failed;
    }
    setState(m_outcome);
    m_timer->stop();
    m_publishTimer->stop();
    // Not now: it may be the launcher who is telling of the last exit.
    QMetaObject::invokeMethod(this, "leave", Qt::QueuedConnection);
    m_ranges.clear();
    publish();
}

void RunDriver::leave()
{
    m_launcher.reset();
    m_boxes.ended();
}

void RunDriver::setState(RunState state)
{
    m_state = state;
}

void RunDriver::send(unsigned slot, const Message &message)
{
    if (m_links[slot].channel)
        m_links[slot].channel->send(message, m_pool.epoch(slot));
}

} // namespace millrace
