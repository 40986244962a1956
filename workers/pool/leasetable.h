#pragma once

#include "workers/protocol/frame.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace millrace {

/// Time since any fixed moment of a clock that does not jump.
using Moment = std::chrono::nanoseconds;

/// Which rows are whose: cuts a run into ranges, leases them to slots, accepts their rows, and tells what may
/// be released and what may be forgotten. A pure state machine: events in, answers out; no process, thread,
/// memory or clock of its own. Rows are accepted only in the sequence of a lease that the slot holds, so each
/// is released exactly once whatever dies.
///
/// A range is the unit of memory: reserved when its rows are first leased, in index order, and kept until
/// they are written. A piece is a part of a range that is leased as a whole: the range itself at first, its
/// rest in halves after a death.
class LeaseTable
{
public:
    struct Options
    {
        std::uint64_t begin = 0;
        std::optional<std::uint64_t> end; ///< none: unbounded, or until the source ends
        std::uint64_t rowBytes = 8;
        std::uint64_t budgetBytes = 64 * 1024 * 1024; ///< memory of all ranges together
        std::uint64_t rangeBytesMin =
            4096; ///< what a range costs at least: its block, and what is known of it
        unsigned workers = 1;
        bool splittable = true;
        std::uint64_t leaseRows = 1; ///< a lease has at least so many, if memory allows
        double pacing = 0;           ///< rows per second that become due; 0: all at once
    };

    struct Grant
    {
        std::uint64_t lease = 0;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t range = 0;
        std::optional<std::uint64_t>
            newRangeEnd; ///< set: `range` is new and needs memory for [begin, newRangeEnd)
        bool careful =
            false; ///< a worker died in here: the next one is to go in small steps, so that the row is found
    };

    /// Where the rows of a frame belong.
    struct Place
    {
        std::uint64_t range = 0;
        std::uint64_t first = 0; ///< row
    };

    struct Death
    {
        std::optional<std::uint64_t>
            row; ///< the first row of its current lease that had not arrived; none: it had no lease
        bool charged = false;
        bool poison = false; ///< the third death charged to `row`
    };

    /// Rows that may be handed on: [first, end).
    struct Release
    {
        std::uint64_t first = 0;
        std::uint64_t end = 0;
    };

    LeaseTable(const Options &options, Moment now);

    /// The next lease for the slot, if it may have one: at most two unfinished, within budget, due.
    std::optional<Grant> grant(unsigned slot, Moment now);

    /// A Rows frame was announced. Returns where its rows belong, or why it is a protocol violation.
    std::variant<Place, std::string> beginFrame(unsigned slot, const FrameHeader &header);
    /// The frame announced last by this slot is complete: its rows count now.
    void endFrame(unsigned slot, Moment now);
    /// The slot says that it has sent all of a lease. Returns why that is a violation, if it is.
    std::optional<std::string> done(unsigned slot, std::uint64_t lease, std::uint64_t rows, bool ended,
                                    Moment now);

    /// When somebody is idle and nothing is left to lease: a slot and the lease that it could give back. It
    /// is asked once.
    std::optional<std::pair<unsigned, std::uint64_t>> giveBackCandidate();
    /// The answer. Returns why it is a violation, if it is.
    std::optional<std::string> givenBack(unsigned slot, std::uint64_t lease, bool given);

    /// The slot's worker is gone; what it had not sent is leased again, in halves. `external`: by SIGKILL or
    /// SIGTERM that nobody here sent, charged only if it had been on its row for a second; `ours`: never
    /// charged.
    enum class Blame { Own, External, Ours };
    Death workerGone(unsigned slot, Blame blame, Moment now);

    /// Rows that have become releasable since the last call; nothing if first == end.
    Release release();
    /// Rows before `rowEnd` need their memory no more. Returns the ranges to forget.
    std::vector<std::uint64_t> written(std::uint64_t rowEnd);

    /// Pacing stands still while paused.
    void pause(Moment now);
    void resume(Moment now);
    /// When grant() may say yes though nothing else happens: the next due row of a paced run.
    std::optional<Moment> nextDue() const;

    bool isFinished() const { return m_end && m_released == *m_end; }
    bool holdsLease(unsigned slot) const { return heldCount(slot) > 0; }
    unsigned heldCount(unsigned slot) const;
    /// The slot's current lease, for people: [begin, end), and the first row that has not arrived.
    struct Current
    {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t next = 0;
    };
    std::optional<Current> current(unsigned slot) const;
    std::uint64_t releasedEnd() const { return m_released; }
    std::optional<std::uint64_t> end() const { return m_end; }
    std::uint64_t reservedBytes() const { return m_reservedBytes; }
    /// Rows accepted in all, those that wait for their release included.
    std::uint64_t acceptedRows() const { return m_accepted; }

private:
    struct Piece
    {
        std::uint64_t end = 0;
        std::uint64_t arrived = 0; ///< rows before it have arrived
        std::uint64_t range = 0;
        std::optional<unsigned> slot;
        std::uint64_t lease = 0;
        std::uint32_t sequence = 0;  ///< the frame expected next
        std::uint32_t frameRows = 0; ///< of the frame that is under way; 0: none is
        bool careful = false;
        bool asked = false; ///< to be given back; without a slot: it was
    };
    using Pieces =
        std::map<std::uint64_t, Piece>; ///< by first row; they touch, and cover [m_released, m_frontier)

    struct Range
    {
        std::uint64_t end = 0;
        std::uint64_t bytes = 0;
    };

    struct Holder
    {
        std::vector<std::uint64_t> pieces; ///< first rows of the pieces it holds, in order; at most two
        Moment since{};      ///< of its last progress: an accepted frame, or the grant of its first lease
        Moment leaseSince{}; ///< when it could begin with its current lease
        double rowsPerSecond = 0;
        std::uint64_t lastRows = 0; ///< of its last finished lease
    };

    std::optional<Grant> grantPiece(unsigned slot, Moment now, bool &mustRunEmpty);
    std::optional<Grant> grantRange(unsigned slot, Moment now);
    std::uint64_t leaseRows(const Holder &holder) const;
    std::uint64_t rowsDue(Moment now) const;
    Grant give(Pieces::iterator piece, unsigned slot, Moment now);
    void splitRest(Pieces::iterator piece);
    void finishPiece(Pieces::iterator piece, unsigned slot, Moment now);
    void endAt(std::uint64_t row);
    Holder &holder(unsigned slot);

    Options m_options;
    std::optional<std::uint64_t> m_end;
    std::uint64_t m_frontier; ///< rows before it are in a range
    std::uint64_t m_released;
    std::uint64_t m_written;
    std::uint64_t m_reservedBytes = 0;
    std::uint64_t m_accepted = 0;
    std::uint64_t m_nextLease = 1;
    Pieces m_pieces;
    std::map<std::uint64_t, Range> m_ranges; ///< by first row, which is also the range's name
    std::vector<Holder> m_holders;
    std::map<std::uint64_t, int> m_deaths; ///< charged deaths by row
    Moment m_start;
    std::optional<Moment> m_pausedSince;
    Moment m_lastPaced{};
};

} // namespace millrace
