#pragma once

#include "workers/pool/pool.h"

/// What tests of Pool do over and over.
namespace millrace {

using Kind = Pool::Action::Kind;

inline ProcessExit exitedWith(int code)
{
    ProcessExit exit;
    exit.status = code << 8;
    return exit;
}

inline ProcessExit killedBy(int signal)
{
    ProcessExit exit;
    exit.status = signal;
    return exit;
}

inline ProcessExit notStarted(WardenReport::Stage stage, int error)
{
    ProcessExit exit;
    exit.stage = stage;
    exit.error = error;
    return exit;
}

inline Hello helloOf(std::uint16_t major)
{
    Hello hello;
    hello.major = major;
    hello.minor = 7;
    hello.program = "my-helper";
    return hello;
}

/// The kinds of the actions since the last call, all of slot 0 and of its epoch.
inline std::vector<Kind> kinds(Pool &pool)
{
    std::vector<Kind> result;
    for (const auto &action : pool.takeActions()) {
        if (action.slot == 0 && action.epoch == pool.epoch(0))
            result.push_back(action.kind);
    }
    return result;
}

inline void makeStarting(Pool &pool, Moment now = {})
{
    pool.start(0, now);
    pool.launched(0, pool.epoch(0), 100, now);
    pool.takeActions();
}

inline void makeReady(Pool &pool, Moment now = {})
{
    makeStarting(pool, now);
    pool.hello(0, Hello(), now);
    pool.ready(0);
}

/// Lets the worker of slot 0 die as often as told, each time as soon as it is started again. Returns the
/// pauses.
inline std::vector<Moment> dieAgainAndAgain(Pool &pool, int deaths, Moment lifetime)
{
    std::vector<Moment> pauses;
    Moment now{};
    pool.start(0, now);
    for (int i = 0; i < deaths; ++i) {
        now += lifetime;
        pool.exited(0, pool.epoch(0), exitedWith(1), now);
        if (pool.state(0) != WorkerState::Waiting)
            break;
        pauses.push_back(*pool.nextTick() - now);
        now = *pool.nextTick();
        pool.tick(now);
    }
    return pauses;
}

} // namespace millrace
