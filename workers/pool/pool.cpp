#include "workers/pool/pool.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// A worker that has not said Hello by then is taken for another program.
constexpr Moment helloDeadline = 5s;
/// Between the steps of the ladder: Stop, SIGTERM, SIGKILL.
constexpr Moment ladderStep = 500ms;
/// Time to leave by itself after Bye, Failed or the end of its channel.
constexpr Moment leaveDeadline = 500ms;
/// More deaths than this in deathWindow without an accepted row: the slot gives up.
constexpr std::size_t deathsMax = 5;
constexpr Moment deathWindow = 10s;
constexpr Moment backOffs[] = {0ms, 50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5s};
/// Pauses vary by this share, so that workers which died together do not start together.
constexpr double jitter = 0.2;

std::string milliseconds(Moment pause)
{
    return std::to_string(std::chrono::round<std::chrono::milliseconds>(pause).count()) + " ms";
}

} // namespace

Pool::Pool(unsigned slotCount, std::uint64_t seed) : m_slots(slotCount), m_random(seed | 1) {}

void Pool::act(Action::Kind kind, unsigned slot)
{
    m_actions.push_back({kind, slot, m_slots[slot].epoch});
}

std::vector<Pool::Action> Pool::takeActions()
{
    return std::exchange(m_actions, {});
}

void Pool::start(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    if (isAlive(slot))
        return;
    one.startsAgain = true;
    one.deaths.clear();
    one.backOff = 0;
    launch(slot, now);
}

void Pool::launch(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    ++one.epoch;
    one.state = WorkerState::Starting;
    one.step = Step::Hello;
    one.deadline = now + helloDeadline;
    one.cause.reset();
    one.what.clear();
    one.pid = 0;
    act(Action::Kind::Launch, slot);
}

void Pool::stop(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    one.startsAgain = false;
    if (one.state == WorkerState::Waiting || one.state == WorkerState::GivenUp) {
        one.state = WorkerState::Gone;
        one.deadline.reset();
        return;
    }
    if (one.state == WorkerState::Gone || one.state == WorkerState::Stopping)
        return;
    one.cause = EndCause::Asked;
    climb(slot, Step::Stop, now);
}

void Pool::stopAll(Moment now)
{
    for (unsigned slot = 0; slot < size(); ++slot)
        stop(slot, now);
}

void Pool::restart(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    if (!isAlive(slot)) {
        start(slot, now);
        return;
    }
    one.cause = EndCause::ByUser;
    one.what = "was restarted by the user";
    one.deaths.clear();
    one.backOff = 0;
    climb(slot, Step::Kill, now);
}

void Pool::kill(unsigned slot, Moment now)
{
    if (!isAlive(slot))
        return;
    m_slots[slot].cause = EndCause::ByUser;
    m_slots[slot].what = "was killed by the user";
    climb(slot, Step::Kill, now);
}

/// Takes the ladder from `step` on. SIGCONT comes before any other step: a stopped process hears nothing.
void Pool::climb(unsigned slot, Step step, Moment now)
{
    Slot &one = m_slots[slot];
    one.state = WorkerState::Stopping;
    one.step = step;
    one.deadline = now + ladderStep;
    act(Action::Kind::Continue, slot);
    switch (step) {
    case Step::Stop:
        act(Action::Kind::SendStop, slot);
        break;
    case Step::Terminate:
        act(Action::Kind::Terminate, slot);
        break;
    case Step::Kill:
        act(Action::Kind::Kill, slot); // and again at the next step: a signal may get lost on its way
        break;
    case Step::None:
    case Step::Hello:
        break;
    }
}

void Pool::launched(unsigned slot, std::uint16_t epoch, int pid, Moment now)
{
    Slot &one = m_slots[slot];
    if (one.epoch != epoch)
        return;
    one.pid = pid;
    // It was asked to end, or was given up, before it was there.
    if (one.state == WorkerState::Stopping)
        climb(slot, one.step, now);
}

bool Pool::hello(unsigned slot, const Hello &hello, Moment now)
{
    Slot &one = m_slots[slot];
    if (hello.major == protocolMajor || one.state == WorkerState::Stopping) {
        if (one.step == Step::Hello) {
            one.step = Step::None;
            one.deadline.reset();
        }
        return true;
    }
    one.cause = EndCause::Version;
    one.what = "speaks version " + std::to_string(hello.major) + "." + std::to_string(hello.minor) +
               " of the protocol, this application version " + std::to_string(protocolMajor) + "." +
               std::to_string(protocolMinor) + ": build the helper " + hello.program + " with this Millrace";
    climb(slot, Step::Terminate, now);
    return false;
}

void Pool::ready(unsigned slot)
{
    if (m_slots[slot].state == WorkerState::Starting)
        m_slots[slot].state = WorkerState::Ready;
}

void Pool::progress(unsigned slot)
{
    Slot &one = m_slots[slot];
    one.deaths.clear();
    one.backOff = 0;
}

void Pool::violation(unsigned slot, const std::string &sentence, Moment now)
{
    Slot &one = m_slots[slot];
    if (!isAlive(slot) || one.cause == EndCause::Violation)
        return;
    // One that was told to stop may fall silent in the middle of a frame.
    if (one.cause != EndCause::Asked) {
        one.cause = EndCause::Violation;
        one.what = sentence;
    }
    climb(slot, Step::Kill, now);
}

void Pool::failed(unsigned slot, const Failed &failed, Moment now)
{
    Slot &one = m_slots[slot];
    if (one.cause || !isAlive(slot))
        return;
    one.cause = failed.type == "std::bad_alloc" ? EndCause::OutOfMemory : EndCause::Exception;
    one.what = one.cause == EndCause::OutOfMemory ? "ran out of memory" : "failed: " + failed.message;
    if (one.cause == EndCause::Exception && failed.type != "std::runtime_error")
        one.what += " (" + failed.type + ")";
    one.state = WorkerState::Stopping;
    one.step = Step::Stop; // it leaves by itself, or gets the rest of the ladder
    one.deadline = now + leaveDeadline;
}

void Pool::channelClosed(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    if (one.state != WorkerState::Starting && one.state != WorkerState::Ready)
        return;
    // Mostly it has died, and its exit says how. One that lives on without a channel is of no use.
    one.state = WorkerState::Stopping;
    one.step = Step::Stop;
    one.deadline = now + leaveDeadline;
}

std::optional<Pool::End> Pool::exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit, Moment now)
{
    Slot &one = m_slots[slot];
    if (one.epoch != epoch || !isAlive(slot))
        return std::nullopt;
    End end = describe(one, exit);
    end.slot = slot;
    one.step = Step::None;
    one.deadline.reset();
    one.pid = 0;
    decideRestart(one, end, now);
    return end;
}

std::optional<Pool::End> Pool::lost(unsigned slot, Moment now)
{
    Slot &one = m_slots[slot];
    if (!isAlive(slot))
        return std::nullopt;
    if (!one.cause) {
        one.cause = EndCause::Lost;
        one.what = "was lost when its warden ended";
    }
    return exited(slot, one.epoch, ProcessExit{}, now);
}

Pool::End Pool::describe(const Slot &slot, const ProcessExit &exit) const
{
    End end;
    end.epoch = slot.epoch;
    end.pid = slot.pid;
    end.what = exitWords(exit);
    if (slot.cause) {
        end.cause = *slot.cause;
        if (!slot.what.empty())
            end.what = slot.what;
    } else if (exit.error != 0) {
        end.cause = EndCause::NotStarted;
        const bool isPassing = exit.error == EAGAIN || exit.error == ENOMEM || exit.error == ETXTBSY;
        end.isPermanent = exit.stage == WardenReport::Stage::Exec && !isPassing;
    } else if (exit.isSignal()) {
        end.cause = exit.signal() == SIGXCPU ? EndCause::CpuLimit : EndCause::Signal;
        end.isExternal = exit.signal() == SIGKILL || exit.signal() == SIGTERM;
        if (exit.signal() == SIGKILL)
            end.what += ", which this application did not send: out of memory, or somebody's kill";
    } else {
        end.cause = EndCause::ExitCode;
        end.what += " before it had finished";
    }
    end.isPermanent = end.isPermanent || end.cause == EndCause::Version;
    return end;
}

void Pool::decideRestart(Slot &slot, End &end, Moment now)
{
    if (end.cause == EndCause::Asked || !slot.startsAgain || m_areRestartsForbidden) {
        slot.state = WorkerState::Gone;
        return;
    }
    slot.deaths.push_back(now);
    std::erase_if(slot.deaths, [now](Moment death) { return now - death > deathWindow; });
    if (end.isPermanent || slot.deaths.size() > deathsMax) {
        slot.state = WorkerState::GivenUp;
        end.isGivenUp = true;
        end.action = end.isPermanent ? "it is not started again, for it would end the same way"
                                     : "it died " + std::to_string(slot.deaths.size()) +
                                           " times in 10 s without a row and is given up";
        return;
    }
    const Moment pause = nextPause(slot);
    slot.state = WorkerState::Waiting;
    slot.deadline = now + pause;
    ++slot.restarts;
    end.action =
        pause == Moment::zero() ? "it is started again" : "it is started again in " + milliseconds(pause);
}

Moment Pool::nextPause(Slot &slot)
{
    const Moment pause = backOffs[std::min<std::size_t>(slot.backOff, std::size(backOffs) - 1)];
    ++slot.backOff;
    // xorshift64 (Marsaglia 2003): the jitter wants no quality, only to be replayed from its seed.
    m_random ^= m_random << 13;
    m_random ^= m_random >> 7;
    m_random ^= m_random << 17;
    const double share = 1 + jitter * (2 * double(m_random >> 11) / double(1ull << 53) - 1);
    return std::chrono::round<Moment>(pause * share);
}

void Pool::tick(Moment now)
{
    for (unsigned slot = 0; slot < size(); ++slot) {
        Slot &one = m_slots[slot];
        if (!one.deadline || *one.deadline > now)
            continue;
        one.deadline.reset();
        switch (one.step) {
        case Step::None:
            if (one.state == WorkerState::Waiting)
                launch(slot, now);
            break;
        case Step::Hello:
            one.cause = EndCause::Silent;
            one.what = "did not say Hello within 5 s: is it a Millrace helper?";
            climb(slot, Step::Terminate, now);
            break;
        case Step::Stop:
            if (!one.cause) {
                one.cause = EndCause::Violation;
                one.what = "closed its channel and did not leave";
            }
            climb(slot, Step::Terminate, now);
            break;
        case Step::Terminate:
        case Step::Kill:
            climb(slot, Step::Kill, now);
            break;
        }
    }
}

std::optional<Moment> Pool::nextTick() const
{
    std::optional<Moment> next;
    for (const Slot &slot : m_slots) {
        if (slot.deadline && (!next || *slot.deadline < *next))
            next = slot.deadline;
    }
    return next;
}

void Pool::shift(Moment gap)
{
    for (Slot &slot : m_slots) {
        if (slot.deadline)
            *slot.deadline += gap;
    }
}

bool Pool::isAlive(unsigned slot) const
{
    const WorkerState state = m_slots[slot].state;
    return state == WorkerState::Starting || state == WorkerState::Ready || state == WorkerState::Stopping;
}

bool Pool::isAnyAlive() const
{
    for (unsigned slot = 0; slot < size(); ++slot) {
        if (isAlive(slot))
            return true;
    }
    return false;
}

bool Pool::areAllGivenUp() const
{
    return std::all_of(m_slots.begin(), m_slots.end(),
                       [](const Slot &slot) { return slot.state == WorkerState::GivenUp; });
}

} // namespace millrace
