#include "workers/pool/leasetable.h"

#include "workers/pool/rowsink.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// Row indices fit 63 bits on the wire.
constexpr std::uint64_t rowMax = 0x7fff'ffff'ffff'ffff;
constexpr std::size_t leasesPerSlotMax = 2;
/// Leases ahead of the release: how far workers may run before a slow row.
constexpr std::size_t piecesMax = 1024;
/// A lease is about so much work: short enough to lose little, long enough that asking for the next costs
/// nothing.
constexpr std::chrono::duration<double> leaseTarget = 50ms;
/// A larger lease leaves the cache between the socket and the store (beside the same load, of the loop
/// without protocol: 0.52 to 0.65 with 8 MiB, 0.70 to 1.18 with 1 MiB), and so much less is to be done again
/// after a death.
constexpr std::uint64_t leaseBytesMax = 1024 * 1024;
/// A first guess is bad: the next lease is at most so much longer than the last.
constexpr std::uint64_t growthMax = 8;
/// A paced run is leased in steps of this, or of one row if rows are rarer.
constexpr Moment pacingStep = 16ms;
constexpr int deathsMax = 3;
/// A worker killed from outside is charged to a row only if the row had held it up for so long.
constexpr Moment suspicion = 1s;
/// Rows that have arrived safely need no memory of their deaths; more rows than this are never in doubt at a
/// time.
constexpr std::size_t chargedRowsMax = 4096;

} // namespace

LeaseTable::LeaseTable(const Options &options, Moment now)
    : m_options(options), m_end(options.end), m_frontier(options.begin), m_released(options.begin),
      m_written(options.begin), m_start(now)
{
}

LeaseTable::Holder &LeaseTable::holder(unsigned slot)
{
    if (slot >= m_holders.size())
        m_holders.resize(slot + 1);
    return m_holders[slot];
}

unsigned LeaseTable::heldCount(unsigned slot) const
{
    return slot < m_holders.size() ? unsigned(m_holders[slot].pieces.size()) : 0;
}

std::optional<LeaseTable::Current> LeaseTable::current(unsigned slot) const
{
    if (heldCount(slot) == 0)
        return std::nullopt;
    const auto found = m_pieces.find(m_holders[slot].pieces.front());
    return Current{found->first, found->second.end, found->second.arrived};
}

std::optional<LeaseTable::Grant> LeaseTable::grant(unsigned slot, Moment now)
{
    if (m_pausedSince || heldCount(slot) >= leasesPerSlotMax)
        return std::nullopt;
    // Rows that others wait for come first, even if this worker must run empty to take them.
    bool mustRunEmpty = false;
    if (auto piece = grantPiece(slot, now, mustRunEmpty); piece || mustRunEmpty)
        return piece;
    return grantRange(slot, now);
}

std::optional<LeaseTable::Grant> LeaseTable::grantPiece(unsigned slot, Moment now, bool &mustRunEmpty)
{
    for (auto piece = m_pieces.begin(); piece != m_pieces.end(); ++piece) {
        const bool isFree = !piece->second.slot && piece->second.arrived < piece->second.end;
        if (!isFree)
            continue;
        // A worker goes through its leases in index order: it cannot be sent back before the one it is in.
        const auto &held = holder(slot).pieces;
        if (!held.empty() && piece->first < held.back()) {
            mustRunEmpty = true;
            return std::nullopt;
        }
        // One that was given back is for a slot with nothing to do.
        if (!held.empty() && piece->second.asked)
            continue;
        return give(piece, slot, now);
    }
    return std::nullopt;
}

std::optional<LeaseTable::Grant> LeaseTable::grantRange(unsigned slot, Moment now)
{
    if (m_pieces.size() >= piecesMax)
        return std::nullopt;
    std::uint64_t rows = leaseRows(holder(slot));
    const std::uint64_t bytesMax =
        std::min<std::uint64_t>(leaseBytesMax, m_options.budgetBytes / (2 * std::max(1u, m_options.workers)));
    rows = std::clamp<std::uint64_t>(rows, 1, std::max<std::uint64_t>(1, bytesMax / m_options.rowBytes));
    if (m_options.pacing > 0) {
        const std::uint64_t due = rowsDue(now);
        if (due <= m_frontier || (nextDue() && *nextDue() > now))
            return std::nullopt;
        rows = std::min(rows, due - m_frontier);
    }
    if (m_end)
        rows = std::min(rows, *m_end - m_frontier);
    if (rows == 0 || rows > rowMax - m_frontier)
        return std::nullopt;
    // Whole bins where it can be: their summaries then need no merging.
    if (rows >= 2 * binRows && (!m_end || m_frontier + rows < *m_end))
        rows = (m_frontier + rows) / binRows * binRows - m_frontier;
    const std::uint64_t bytes = std::max(m_options.rangeBytesMin, rows * m_options.rowBytes);
    if (m_reservedBytes > 0 && m_reservedBytes + bytes > m_options.budgetBytes)
        return std::nullopt;

    m_ranges.emplace(m_frontier, Range{m_frontier + rows, bytes});
    m_reservedBytes += bytes;
    Piece piece;
    piece.end = m_frontier + rows;
    piece.arrived = m_frontier;
    piece.range = m_frontier;
    const auto added = m_pieces.emplace(m_frontier, piece).first;
    m_frontier += rows;
    m_lastPaced = now;
    Grant grant = give(added, slot, now);
    grant.newRangeEnd = m_frontier;
    return grant;
}

std::uint64_t LeaseTable::leaseRows(const Holder &holder) const
{
    if (holder.lastRows == 0)
        return m_options.leaseRows;
    const double wanted = holder.rowsPerSecond * leaseTarget.count();
    const double grown = double(holder.lastRows) * double(growthMax);
    const double least = double(std::max<std::uint64_t>(1, m_options.leaseRows));
    return std::uint64_t(std::max(least, std::min({wanted, grown, double(rowsBytesMax)})));
}

LeaseTable::Grant LeaseTable::give(Pieces::iterator piece, unsigned slot, Moment now)
{
    Holder &to = holder(slot);
    if (to.pieces.empty())
        to.since = to.leaseSince = now;
    to.pieces.push_back(piece->first);
    piece->second.slot = slot;
    piece->second.lease = m_nextLease++;
    piece->second.sequence = 0;
    piece->second.asked = false;
    return {piece->second.lease, piece->first, piece->second.end,
            piece->second.range, std::nullopt, piece->second.careful};
}

std::variant<LeaseTable::Place, std::string> LeaseTable::beginFrame(unsigned slot, const FrameHeader &header)
{
    const auto &held = holder(slot).pieces;
    if (held.empty())
        return std::string("sent rows without a lease");
    Piece &piece = m_pieces.at(held.front());
    if (piece.lease != header.lease)
        return "sent rows of lease " + std::to_string(header.lease) + " while it was to work on lease " +
               std::to_string(piece.lease);
    if (piece.sequence != header.sequence)
        return "sent frame " + std::to_string(header.sequence) + " of its lease in place of frame " +
               std::to_string(piece.sequence);
    if (header.rows > piece.end - piece.arrived)
        return "sent more rows than its lease has";
    if (header.payloadBytes != header.rows * m_options.rowBytes)
        return "sent " + std::to_string(header.payloadBytes) + " bytes for " + std::to_string(header.rows) +
               " rows of " + std::to_string(m_options.rowBytes) + " bytes";
    piece.frameRows = header.rows;
    return Place{piece.range, piece.arrived};
}

void LeaseTable::endFrame(unsigned slot, Moment now)
{
    Holder &from = holder(slot);
    Piece &piece = m_pieces.at(from.pieces.front());
    assert(piece.frameRows > 0 && "beginFrame() comes first");
    m_deaths.erase(m_deaths.lower_bound(piece.arrived),
                   m_deaths.lower_bound(piece.arrived + piece.frameRows));
    piece.arrived += piece.frameRows;
    m_accepted += piece.frameRows;
    piece.frameRows = 0;
    ++piece.sequence;
    from.since = now;
}

std::optional<std::string> LeaseTable::done(unsigned slot, std::uint64_t lease, std::uint64_t rows,
                                            bool ended, Moment now)
{
    const auto &held = holder(slot).pieces;
    if (held.empty() || m_pieces.at(held.front()).lease != lease)
        return "finished lease " + std::to_string(lease) + ", which it was not working on";
    const auto piece = m_pieces.find(held.front());
    // After a death the lease may be the rest of a piece; rows are counted from the lease's own begin, the
    // piece's first row.
    if (rows != piece->second.arrived - piece->first)
        return "counted " + std::to_string(rows) + " rows of its lease where " +
               std::to_string(piece->second.arrived - piece->first) + " arrived";
    if (ended) {
        if (m_options.splittable)
            return std::string("ended a task that has no end of its own");
        endAt(piece->second.arrived);
        return std::nullopt;
    }
    if (piece->second.arrived != piece->second.end)
        return std::string("finished its lease with rows missing");
    finishPiece(piece, slot, now);
    return std::nullopt;
}

void LeaseTable::finishPiece(Pieces::iterator piece, unsigned slot, Moment now)
{
    Holder &from = holder(slot);
    const std::uint64_t rows = piece->second.end - piece->first;
    const std::chrono::duration<double> spent = std::max<Moment>(now - from.leaseSince, 1us);
    const double measured = double(rows) / spent.count();
    from.rowsPerSecond = from.rowsPerSecond == 0 ? measured : 0.5 * from.rowsPerSecond + 0.5 * measured;
    from.lastRows = rows;
    from.leaseSince = from.since = now;
    from.pieces.erase(from.pieces.begin());
    piece->second.slot.reset();
}

/// The source has ended: nothing from `row` on will ever come.
void LeaseTable::endAt(std::uint64_t row)
{
    m_end = row;
    m_frontier = row;
    for (Holder &one : m_holders)
        one.pieces.clear();
    m_pieces.erase(m_pieces.lower_bound(row), m_pieces.end());
    if (!m_pieces.empty()) {
        Piece &last = m_pieces.rbegin()->second;
        last.end = std::min(last.end, row);
        last.slot.reset();
    }
    for (auto &[first, range] : m_ranges)
        range.end = std::min(range.end, row); // those behind it are forgotten with the last
}

std::optional<std::pair<unsigned, std::uint64_t>> LeaseTable::giveBackCandidate()
{
    if (!m_end || m_frontier < *m_end)
        return std::nullopt;
    for (unsigned slot = 0; slot < m_holders.size(); ++slot) {
        const auto &held = m_holders[slot].pieces;
        if (held.size() < leasesPerSlotMax)
            continue;
        Piece &piece = m_pieces.at(held.back());
        if (piece.asked)
            continue;
        piece.asked = true;
        return std::pair(slot, piece.lease);
    }
    return std::nullopt;
}

std::optional<std::string> LeaseTable::givenBack(unsigned slot, std::uint64_t lease, bool given)
{
    auto &held = holder(slot).pieces;
    if (!given) // the answer may cross the lease's own end
        return std::nullopt;
    const auto found = std::find_if(held.begin(), held.end(),
                                    [&](std::uint64_t first) { return m_pieces.at(first).lease == lease; });
    if (found == held.end())
        return "gave back lease " + std::to_string(lease) + ", which it does not hold";
    Piece &piece = m_pieces.at(*found);
    if (!piece.asked || piece.arrived != *found || piece.frameRows != 0)
        return "gave back lease " + std::to_string(lease) + ", which it was not asked for or had begun";
    piece.slot.reset();
    held.erase(found);
    return std::nullopt;
}

LeaseTable::Death LeaseTable::workerGone(unsigned slot, Blame blame, Moment now)
{
    Holder &from = holder(slot);
    Death death;
    for (const std::uint64_t first : from.pieces) {
        const auto piece = m_pieces.find(first);
        piece->second.slot.reset();
        piece->second.frameRows = 0;
        piece->second.asked = false;
        // It died in the first that had rows missing: one before that only wanted its Done.
        const bool isCurrent = !death.row && piece->second.arrived < piece->second.end;
        if (isCurrent)
            death.row = piece->second.arrived;
        if (isCurrent && (blame != Blame::Ours || piece->second.arrived > first))
            splitRest(piece);
    }
    death.charged =
        death.row && (blame == Blame::Own ||
                      (blame == Blame::External && m_pausedSince.value_or(now) - from.since >= suspicion));
    if (death.charged && m_deaths.size() < chargedRowsMax)
        death.poison = ++m_deaths[*death.row] >= deathsMax;
    from = Holder();
    return death;
}

/// Makes the rest of a piece two pieces of its own. The rows that have arrived stay as they are.
void LeaseTable::splitRest(Pieces::iterator piece)
{
    const std::uint64_t first = piece->second.arrived;
    const std::uint64_t end = piece->second.end;
    Piece rest;
    rest.range = piece->second.range;
    rest.careful = true;
    if (first == piece->first)
        m_pieces.erase(piece);
    else
        piece->second.end = first;
    const std::uint64_t middle = first + (end - first + 1) / 2;
    rest.arrived = first;
    rest.end = middle;
    m_pieces.emplace(first, rest);
    if (middle < end) {
        rest.arrived = middle;
        rest.end = end;
        m_pieces.emplace(middle, rest);
    }
}

LeaseTable::Release LeaseTable::release()
{
    Release result{m_released, m_released};
    for (auto piece = m_pieces.begin(); piece != m_pieces.end();) {
        result.end = piece->second.arrived;
        // A finished piece is forgotten when its worker has said so, too.
        if (piece->second.arrived < piece->second.end || piece->second.slot)
            break;
        piece = m_pieces.erase(piece);
    }
    result.end = std::max(result.end, result.first);
    m_released = result.end;
    return result;
}

std::vector<std::uint64_t> LeaseTable::written(std::uint64_t rowEnd)
{
    m_written = std::max(m_written, std::min(rowEnd, m_released));
    std::vector<std::uint64_t> forgotten;
    for (auto range = m_ranges.begin(); range != m_ranges.end() && range->second.end <= m_written;) {
        m_reservedBytes -= range->second.bytes;
        forgotten.push_back(range->first);
        range = m_ranges.erase(range);
    }
    return forgotten;
}

void LeaseTable::pause(Moment now)
{
    if (!m_pausedSince)
        m_pausedSince = now;
}

void LeaseTable::resume(Moment now)
{
    if (!m_pausedSince)
        return;
    const Moment pause = now - *m_pausedSince;
    m_start += pause;
    for (Holder &one : m_holders) {
        // Workers of a stalled run go on with what they have: their progress may be newer than the pause.
        one.since = std::min(one.since + pause, now);
        one.leaseSince = std::min(one.leaseSince + pause, now);
    }
    m_pausedSince.reset();
}

std::uint64_t LeaseTable::rowsDue(Moment now) const
{
    const std::chrono::duration<double> elapsed = now - m_start;
    const double rows = std::floor(std::max(0.0, elapsed.count()) * m_options.pacing);
    return m_options.begin + std::uint64_t(std::min(rows, 9e18));
}

std::optional<Moment> LeaseTable::nextDue() const
{
    if (m_options.pacing <= 0 || (m_end && m_frontier == *m_end))
        return std::nullopt;
    const double rows = double(m_frontier - m_options.begin) + 1;
    const std::chrono::duration<double> until(rows / m_options.pacing);
    if (until > std::chrono::hours(24 * 365 * 100))
        return std::nullopt;
    // Rounded up: a moment before the row is due would find nothing to lease.
    const Moment due = m_start + std::chrono::ceil<Moment>(until) + 1us;
    const Moment step = m_frontier == m_options.begin ? due : m_lastPaced + pacingStep;
    return std::max(due, step);
}

} // namespace millrace
