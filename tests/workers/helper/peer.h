#pragma once

#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace millrace::test {

/// One frame as it came: a message, or rows.
struct Received
{
    FrameHeader header;
    std::optional<Message> message;
    std::vector<std::vector<double>> columns;

    bool isRows() const { return header.type == FrameType::Rows; }
    template <typename T>
    const T *get() const
    {
        return message ? std::get_if<T>(&*message) : nullptr;
    }
};

/// The application's end of a channel, as a test wants it: frames in order, each waited for with a deadline.
/// It owns its descriptor. What is wrong with the stream stands in error().
class Peer
{
public:
    explicit Peer(int fd) : m_fd(fd) {}
    Peer(const Peer &) = delete;
    ~Peer() { close(); }

    /// Columns of the Rows frames to come.
    void setColumnCount(std::size_t count) { m_columnCount = count; }

    /// The next frame; none at the end of the stream, after an error, and if nothing comes for 20 s.
    std::optional<Received> next()
    {
        for (;;) {
            while (m_unread.empty()) {
                if (!m_error.empty() || !read())
                    return std::nullopt;
            }
            if (auto frame = takeApart())
                return frame;
        }
    }

    /// The next frame if it is a T, and the message of which it consists.
    template <typename T>
    std::optional<T> nextMessage()
    {
        const auto frame = next();
        const T *message = frame ? frame->get<T>() : nullptr;
        return message ? std::optional<T>(*message) : std::nullopt;
    }

    bool isAtEnd() { return !next() && m_error.empty(); }

    void send(const Message &message, std::uint16_t epoch = 7)
    {
        const QByteArray frame = encodeMessage(message, epoch);
        sendBytes({frame.constData(), std::size_t(frame.size())});
    }

    /// A worker that is gone is met by the reader.
    void sendBytes(std::string_view bytes) { (void)!::send(m_fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

    void close()
    {
        if (m_fd >= 0)
            ::close(std::exchange(m_fd, -1));
    }

    int fd() const { return m_fd; }
    const std::string &error() const { return m_error; }

private:
    bool read()
    {
        constexpr int deadlineMilliseconds = 20'000;
        pollfd socket{m_fd, POLLIN, 0};
        if (::poll(&socket, 1, deadlineMilliseconds) <= 0) {
            m_error = "nothing came within 20 s";
            return false;
        }
        m_buffer.resize(64 * 1024);
        const ssize_t count = ::recv(m_fd, m_buffer.data(), m_buffer.size(), 0);
        if (count <= 0) {
            if (!m_reader.isBetweenFrames())
                m_error = "the stream ended inside a frame";
            return false;
        }
        m_unread = std::span(m_buffer).first(std::size_t(count));
        return true;
    }

    /// Reads on until a frame is complete or the bytes are used up.
    std::optional<Received> takeApart()
    {
        while (!m_unread.empty()) {
            const auto into = m_reader.wanted();
            const std::size_t count = std::min(into.size(), m_unread.size());
            std::memcpy(into.data(), m_unread.data(), count);
            m_unread = m_unread.subspan(count);
            switch (m_reader.advance(count)) {
            case FrameReader::Event::More:
            case FrameReader::Event::RowsPart:
                break;
            case FrameReader::Event::RowsBegin:
                if (!place())
                    return std::nullopt;
                break;
            case FrameReader::Event::RowsEnd:
                return Received{m_reader.header(), std::nullopt, std::move(m_columns)};
            case FrameReader::Event::Control: {
                auto message = decodeMessage(m_reader.header().type, m_reader.payload());
                if (auto *error = std::get_if<std::string>(&message))
                    return lose(*error);
                return Received{m_reader.header(), std::move(std::get<Message>(message)), {}};
            }
            case FrameReader::Event::Invalid:
                return lose(m_reader.error());
            }
        }
        return std::nullopt;
    }

    bool place()
    {
        const FrameHeader &header = m_reader.header();
        if (header.payloadBytes != header.rows * m_columnCount * sizeof(double)) {
            lose("rows of another width");
            return false;
        }
        m_columns.assign(m_columnCount, std::vector<double>(header.rows));
        std::vector<std::span<std::byte>> places;
        for (auto &column : m_columns)
            places.push_back(std::as_writable_bytes(std::span(column)));
        m_reader.place(places);
        return true;
    }

    std::nullopt_t lose(const std::string &error)
    {
        m_error = error;
        m_unread = {};
        return std::nullopt;
    }

    int m_fd;
    std::size_t m_columnCount = 1;
    FrameReader m_reader;
    std::vector<std::byte> m_buffer;
    std::span<std::byte> m_unread;
    std::vector<std::vector<double>> m_columns;
    std::string m_error;
};

/// A connected pair of stream sockets.
struct SocketPair
{
    int fds[2] = {-1, -1};
    SocketPair()
    {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
            std::abort();
    }
};

} // namespace millrace::test
