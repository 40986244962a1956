#include "workers/protocol/frame.h"

#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace {

static_assert(std::endian::native == std::endian::little,
              "frames are little-endian, and columns are sent as they are");

namespace {

constexpr std::size_t checksumOffset = headerBytes - sizeof(std::uint32_t);

template <typename T>
void put(std::byte *at, T value)
{
    std::memcpy(at, &value, sizeof value);
}

template <typename T>
T take(const std::byte *at)
{
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

std::uint32_t checksum(const std::byte *header)
{
    return static_cast<std::uint32_t>(XXH3_64bits(header, checksumOffset));
}

std::string hex(std::uint32_t value)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text = "0x";
    for (int shift = 28; shift >= 0; shift -= 4)
        text += digits[value >> shift & 0xf];
    return text;
}

} // namespace

std::array<std::byte, headerBytes> encodeHeader(const FrameHeader &header)
{
    std::array<std::byte, headerBytes> bytes{};
    std::byte *at = bytes.data();
    put(at, frameMagic);
    put(at + 4, static_cast<std::uint8_t>(header.type));
    put(at + 6, header.epoch);
    put(at + 8, header.payloadBytes);
    put(at + 12, header.rows);
    put(at + 16, header.lease);
    put(at + 24, header.sequence);
    put(at + checksumOffset, checksum(at));
    return bytes;
}

std::variant<FrameHeader, std::string> decodeHeader(std::span<const std::byte, headerBytes> bytes)
{
    const std::byte *at = bytes.data();
    if (const auto magic = take<std::uint32_t>(at); magic != frameMagic)
        return "no frame begins with " + hex(magic);
    if (take<std::uint32_t>(at + checksumOffset) != checksum(at))
        return std::string("a frame header has a wrong checksum");
    const auto type = take<std::uint8_t>(at + 4);
    if (type < static_cast<std::uint8_t>(FrameType::Hello) ||
        type > static_cast<std::uint8_t>(FrameType::Pong))
        return "unknown frame type " + std::to_string(type);
    if (take<std::uint8_t>(at + 5) != 0)
        return std::string("a reserved byte of a frame header is not 0");

    FrameHeader header;
    header.type = static_cast<FrameType>(type);
    header.epoch = take<std::uint16_t>(at + 6);
    header.payloadBytes = take<std::uint32_t>(at + 8);
    header.rows = take<std::uint32_t>(at + 12);
    header.lease = take<std::uint64_t>(at + 16);
    header.sequence = take<std::uint32_t>(at + 24);

    const bool isRows = header.type == FrameType::Rows;
    if (header.payloadBytes > (isRows ? rowsBytesMax : controlBytesMax))
        return std::string(frameName(header.type)) + " frame with a payload of " +
               std::to_string(header.payloadBytes) + " bytes, over the limit";
    if (isRows ? header.rows == 0 : header.rows != 0 || header.lease != 0 || header.sequence != 0)
        return std::string(frameName(header.type)) + " frame with impossible row numbers";
    return header;
}

std::string_view frameName(FrameType type)
{
    switch (type) {
    case FrameType::Hello:
        return "Hello";
    case FrameType::Prepare:
        return "Prepare";
    case FrameType::Prepared:
        return "Prepared";
    case FrameType::Refused:
        return "Refused";
    case FrameType::Lease:
        return "Lease";
    case FrameType::Rows:
        return "Rows";
    case FrameType::Done:
        return "Done";
    case FrameType::GiveBack:
        return "GiveBack";
    case FrameType::GivenBack:
        return "GivenBack";
    case FrameType::Park:
        return "Park";
    case FrameType::Parked:
        return "Parked";
    case FrameType::Unpark:
        return "Unpark";
    case FrameType::Stop:
        return "Stop";
    case FrameType::Bye:
        return "Bye";
    case FrameType::Failed:
        return "Failed";
    case FrameType::Log:
        return "Log";
    case FrameType::Ping:
        return "Ping";
    case FrameType::Pong:
        return "Pong";
    }
    return "unknown";
}

} // namespace millrace
