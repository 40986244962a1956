#pragma once

#include "workers/pool/leasetable.h"
#include "workers/pool/rowsink.h"

#include <cassert>
#include <map>

namespace millrace {

/// A LeaseTable with workers that do as they should: counts the frames of each lease, and keeps the clock.
class Leases
{
public:
    using Grant = LeaseTable::Grant;

    explicit Leases(const LeaseTable::Options &options) : table(options, {}), m_rowBytes(options.rowBytes) {}

    std::optional<Grant> grant(unsigned slot) { return table.grant(slot, now); }

    FrameHeader header(const Grant &grant, std::uint64_t rows) const
    {
        const auto found = m_sent.find(grant.lease);
        FrameHeader header;
        header.type = FrameType::Rows;
        header.lease = grant.lease;
        header.sequence = found == m_sent.end() ? 0 : found->second.frames;
        header.rows = std::uint32_t(rows);
        header.payloadBytes = std::uint32_t(rows * m_rowBytes);
        return header;
    }

    /// One frame. Returns its place, or why it was refused.
    std::variant<LeaseTable::Place, std::string> send(unsigned slot, const Grant &grant, std::uint64_t rows)
    {
        const auto place = table.beginFrame(slot, header(grant, rows));
        if (std::holds_alternative<LeaseTable::Place>(place)) {
            table.endFrame(slot, now);
            ++m_sent[grant.lease].frames;
            m_sent[grant.lease].rows += rows;
        }
        return place;
    }

    std::optional<std::string> done(unsigned slot, const Grant &grant, bool ended = false)
    {
        return table.done(slot, grant.lease, m_sent[grant.lease].rows, ended, now);
    }

    /// Sends all that is left of the lease after `spent`. Returns whether all was accepted.
    bool finish(unsigned slot, const Grant &grant, Moment spent = std::chrono::milliseconds(1))
    {
        now += spent;
        const std::uint64_t left = grant.end - grant.begin - m_sent[grant.lease].rows;
        return (left == 0 || send(slot, grant, left).index() == 0) && !done(slot, grant);
    }

    LeaseTable table;
    Moment now{};

private:
    struct Sent
    {
        std::uint32_t frames = 0;
        std::uint64_t rows = 0;
    };
    std::uint64_t m_rowBytes;
    std::map<std::uint64_t, Sent> m_sent; ///< by lease
};

inline std::uint64_t rowsOf(const LeaseTable::Grant &grant)
{
    return grant.end - grant.begin;
}

} // namespace millrace
