#include "workers/protocol/reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

namespace millrace {

namespace {

/// Several columns with fewer bytes than this come in one read and are copied to their places: a read for
/// each of a thousand columns of one row would cost a thousand system calls.
constexpr std::size_t stagedBytesMax = 64 * 1024;

} // namespace

std::span<std::byte> FrameReader::wanted()
{
    switch (m_state) {
    case State::Header:
        return std::span(m_headerBytes).subspan(m_have);
    case State::Control:
    case State::Staging:
        return std::span(m_payload).subspan(m_have);
    case State::Placing:
        assert(m_column < m_columns.size() && "place() comes before the payload is read");
        return m_columns[m_column].subspan(m_columnBytes);
    case State::Lost:
        break;
    }
    assert(false && "nothing is read after Invalid");
    return {};
}

FrameReader::Event FrameReader::advance(std::size_t count)
{
    switch (m_state) {
    case State::Header:
        m_have += count;
        return m_have == headerBytes ? onHeader() : Event::More;
    case State::Control:
        m_have += count;
        if (m_have < m_payload.size())
            return Event::More;
        m_state = State::Header;
        m_have = 0;
        return Event::Control;
    case State::Staging:
        m_have += count;
        return m_have == m_payload.size() ? onStaged() : Event::More;
    case State::Placing:
        return onColumnBytes(count);
    case State::Lost:
        break;
    }
    return Event::Invalid;
}

FrameReader::Event FrameReader::onHeader()
{
    m_have = 0;
    auto decoded = decodeHeader(m_headerBytes);
    if (auto *error = std::get_if<std::string>(&decoded))
        return lose(std::move(*error));
    m_header = std::get<FrameHeader>(decoded);
    m_payload.clear();
    if (m_header.type == FrameType::Rows) {
        if (m_header.payloadBytes == 0)
            return lose("Rows frame without a payload");
        m_state = State::Placing;
        m_columns.clear();
        m_column = 0;
        m_columnBytes = 0;
        return Event::RowsBegin;
    }
    if (m_header.payloadBytes == 0)
        return Event::Control;
    m_payload.resize(m_header.payloadBytes); // decodeHeader() has checked the limit
    m_state = State::Control;
    return Event::More;
}

void FrameReader::place(std::span<const std::span<std::byte>> columns)
{
    assert(m_state == State::Placing && m_columns.empty() && !columns.empty());
    m_columns.assign(columns.begin(), columns.end());
    assert(m_header.payloadBytes ==
           std::accumulate(columns.begin(), columns.end(), std::size_t(0),
                           [](std::size_t sum, const auto &column) { return sum + column.size(); }));
    if (columns.size() > 1 && m_header.payloadBytes <= stagedBytesMax) {
        m_payload.resize(m_header.payloadBytes);
        m_state = State::Staging;
    }
}

FrameReader::Event FrameReader::onColumnBytes(std::size_t count)
{
    m_columnBytes += count;
    if (m_columnBytes < m_columns[m_column].size())
        return Event::RowsPart;
    ++m_column;
    m_columnBytes = 0;
    if (m_column < m_columns.size())
        return Event::RowsPart;
    m_state = State::Header;
    return Event::RowsEnd;
}

FrameReader::Event FrameReader::onStaged()
{
    const std::byte *from = m_payload.data();
    for (const auto &column : m_columns) {
        std::memcpy(column.data(), from, column.size());
        from += column.size();
    }
    m_column = m_columns.size();
    m_state = State::Header;
    m_have = 0;
    return Event::RowsEnd;
}

FrameReader::Event FrameReader::lose(std::string error)
{
    m_error = std::move(error);
    m_state = State::Lost;
    return Event::Invalid;
}

} // namespace millrace
