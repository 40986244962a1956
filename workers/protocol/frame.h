#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

/// The frame of PROTOCOL.md: constants, header, its two functions. Layout and limits are explained there.
namespace millrace {

inline constexpr std::uint16_t protocolMajor = 1;
inline constexpr std::uint16_t protocolMinor = 0;

inline constexpr std::uint32_t frameMagic = 0x43524c4d; ///< "MLRC" on the wire
inline constexpr std::size_t headerBytes = 32;
/// A longer control payload ends the connection; Prepare with its texts is the longest.
inline constexpr std::uint32_t controlBytesMax = 1024 * 1024;
/// A longer Rows payload ends the connection; also the largest lease.
inline constexpr std::uint32_t rowsBytesMax = 8 * 1024 * 1024;

enum class FrameType : std::uint8_t {
    Hello = 1,
    Prepare = 2,
    Prepared = 3,
    Refused = 4,
    Lease = 5,
    Rows = 6,
    Done = 7,
    GiveBack = 8,
    GivenBack = 9,
    Park = 10,
    Parked = 11,
    Unpark = 12,
    Stop = 13,
    Bye = 14,
    Failed = 15,
    Log = 16,
    Ping = 17,
    Pong = 18,
};

struct FrameHeader
{
    FrameType type = FrameType::Hello;
    std::uint16_t epoch = 0;
    std::uint32_t payloadBytes = 0;
    std::uint32_t rows = 0;     ///< Rows only; 0 otherwise
    std::uint64_t lease = 0;    ///< Rows only; 0 otherwise
    std::uint32_t sequence = 0; ///< Rows only: number of the frame in its lease, from 0; 0 otherwise

    bool operator==(const FrameHeader &) const = default;
};

/// The header as it stands on the wire, checksum included.
std::array<std::byte, headerBytes> encodeHeader(const FrameHeader &header);

/// Reads and checks a header: magic, checksum, known type, reserved bytes, limits. Returns it, or the
/// sentence that says what is wrong. Reserves no memory.
std::variant<FrameHeader, std::string> decodeHeader(std::span<const std::byte, headerBytes> bytes);

std::string_view frameName(FrameType type);

} // namespace millrace
