#include "workers/helper/session.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// A kernel that is asked to stop has so long before the process goes without its word; the supervisor's
/// ladder has 500 ms.
constexpr auto stopLimit = 400ms;
constexpr std::size_t readBytes = 16 * 1024;

template <typename... Case>
struct Cases : Case...
{
    using Case::operator()...;
};
template <typename... Case>
Cases(Case...) -> Cases<Case...>; // clang 14 does not deduce it from the aggregate

} // namespace

Session::Session(int fd, const std::vector<TaskEntry> &tasks, HelperIdentity identity)
    : m_fd(fd), m_tasks(tasks), m_identity(std::move(identity)), m_outbox(fd, m_wake.fd),
      m_computer(m_outbox, m_tasks, m_wake.fd)
{
}

Session::WakeFd::WakeFd() : fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Session::WakeFd::~WakeFd()
{
    ::close(fd);
}

Session::~Session() = default;

bool Session::hasReturned()
{
    return m_computer.hasEnded(0ms);
}

Session::End Session::run()
{
    m_outbox.post(Hello{protocolMajor, protocolMinor, m_identity.program, m_identity.build, {}}, 0);
    bool isWriteDue = false;
    for (;;) {
        const short events = isWriteDue ? POLLIN | POLLOUT : POLLIN;
        pollfd watched[2] = {{m_fd, events, 0}, {m_wake.fd, POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0 && errno != EINTR)
            return End::Closed;
        std::uint64_t wakes;
        (void)!::read(m_wake.fd, &wakes, sizeof wakes);
        if ((watched[0].revents & (POLLIN | POLLHUP | POLLERR)) && !readMessages())
            return stop();
        if (m_outbox.isBroken())
            return stop();
        isWriteDue = m_outbox.flush();
        if (m_computer.hasFailed() && !isWriteDue)
            return End::Failed;
    }
}

/// Reads what there is. Returns false when the session is over.
bool Session::readMessages()
{
    std::array<std::byte, readBytes> buffer;
    const ssize_t count = ::recv(m_fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (count <= 0)
        return false;
    for (std::span<const std::byte> bytes = std::span(buffer).first(std::size_t(count)); !bytes.empty();) {
        const auto into = m_reader.wanted();
        const std::size_t step = std::min(into.size(), bytes.size());
        std::memcpy(into.data(), bytes.data(), step);
        bytes = bytes.subspan(step);
        const auto event = m_reader.advance(step);
        if (event == FrameReader::Event::More)
            continue;
        if (event != FrameReader::Event::Control) {
            m_error = event == FrameReader::Event::Invalid ? m_reader.error() : "rows were sent to a worker";
            return false;
        }
        const auto message = decodeMessage(m_reader.header().type, m_reader.payload());
        if (const auto *error = std::get_if<std::string>(&message)) {
            m_error = *error;
            return false;
        }
        if (!onMessage(std::get<Message>(message)))
            return false;
    }
    return true;
}

bool Session::onMessage(const Message &message)
{
    const Cases cases{
        [this](const Prepare &prepare) {
            m_epoch = prepare.epoch;
            m_computer.prepare(prepare);
        },
        [this](const Lease &lease) {
            if (!m_computer.lease(lease))
                m_error = "a lease came before the run was prepared";
        },
        [this](const GiveBack &giveBack) {
            m_outbox.post(GivenBack{giveBack.lease, m_computer.giveBack(giveBack.lease)}, m_epoch);
        },
        [this](const Park &) { m_computer.park(); },
        [this](const Unpark &) { m_computer.unpark(); },
        [this](const Ping &ping) { m_outbox.post(Pong{ping.id}, m_epoch); },
        [this](const Stop &) { m_isStopping = true; },
        [this](const auto &) { m_error = "a message came that only workers send"; },
    };
    std::visit(cases, message);
    return !m_isStopping && m_error.empty();
}

Session::End Session::stop()
{
    m_computer.stop();
    const bool hasEnded = m_computer.hasEnded(stopLimit);
    if (!m_error.empty())
        return End::Broken;
    if (!m_isStopping)
        return End::Closed;
    if (hasEnded) {
        m_outbox.post(Bye{}, m_epoch);
        m_outbox.flush();
    }
    return End::Stopped;
}

} // namespace millrace
