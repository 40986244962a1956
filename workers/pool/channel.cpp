#include "workers/pool/channel.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {

namespace {

/// Small frames come several in one read; a large payload loses so much of its way straight into its place.
constexpr std::size_t readAheadBytes = 4096;
/// One turn of the event loop reads at most so much, so that commands and the other workers get theirs.
constexpr std::size_t turnBytesMax = 4 * 1024 * 1024;

} // namespace

Channel::Channel(unsigned slot, int fd, ChannelClient &client, QObject *parent)
    : QObject(parent), m_slot(slot), m_fd(fd), m_client(client), m_readable(fd, QSocketNotifier::Read),
      m_writable(fd, QSocketNotifier::Write)
{
    m_writable.setEnabled(false);
    connect(&m_readable, &QSocketNotifier::activated, this, &Channel::onReadable);
    connect(&m_writable, &QSocketNotifier::activated, this, &Channel::onWritable);
}

Channel::~Channel()
{
    close();
}

void Channel::close()
{
    if (m_fd < 0)
        return;
    m_readable.setEnabled(false);
    m_writable.setEnabled(false);
    ::close(m_fd);
    m_fd = -1;
}

void Channel::onReadable()
{
    m_turnBytes = 0;
    while (m_turnBytes < turnBytesMax && readOnce() == Read::More) {
    }
}

void Channel::drain()
{
    // No more than is here: a grandchild may hold the socket and fill it for ever.
    int arrivedBytes = 0;
    ::ioctl(m_fd, FIONREAD, &arrivedBytes);
    m_turnBytes = 0;
    while (isOpen() && m_turnBytes <= std::size_t(arrivedBytes) && readOnce() == Read::More) {
    }
    close();
}

Channel::Read Channel::readOnce()
{
    std::array<std::byte, readAheadBytes> ahead;
    const bool isAhead = m_reader.isInHeader();
    const std::span<std::byte> into = isAhead ? std::span<std::byte>(ahead) : m_reader.wanted();
    const ssize_t count = ::recv(m_fd, into.data(), into.size(), MSG_DONTWAIT);
    if (count > 0) {
        m_turnBytes += std::size_t(count);
        const bool isGood =
            isAhead ? feed(into.first(std::size_t(count))) : handle(m_reader.advance(std::size_t(count)));
        return isGood && isOpen() ? Read::More : Read::Ended;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return Read::Empty;
    // ECONNRESET comes after all that the peer had sent; like the end, it says that nothing follows.
    const bool isCut = !m_reader.isBetweenFrames();
    close();
    m_client.closed(m_slot, isCut);
    return Read::Ended;
}

bool Channel::feed(std::span<const std::byte> bytes)
{
    while (!bytes.empty()) {
        const auto into = m_reader.wanted();
        const std::size_t count = std::min(into.size(), bytes.size());
        std::memcpy(into.data(), bytes.data(), count);
        bytes = bytes.subspan(count);
        if (!handle(m_reader.advance(count)) || !isOpen())
            return false;
    }
    return true;
}

/// Returns false when nothing more may be read.
bool Channel::handle(FrameReader::Event event)
{
    switch (event) {
    case FrameReader::Event::More:
        return true;
    case FrameReader::Event::RowsBegin: {
        const auto columns = m_client.rowsBegin(m_slot, m_reader.header());
        if (columns.empty()) {
            close();
            return false;
        }
        m_reader.place(columns);
        return true;
    }
    case FrameReader::Event::RowsPart:
        m_client.rowsPart(m_slot, m_reader.placed());
        return true;
    case FrameReader::Event::RowsEnd:
        m_client.rowsEnd(m_slot);
        return true;
    case FrameReader::Event::Control: {
        const auto message = decodeMessage(m_reader.header().type, m_reader.payload());
        if (const auto *error = std::get_if<std::string>(&message)) {
            close();
            m_client.broken(m_slot, *error);
            return false;
        }
        m_client.message(m_slot, m_reader.header().epoch, std::get<Message>(message));
        return true;
    }
    case FrameReader::Event::Invalid:
        close();
        m_client.broken(m_slot, m_reader.error());
        return false;
    }
    return false;
}

void Channel::send(const Message &message, std::uint16_t epoch)
{
    if (!isOpen())
        return;
    m_queue += encodeMessage(message, epoch);
    write();
    if (m_queue.size() > queuedBytesMax) {
        close();
        m_client.broken(m_slot, "does not read what it is sent");
    }
}

void Channel::onWritable()
{
    write();
}

void Channel::write()
{
    while (!m_queue.isEmpty()) {
        const ssize_t count =
            ::send(m_fd, m_queue.constData(), std::size_t(m_queue.size()), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            // A dead peer is met by the reader, after all that it had sent.
            if (errno != EAGAIN)
                m_queue.clear();
            break;
        }
        m_queue.remove(0, count);
    }
    m_writable.setEnabled(!m_queue.isEmpty());
}

} // namespace millrace
