#pragma once

#include <cstddef>
#include <cstdint>

/// What supervisor and warden say to each other over a SOCK_SEQPACKET pair: one struct a packet, native
/// layout, for both are of one build (WardenOrder::version tells if they are not). The warden holds its end
/// as fd 3.
///
/// supervisor -> warden: WardenOrder, for Start followed by its strings: the program's absolute path, then
/// each argument
///                       (argv[0] included), then each NAME=VALUE of the environment, each ended by NUL.
/// warden -> supervisor: WardenReport; Started carries two descriptors by SCM_RIGHTS: the channel, then the
/// reading end of
///                       the worker's stdout and stderr.
/// End of the link, either way: the warden kills all that it started and exits.
namespace millrace {

inline constexpr std::uint32_t wardenVersion = 1;
inline constexpr std::size_t wardenSlotsMax = 256;
/// Largest order: arguments and environment included.
inline constexpr std::size_t orderBytesMax = 96 * 1024;
/// Most arguments and most environment entries of an order.
inline constexpr std::size_t orderStringsMax = 512;

enum class WardenSandbox : std::uint32_t { None, Compute };

struct WardenOrder
{
    enum class Kind : std::uint32_t {
        Start,
        Signal, ///< to the worker's process group
    };
    std::uint32_t version = wardenVersion;
    Kind kind = Kind::Start;
    std::uint32_t slot = 0; ///< under wardenSlotsMax
    std::uint32_t epoch = 0;
    std::int32_t signal = 0;                     ///< Signal
    WardenSandbox sandbox = WardenSandbox::None; ///< Start, and all below
    std::int32_t nice = 0;
    std::uint32_t channelBytes = 0;   ///< SO_SNDBUF of the worker's end; 0: the system's default
    std::uint64_t memoryBytesMax = 0; ///< RLIMIT_AS; 0: none
    std::uint64_t cpuSecondsMax = 0;  ///< RLIMIT_CPU; 0: none
    std::uint32_t argumentCount = 0;
    std::uint32_t environmentCount = 0;
};

struct WardenReport
{
    enum class Kind : std::uint32_t {
        Started, ///< forked; pid, and two descriptors
        Refused, ///< not forked: error is the errno of `stage`
        Exited,  ///< reaped: status as of wait(2); error != 0 if it never became the program, with the stage
    };
    enum class Stage : std::uint32_t { None, Order, Socket, Pipe, Fork, Limits, Sandbox, Exec };
    Kind kind = Kind::Started;
    std::uint32_t slot = 0;
    std::uint32_t epoch = 0;
    std::int32_t pid = 0;
    std::int32_t status = 0;
    std::int32_t error = 0;
    Stage stage = Stage::None;
    std::uint32_t reserved = 0;
    std::uint64_t residentBytesMax = 0; ///< Exited: the largest resident size
    std::uint64_t cpuMicroseconds = 0;  ///< Exited: user and system time
};

} // namespace millrace
