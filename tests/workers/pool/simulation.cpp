#include "tests/workers/pool/simulation.h"

#include <algorithm>
#include <csignal>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// Pool's table of states, as its header tells it. Between two looks a worker may also have ended and begun
/// again.
bool isAllowed(WorkerState from, WorkerState to)
{
    switch (to) {
    case WorkerState::Starting:
        return true;
    case WorkerState::Ready:
        return from == WorkerState::Starting;
    case WorkerState::Stopping:
        return from == WorkerState::Starting || from == WorkerState::Ready;
    case WorkerState::Waiting:
    case WorkerState::GivenUp:
        return from != WorkerState::Waiting && from != WorkerState::Gone && from != WorkerState::GivenUp;
    case WorkerState::Gone:
        return true;
    }
    return false;
}

} // namespace

LeaseTable::Options Simulation::randomOptions(std::mt19937_64 &random)
{
    const auto below = [&random](std::uint64_t limit) { return random() % limit; };
    LeaseTable::Options options;
    options.begin = below(3) == 0 ? below(5000) : 0;
    options.rowBytes = 8 * (1 + below(4));
    options.rangeBytesMin = 0; // budgets of a few rows show more
    options.budgetBytes = options.rowBytes * (1 + below(below(2) ? 20 : 20'000));
    options.splittable = below(6) != 0;
    options.workers = options.splittable ? 1 + unsigned(below(5)) : 1;
    if (below(8) != 0)
        options.end = options.begin + below(below(2) ? 300 : 20'000);
    if (below(6) == 0)
        options.pacing = double(1 + below(100'000)) / 10;
    return options;
}

Simulation::Simulation(std::uint64_t seed, Sabotage sabotage)
    : m_random(seed), m_sabotage(sabotage), m_options(randomOptions(m_random)),
      m_sourceEnd(m_options.splittable || chance(20)
                      ? std::nullopt
                      : std::optional(m_options.begin + random(m_options.end ? 400 : 8000))),
      m_table(m_options, m_now), m_pool(m_options.workers, seed), m_history(m_options.begin),
      m_processes(m_options.workers), m_states(m_options.workers, WorkerState::Waiting),
      m_written(m_options.begin)
{
}

void Simulation::run(int events)
{
    for (unsigned slot = 0; slot < m_pool.size(); ++slot)
        m_pool.start(slot, m_now);
    settle();
    for (int i = 0; i < events && !m_table.isFinished(); ++i) {
        event();
        settle();
    }
    calmDown();
}

void Simulation::event()
{
    m_now += std::chrono::microseconds(random(5000));
    const auto slot = unsigned(random(m_pool.size()));
    switch (random(40)) {
    case 0:
        m_now += std::chrono::milliseconds(random(20'000));
        break;
    case 1: {
        const Moment gap = std::chrono::hours(random(100));
        m_now += gap;
        m_pool.shift(gap);
        break;
    }
    case 2:
        die(slot, SIGSEGV);
        break;
    case 3:
        die(slot, SIGKILL);
        break;
    case 4:
        die(slot, int(random(2)) << 8); // exit code 0 or 1
        break;
    case 5:
        if (m_isPaused)
            m_table.resume(m_now);
        else
            m_table.pause(m_now);
        m_isPaused = !m_isPaused;
        break;
    case 6:
        if (chance(50))
            m_pool.kill(slot, m_now);
        else
            m_pool.restart(slot, m_now);
        break;
    case 7:
        if (chance(30))
            forge(slot);
        break;
    case 8:
        if (chance(10))
            loseWarden();
        break;
    case 9:
        if (m_processes[slot].stage > Process::Stage::Ordered && chance(30)) {
            m_processes[slot].isDeaf = true;
            m_pool.channelClosed(slot, m_now);
        }
        break;
    case 10:
        if (m_processes[slot].stage == Process::Stage::Working)
            m_pool.failed(slot, {"std::runtime_error", "it failed", {}, {}}, m_now);
        break;
    case 11:
        m_pool.exited(slot, std::uint16_t(m_pool.epoch(slot) - 1), {}, m_now); // late, of an old epoch
        break;
    case 12:
    case 13:
    case 14:
        record(random(m_history.releasedEnd() - m_written + 1));
        break;
    default:
        step(slot);
        break;
    }
    m_pool.tick(m_now);
}

/// All goes well from here: the run must come to its end.
void Simulation::calmDown()
{
    if (m_isPaused)
        m_table.resume(m_now);
    m_isPaused = false;
    const std::uint64_t goal = m_options.end.value_or(m_history.releasedEnd() + 500);
    std::uint64_t last = m_history.releasedEnd();
    for (int turns = 0; !m_table.isFinished() && m_history.releasedEnd() < goal; ++turns) {
        if (std::exchange(last, m_history.releasedEnd()) != last)
            turns = 0;
        require(turns < 10'000, "a run whose workers live does not go on");
        m_now += 1ms;
        if (const auto due = m_table.nextDue())
            m_now = std::max(m_now, *due);
        for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
            if (m_pool.state(slot) == WorkerState::GivenUp)
                m_pool.restart(slot, m_now);
            step(slot);
        }
        m_pool.tick(m_now);
        settle();
        record(m_history.releasedEnd() - m_written);
    }
    record(m_history.releasedEnd() - m_written);
    if (m_table.isFinished()) {
        const std::uint64_t end =
            m_sourceEnd && (!m_options.end || *m_sourceEnd < *m_options.end) ? *m_sourceEnd : *m_options.end;
        require(m_history.releasedEnd() == end, "rows were lost at the end");
        require(m_table.acceptedRows() == end - m_options.begin, "more rows were accepted than released");
        require(m_table.reservedBytes() == 0, "memory was reserved for ever");
    }
    m_pool.stopAll(m_now);
    for (int i = 0; i < 5000 && m_pool.isAnyAlive(); ++i, m_now += 1ms) {
        m_pool.tick(m_now);
        settle();
        for (unsigned slot = 0; slot < m_pool.size(); ++slot)
            step(slot);
    }
    require(!m_pool.isAnyAlive() && !m_pool.nextTick(), "a worker does not end");
}

/// Something that this slot's process does.
void Simulation::step(unsigned slot)
{
    Process &process = m_processes[slot];
    if (process.isDoomed && chance(50))
        return die(slot, SIGKILL);
    if (process.isAsked && chance(30))
        return die(slot, 0);
    switch (process.stage) {
    case Process::Stage::None:
        break;
    case Process::Stage::Ordered:
        process.stage = Process::Stage::Launched;
        m_pool.launched(slot, process.epoch, 1000 + int(slot), m_now);
        break;
    case Process::Stage::Launched:
        process.stage = Process::Stage::Greeted;
        if (!process.isDeaf)
            m_pool.hello(slot, Hello(), m_now);
        break;
    case Process::Stage::Greeted:
        process.stage = Process::Stage::Working;
        if (!process.isDeaf)
            m_pool.ready(slot);
        break;
    case Process::Stage::Working:
        if (chance(50))
            compute(slot);
        else
            deliver(slot);
        break;
    }
}

void Simulation::compute(unsigned slot)
{
    Process &process = m_processes[slot];
    if (process.work.empty() || process.hasEnded)
        return;
    Work &work = process.work.front();
    std::uint64_t left = work.grant.end - work.grant.begin - work.sent;
    bool isEnd = false;
    if (m_sourceEnd) {
        const std::uint64_t next = work.grant.begin + work.sent;
        isEnd = *m_sourceEnd <= work.grant.end;
        left = std::min(left, *m_sourceEnd > next ? *m_sourceEnd - next : 0);
    }
    if (left == 0) {
        process.sent.push_back(Done{work.grant.lease, work.sent, isEnd});
        process.work.pop_front();
        process.hasEnded = isEnd; // leases that cross it are not looked at
        return;
    }
    const std::uint64_t rows = chance(30) ? left : 1 + random(left);
    std::uint64_t first = work.grant.begin + work.sent;
    if (m_sabotage == Sabotage::SkipAfterDeath && work.grant.careful && work.sent == 0)
        first += rows;
    process.sent.push_back(Frame{work.grant.lease, work.sequence++, first, std::uint32_t(rows), false});
    work.sent += rows;
}

/// The oldest thing that is on its way from this slot arrives.
void Simulation::deliver(unsigned slot)
{
    Process &process = m_processes[slot];
    if (process.sent.empty() || process.isDeaf)
        return;
    const Sent sent = process.sent.front();
    process.sent.pop_front();
    if (const auto *frame = std::get_if<Frame>(&sent)) {
        deliver(slot, *frame);
    } else if (const auto *done = std::get_if<Done>(&sent)) {
        if (const auto sentence = m_table.done(slot, done->lease, done->rows, done->ended, m_now))
            throw Wrong("a Done was refused: " + *sentence);
    } else {
        const auto &answer = std::get<GivenBack>(sent);
        require(!m_table.givenBack(slot, answer.lease, answer.given), "a lease given back was refused");
    }
}

void Simulation::deliver(unsigned slot, const Frame &frame)
{
    FrameHeader header;
    header.type = FrameType::Rows;
    header.lease = frame.lease;
    header.sequence = frame.sequence;
    header.rows = frame.rows;
    header.payloadBytes = std::uint32_t(frame.rows * m_options.rowBytes);
    const auto place = m_table.beginFrame(slot, header);
    if (frame.isForged) {
        require(place.index() == 1, "a forged frame was accepted");
        m_processes[slot].isDeaf = true;
        m_pool.violation(slot, std::get<std::string>(place), m_now);
        return;
    }
    require(place.index() == 0, "a frame in its order was refused");
    const auto [range, first] = std::get<LeaseTable::Place>(place);
    require(m_sabotage != Sabotage::None || first == frame.first, "rows were put in another place");
    m_history.accepted(range, first, frame.first, frame.rows);
    m_charged.erase(m_charged.lower_bound(first), m_charged.lower_bound(first + frame.rows));
    m_table.endFrame(slot, m_now);
    m_pool.progress(slot);
}

void Simulation::forge(unsigned slot)
{
    Process &process = m_processes[slot];
    if (process.stage != Process::Stage::Working || process.work.empty())
        return;
    const Work &work = process.work.front();
    Frame frame{work.grant.lease, work.sequence, work.grant.begin + work.sent, 1, true};
    switch (random(4)) {
    case 0:
        ++frame.sequence;
        break;
    case 1:
        --frame.sequence; // the one before again; of none, one that cannot be
        break;
    case 2:
        frame.lease += 1 + random(3);
        break;
    default:
        frame.rows = std::uint32_t(work.grant.end - work.grant.begin - work.sent + 1);
        break;
    }
    process.sent.push_back(frame);
}

/// The process ends; some of what it had sent arrives, and perhaps a frame that is cut.
void Simulation::die(unsigned slot, int status)
{
    Process &process = m_processes[slot];
    if (process.stage == Process::Stage::None)
        return;
    for (std::uint64_t i = chance(50) ? process.sent.size() : random(process.sent.size() + 1); i > 0; --i)
        deliver(slot);
    if (!process.sent.empty() && !process.isDeaf) {
        if (const auto *cut = std::get_if<Frame>(&process.sent.front()); cut && !cut->isForged) {
            FrameHeader header{FrameType::Rows, 0,          std::uint32_t(cut->rows * m_options.rowBytes),
                               cut->rows,       cut->lease, cut->sequence};
            require(m_table.beginFrame(slot, header).index() == 0, "a frame in its order was refused");
            if (m_sabotage == Sabotage::CountCutFrame)
                m_table.endFrame(slot, m_now);
        }
    }
    if (chance(50))
        m_pool.channelClosed(slot, m_now);
    ProcessExit exit;
    exit.status = status;
    const auto end = m_pool.exited(slot, process.epoch, exit, m_now);
    require(end.has_value(), "an exit was not told");
    require(!m_pool.exited(slot, process.epoch, exit, m_now), "an exit was told twice");
    process = Process();
    ended(*end);
}

void Simulation::ended(const Pool::End &end)
{
    if (m_sabotage == Sabotage::LoseAfterDeath && m_table.holdsLease(end.slot))
        return;
    std::optional<std::uint64_t> expected;
    const unsigned held = m_table.heldCount(end.slot);
    if (const auto current = m_table.current(end.slot))
        expected = m_history.firstMissing(current->begin, current->end);
    const bool isOurs =
        end.cause == EndCause::Asked || end.cause == EndCause::ByUser || end.cause == EndCause::Lost;
    const auto blame = isOurs           ? LeaseTable::Blame::Ours
                       : end.isExternal ? LeaseTable::Blame::External
                                        : LeaseTable::Blame::Own;

    const auto death = m_table.workerGone(end.slot, blame, m_now);

    require((!expected && held > 1) || death.row == expected, "a death was charged to a wrong row");
    require(held < 2 || death.row, "a death in a lease was charged to no row");
    require(!death.charged || death.row, "a death was charged to nothing");
    require(!death.charged || blame != LeaseTable::Blame::Ours, "a worker that we killed was charged");
    require(death.charged || blame != LeaseTable::Blame::Own || !death.row, "a death was not charged");
    if (death.charged)
        require(death.poison == (++m_charged[*death.row] >= 3), "poison is three deaths of one row");
    require(m_table.heldCount(end.slot) == 0, "a dead worker holds a lease");
}

void Simulation::loseWarden()
{
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        const bool isAlive = m_pool.isAlive(slot);
        m_processes[slot] = Process();
        const auto end = m_pool.lost(slot, m_now);
        require(end.has_value() == isAlive, "a worker was lost that did not live, or the other way round");
        if (end)
            ended(*end);
    }
}

void Simulation::settle()
{
    const auto act = [this] {
        for (const auto &action : m_pool.takeActions())
            this->act(action);
    };
    act();
    const auto release = m_table.release();
    m_history.released(release.first, release.end);
    if (m_sabotage == Sabotage::ReleaseTwice && release.first < release.end && chance(1))
        m_history.released(release.first, release.end);
    if (!m_isPaused && !m_table.isFinished())
        feed();
    act();
    check();
}

void Simulation::act(const Pool::Action &action)
{
    Process &process = m_processes[action.slot];
    const bool isLaunch = action.kind == Pool::Action::Kind::Launch;
    if (!isLaunch && (process.stage == Process::Stage::None || process.epoch != action.epoch))
        return; // it has ended meanwhile
    switch (action.kind) {
    case Pool::Action::Kind::Launch:
        require(process.stage == Process::Stage::None, "a second process was started in a slot");
        require(action.epoch == m_pool.epoch(action.slot), "a worker was started in an old epoch");
        process.stage = Process::Stage::Ordered;
        process.epoch = action.epoch;
        break;
    case Pool::Action::Kind::SendStop:
    case Pool::Action::Kind::Terminate:
        process.isAsked = chance(70);
        break;
    case Pool::Action::Kind::Kill:
        process.isDoomed = true;
        break;
    case Pool::Action::Kind::Continue:
        break;
    }
}

void Simulation::feed()
{
    bool isAnyIdle = false;
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        Process &process = m_processes[slot];
        if (m_pool.state(slot) != WorkerState::Ready)
            continue;
        while (const auto grant = m_table.grant(slot, m_now)) {
            require(process.work.empty() || grant->begin > process.work.back().grant.begin,
                    "leases are not in index order");
            if (grant->newRangeEnd)
                m_history.reserved(grant->range, *grant->newRangeEnd);
            process.work.push_back({*grant, 0, 0});
        }
        require(m_table.heldCount(slot) <= 2, "a slot holds more than two leases");
        isAnyIdle = isAnyIdle || !m_table.holdsLease(slot);
    }
    if (!isAnyIdle)
        return;
    if (const auto candidate = m_table.giveBackCandidate()) {
        Process &process = m_processes[candidate->first];
        const auto wanted = std::find_if(process.work.begin(), process.work.end(), [&](const Work &work) {
            return work.grant.lease == candidate->second && work.sent == 0;
        });
        const bool isGiven = wanted != process.work.end();
        process.sent.push_back(GivenBack{candidate->second, isGiven});
        if (isGiven)
            process.work.erase(wanted);
    }
}

void Simulation::record(std::uint64_t rows)
{
    m_written += rows;
    for (const std::uint64_t range : m_table.written(m_written))
        m_history.forgotten(range);
}

void Simulation::check()
{
    require(m_table.releasedEnd() == m_history.releasedEnd(), "table and sink differ");
    require(m_table.reservedBytes() <= std::max(m_options.budgetBytes, m_options.rowBytes),
            "more memory is reserved than the budget has");
    for (unsigned slot = 0; slot < m_pool.size(); ++slot) {
        const WorkerState from = std::exchange(m_states[slot], m_pool.state(slot));
        require(from == m_states[slot] || isAllowed(from, m_states[slot]),
                "a worker's state changed as no state may");
    }
}

} // namespace millrace
