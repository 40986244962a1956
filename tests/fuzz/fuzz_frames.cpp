#include "tests/fuzz/require.h"

#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

/// The first byte chooses the number of columns (its two low bits) and the sizes of the pieces; the rest is a
/// stream of frames. Checked: any split gives the same frames, and a message that was taken is taken again as
/// it is written. Headers are put right after most mutations: no fuzzer guesses a checksum.
namespace {

using namespace millrace;
using test::require;

using Event = FrameReader::Event;

class Listener
{
public:
    explicit Listener(std::size_t columnCount) : m_columnCount(columnCount) {}

    /// What the stream says: messages as they would be written again, rows as they came.
    std::string read(std::span<const std::byte> bytes, std::size_t pieceBytes)
    {
        bool isOn = true;
        while (isOn && !bytes.empty()) {
            const auto into = m_reader.wanted();
            require(!into.empty());
            const std::size_t count = std::min({into.size(), bytes.size(), pieceBytes});
            std::memcpy(into.data(), bytes.data(), count);
            bytes = bytes.subspan(count);
            isOn = on(m_reader.advance(count));
        }
        require(m_account.ends_with(m_reader.error()));
        return m_account + (m_reader.isBetweenFrames() ? "." : "...");
    }

private:
    bool on(Event event)
    {
        switch (event) {
        case Event::More:
        case Event::RowsPart:
            break;
        case Event::RowsBegin:
            return place();
        case Event::RowsEnd:
            m_account.append(reinterpret_cast<const char *>(m_rows.data()), m_rows.size());
            break;
        case Event::Control:
            onControl();
            break;
        case Event::Invalid:
            require(!m_reader.error().empty());
            m_account += m_reader.error();
            return false;
        }
        return true;
    }

    /// As the supervisor does: rows of another width are refused.
    bool place()
    {
        const FrameHeader &header = m_reader.header();
        const std::size_t columnBytes = header.rows * sizeof(double);
        if (header.payloadBytes != columnBytes * m_columnCount)
            return false;
        m_rows.assign(header.payloadBytes, std::byte(0));
        std::vector<std::span<std::byte>> places;
        for (std::size_t i = 0; i < m_columnCount; ++i)
            places.push_back(std::span(m_rows).subspan(i * columnBytes, columnBytes));
        m_reader.place(places);
        return true;
    }

    void onControl()
    {
        const FrameType type = m_reader.header().type;
        require(m_reader.payload().size() == m_reader.header().payloadBytes);
        const auto result = decodeMessage(type, m_reader.payload());
        if (const auto *error = std::get_if<std::string>(&result)) {
            require(error->starts_with(frameName(type)));
            m_account += *error;
            return;
        }
        const QByteArray frame = encodeMessage(std::get<Message>(result), 0);
        const auto payload = std::as_bytes(std::span(frame.constData(), std::size_t(frame.size())));
        const auto again = decodeMessage(type, payload.subspan(headerBytes));
        require(std::holds_alternative<Message>(again));
        m_account += frame.toStdString();
    }

    const std::size_t m_columnCount;
    FrameReader m_reader;
    std::vector<std::byte> m_rows;
    std::string m_account;
};

void putHeadersRight(std::uint8_t *data, std::size_t size)
{
    for (std::size_t at = 1; at + headerBytes <= size;) {
        const auto left = std::uint32_t(size - at - headerBytes);
        std::uint32_t payloadBytes = 0;
        std::memcpy(&payloadBytes, data + at + 8, sizeof payloadBytes);
        payloadBytes = std::min(payloadBytes, left);
        std::memcpy(data + at, &frameMagic, sizeof frameMagic);
        std::memcpy(data + at + 8, &payloadBytes, sizeof payloadBytes);
        const auto checksum = std::uint32_t(XXH3_64bits(data + at, headerBytes - sizeof(std::uint32_t)));
        std::memcpy(data + at + headerBytes - sizeof checksum, &checksum, sizeof checksum);
        at += headerBytes + payloadBytes;
    }
}

} // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t *data, std::size_t size, std::size_t sizeMax);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t *data, std::size_t size, std::size_t sizeMax,
                                               unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, sizeMax);
    if (seed % 8 != 0)
        putHeadersRight(data, size);
    return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0)
        return 0;
    const std::size_t columnCount = 1 + (data[0] & 3);
    const std::size_t pieceBytes = 1 + (data[0] >> 2);
    const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);

    require(Listener(columnCount).read(bytes, size) == Listener(columnCount).read(bytes, pieceBytes));
    return 0;
}
