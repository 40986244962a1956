#pragma once

#include "workers/protocol/frame.h"

#include <vector>

namespace millrace {

/// Takes a stream of frames apart, however its bytes are split. Passive: the caller puts bytes where wanted()
/// says (a socket reads straight into the rows' final memory) and reports them with advance(). Any thread,
/// one at a time. After Invalid the stream is lost; error() says why, and nothing more may be read.
class FrameReader
{
public:
    enum class Event {
        More,      ///< nothing to do yet
        RowsBegin, ///< header() of a Rows frame is here; the caller must call place() before it reads on
        RowsPart,  ///< more of the current Rows frame has arrived; placed() tells how much
        RowsEnd,   ///< the current Rows frame is complete and in its place
        Control,   ///< header() and payload() of a control frame are complete
        Invalid,   ///< error() says what was wrong
    };

    /// Where the next bytes of the stream belong; never empty. Fewer may be given.
    std::span<std::byte> wanted();

    /// `count` bytes were put at wanted(); at most its size.
    Event advance(std::size_t count);

    /// After RowsBegin: memory for each column, together exactly header().payloadBytes. It must live until
    /// RowsEnd.
    void place(std::span<const std::span<std::byte>> columns);

    /// Bytes of the current Rows frame that are in their place: all columns before `column`, and `bytes` of
    /// that one.
    struct Placed
    {
        std::size_t column = 0;
        std::size_t bytes = 0;
    };
    Placed placed() const { return {m_column, m_columnBytes}; }

    const FrameHeader &header() const { return m_header; }
    std::span<const std::byte> payload() const { return m_payload; }
    const std::string &error() const { return m_error; }
    /// True between two frames: the peer may end here without having cut one.
    bool isBetweenFrames() const { return m_state == State::Header && m_have == 0; }
    /// True while the next bytes belong to a header: what follows it may be small.
    bool isInHeader() const { return m_state == State::Header; }

private:
    enum class State { Header, Control, Placing, Staging, Lost };

    Event onHeader();
    Event onColumnBytes(std::size_t count);
    Event onStaged();
    Event lose(std::string error);

    State m_state = State::Header;
    std::array<std::byte, headerBytes> m_headerBytes{};
    std::size_t m_have = 0; ///< bytes of the header or of m_payload that are here
    FrameHeader m_header;
    std::vector<std::byte> m_payload; ///< control payload, or small columns on their way to their places
    std::vector<std::span<std::byte>> m_columns;
    std::size_t m_column = 0;
    std::size_t m_columnBytes = 0;
    std::string m_error;
};

} // namespace millrace
