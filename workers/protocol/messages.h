#pragma once

#include "workers/protocol/frame.h"
#include "workers/protocol/task.h"

#include <QByteArray>

/// The control messages of PROTOCOL.md: comparable values, encoded as CBOR maps.
namespace millrace {

struct Hello
{
    std::uint16_t major = protocolMajor;
    std::uint16_t minor = protocolMinor;
    std::string program; ///< name of the helper
    std::string build;   ///< its version and build
    std::vector<std::string> capabilities;
    bool operator==(const Hello &) const = default;
};

struct Prepare
{
    std::string task;
    Parameters parameters;
    std::uint64_t seed = 0;            ///< at most indexMax
    std::optional<std::uint64_t> rows; ///< none: the task's own number
    std::uint32_t threads = 1;
    std::uint32_t slot = 0;
    std::uint16_t epoch = 0; ///< the worker's frames carry it from here on
    bool operator==(const Prepare &) const = default;
};

struct Prepared
{
    RunShape shape;
    bool operator==(const Prepared &) const = default;
};

struct Refused
{
    std::vector<ParameterError> errors;
    bool operator==(const Refused &) const = default;
};

struct Lease
{
    std::uint64_t id = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool careful = false; ///< a worker died in here: go in small steps, so that the row is found
    bool operator==(const Lease &) const = default;
};

struct Done
{
    std::uint64_t lease = 0;
    std::uint64_t rows = 0; ///< rows sent of this lease
    bool ended = false;     ///< the source has no more rows
    bool operator==(const Done &) const = default;
};

struct GiveBack
{
    std::uint64_t lease = 0;
    bool operator==(const GiveBack &) const = default;
};

struct GivenBack
{
    std::uint64_t lease = 0;
    bool given = false; ///< false: it has been begun and will be finished
    bool operator==(const GivenBack &) const = default;
};

struct Park
{
    bool operator==(const Park &) const = default;
};
struct Parked
{
    bool operator==(const Parked &) const = default;
};
struct Unpark
{
    bool operator==(const Unpark &) const = default;
};
struct Stop
{
    bool operator==(const Stop &) const = default;
};
struct Bye
{
    bool operator==(const Bye &) const = default;
};

/// The kernel threw; the worker ends after it.
struct Failed
{
    std::string type; ///< the exception's C++ type, demangled
    std::string message;
    std::string trace;                ///< one line a stack frame; may be empty
    std::optional<std::uint64_t> row; ///< first row of the batch that was being filled
    bool operator==(const Failed &) const = default;
};

struct Log
{
    enum class Level { Info, Warning, Error };
    Level level = Level::Info;
    std::string text;
    std::uint64_t count = 1; ///< how many equal lines this one stands for
    bool operator==(const Log &) const = default;
};

struct Ping
{
    std::uint64_t id = 0;
    bool operator==(const Ping &) const = default;
};

struct Pong
{
    std::uint64_t id = 0;
    bool operator==(const Pong &) const = default;
};

using Message = std::variant<Hello, Prepare, Prepared, Refused, Lease, Done, GiveBack, GivenBack, Park,
                             Parked, Unpark, Stop, Bye, Failed, Log, Ping, Pong>;

/// Largest row index, count, lease, seed or ping on the wire: CBOR integers are read into 63 bits.
inline constexpr std::uint64_t indexMax = 0x7fff'ffff'ffff'ffff;

/// The whole frame of a message, header included. The message must fit controlBytesMax; texts of Failed, Log
/// and Refused are cut to their limits here, and of its errors the first go, so that a long one still
/// arrives.
QByteArray encodeMessage(const Message &message, std::uint16_t epoch);

/// The message of a complete control frame, or the sentence that says what is wrong with it. Unknown keys are
/// passed over; missing ones, wrong types and values out of range are refused.
std::variant<Message, std::string> decodeMessage(FrameType type, std::span<const std::byte> payload);

} // namespace millrace
