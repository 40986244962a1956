#include "tests/support/evilprotocol.h"

#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr int channel = 3;
constexpr const char *faults[] = {
    "silent",       "leave-before-hello", "wrong-version",    "slow-hello",
    "garbage",      "garbage-hello",      "oversized",        "bad-checksum",
    "unknown-type", "truncated",          "no-lease",         "wrong-lease",
    "wrong-epoch",  "skip-frame",         "repeat-frame",     "too-many-rows-sent",
    "wrong-bytes",  "done-early",         "done-twice",       "prepared-twice",
    "other-shape",  "app-message",        "bad-cbor",         "flood-no-lease",
    "never-reads",  "give-unasked",       "wrong-count",      "end-splittable",
    "no-series",    "too-many-series",    "leave-after-rows", "log-flood",
    "two-hellos",   "close-and-stay",     "die-at-bye",
};

/// A worker written down by hand: blocking, one frame at a time, with a fault at the place it names.
class EvilProtocol
{
public:
    EvilProtocol(std::string fault, bool isStriking) : m_fault(isStriking ? std::move(fault) : std::string())
    {
    }

    int run()
    {
        greet();
        for (;;) {
            const auto message = receive();
            if (!message)
                return 0;
            if (const auto *prepare = std::get_if<Prepare>(&*message)) {
                m_epoch = prepare->epoch;
                answer(*prepare);
            } else if (const auto *lease = std::get_if<Lease>(&*message)) {
                work(*lease);
            } else if (const auto *giveBack = std::get_if<GiveBack>(&*message)) {
                send(GivenBack{giveBack->lease, false});
            } else if (std::holds_alternative<Stop>(*message)) {
                if (is("die-at-bye"))
                    std::raise(SIGKILL);
                send(Bye{});
                return 0;
            }
        }
    }

private:
    bool is(const char *fault) const { return m_fault == fault; }

    void sendBytes(const QByteArray &bytes)
    {
        for (qsizetype sent = 0; sent < bytes.size();) {
            const ssize_t count =
                ::send(channel, bytes.constData() + sent, std::size_t(bytes.size() - sent), MSG_NOSIGNAL);
            if (count <= 0)
                std::_Exit(0);
            sent += count;
        }
    }

    void send(const Message &message) { sendBytes(encodeMessage(message, m_epoch)); }

    void sendRows(FrameHeader header, const std::vector<double> &values)
    {
        header.type = FrameType::Rows;
        const auto encoded = encodeHeader(header);
        sendBytes(QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size())) +
                  QByteArray(reinterpret_cast<const char *>(values.data()),
                             qsizetype(values.size() * sizeof(double))));
    }

    [[noreturn]] void waitForEver()
    {
        for (;;)
            ::pause();
    }

    void greet()
    {
        if (is("silent"))
            waitForEver();
        if (is("leave-before-hello"))
            std::_Exit(0);
        if (is("garbage-hello"))
            sendBytes(QByteArray(4096, 'z'));
        Hello hello;
        hello.program = "evilworker";
        hello.build = "1.0";
        if (is("wrong-version"))
            hello.major = 2;
        if (is("slow-hello")) { // one byte now, the rest never: the deadline is for the whole
            sendBytes(encodeMessage(hello, 0).left(1));
            waitForEver();
        }
        sendBytes(encodeMessage(hello, 0));
        if (is("two-hellos"))
            sendBytes(encodeMessage(hello, 0));
    }

    void answer(const Prepare &prepare)
    {
        Prepared prepared;
        prepared.shape.series = {{"value", "", {}}};
        prepared.shape.rows = prepare.rows;
        if (is("other-shape"))
            prepared.shape.series.push_back({"more", "", {}});
        if (is("no-series"))
            prepared.shape.series.clear();
        if (is("too-many-series"))
            prepared.shape.series.resize(seriesMax + 1, {"value", "", {}});
        if (is("flood-no-lease"))
            flood();
        send(prepared);
        if (is("prepared-twice"))
            send(prepared);
        if (is("log-flood")) {
            for (int i = 0; i < 100'000; ++i)
                send(Log{Log::Level::Info, "line " + std::to_string(i), 1});
        }
        if (is("never-reads"))
            waitForEver();
    }

    [[noreturn]] void flood()
    {
        FrameHeader header;
        header.epoch = m_epoch;
        header.rows = 65536;
        header.payloadBytes = header.rows * sizeof(double);
        const std::vector<double> values(header.rows);
        for (;;)
            sendRows(header, values);
    }

    /// One lease as one frame of rows and its Done, with the fault in it.
    void work(const Lease &lease)
    {
        FrameHeader header;
        header.type = FrameType::Rows;
        header.epoch = m_epoch;
        header.lease = lease.id;
        header.rows = std::uint32_t(lease.end - lease.begin);
        std::vector<double> values;
        for (std::uint64_t row = lease.begin; row < lease.end; ++row)
            values.push_back(double(row));
        header.payloadBytes = std::uint32_t(values.size() * sizeof(double));
        if (lease.begin >= faultRow)
            spoil(lease, header, values);
        else
            sendRows(header, values);
        send(Done{lease.id, lease.end - lease.begin, false});
    }

    void spoil(const Lease &lease, FrameHeader header, std::vector<double> values)
    {
        const FrameHeader good = header;
        if (is("garbage"))
            sendBytes(QByteArray(100'000, 'g'));
        if (is("bad-cbor")) {
            FrameHeader control;
            control.type = FrameType::Done;
            control.epoch = m_epoch;
            control.payloadBytes = 3;
            const auto encoded = encodeHeader(control);
            sendBytes(QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size())) +
                      "\xff\xff\xff");
        }
        if (is("unknown-type") || is("bad-checksum") || is("oversized"))
            sendSpoiltHeader(header);
        if (is("truncated")) {
            const auto encoded = encodeHeader(header);
            sendBytes(QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size())) +
                      "half");
            std::_Exit(0);
        }
        if (is("close-and-stay")) {
            ::close(channel);
            waitForEver();
        }
        if (is("wrong-lease"))
            header.lease += 1000;
        if (is("wrong-epoch"))
            ++header.epoch;
        if (is("skip-frame"))
            header.sequence = 1;
        if (is("wrong-bytes"))
            header.payloadBytes -= 8, values.pop_back();
        if (is("too-many-rows-sent")) {
            values.push_back(0);
            ++header.rows;
            header.payloadBytes += 8;
        }
        if (is("done-early"))
            send(Done{lease.id, 0, false});
        if (is("wrong-count"))
            send(Done{lease.id, 12345, false});
        if (is("end-splittable"))
            send(Done{lease.id, 0, true});
        if (is("app-message"))
            send(Stop{});
        if (is("give-unasked"))
            send(GivenBack{lease.id, true});
        sendRows(header, values);
        if (is("repeat-frame"))
            sendRows(good, values);
        if (is("done-twice"))
            send(Done{lease.id, lease.end - lease.begin, false});
        if (is("leave-after-rows"))
            std::_Exit(0);
    }

    void sendSpoiltHeader(const FrameHeader &header)
    {
        auto encoded = encodeHeader(header);
        if (is("oversized")) {
            FrameHeader large = header;
            large.payloadBytes = 0xffff'ffff;
            encoded = encodeHeader(large);
        }
        if (is("unknown-type")) {
            FrameHeader unknown = header;
            unknown.type = FrameType(99);
            encoded = encodeHeader(unknown);
        }
        if (is("bad-checksum"))
            encoded[31] ^= std::byte(1);
        sendBytes(QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size())));
    }

    std::optional<Message> receive()
    {
        for (;;) {
            const auto into = m_reader.wanted();
            const ssize_t count = ::recv(channel, into.data(), into.size(), 0);
            if (count <= 0)
                return std::nullopt;
            if (m_reader.advance(std::size_t(count)) != FrameReader::Event::Control)
                continue;
            auto message = decodeMessage(m_reader.header().type, m_reader.payload());
            if (auto *good = std::get_if<Message>(&message))
                return std::move(*good);
            return std::nullopt;
        }
    }

    static constexpr std::uint64_t faultRow = 1000;
    const std::string m_fault;
    std::uint16_t m_epoch = 0;
    FrameReader m_reader;
};

} // namespace

unsigned evilEpoch()
{
    const char *token = std::getenv("MILLRACE_WORKER");
    const char *dot = token ? std::strrchr(token, '.') : nullptr;
    return dot ? unsigned(std::strtoul(dot + 1, nullptr, 10)) : 0;
}

bool isProtocolFault(const std::string &fault)
{
    return std::find(std::begin(faults), std::end(faults), fault) != std::end(faults);
}

int runEvilProtocol(const std::string &fault, bool isAlways)
{
    std::signal(SIGPIPE, SIG_IGN);
    return EvilProtocol(fault, isAlways || evilEpoch() == 1).run();
}

} // namespace millrace
