#pragma once

#include "workers/tasks/programrows.h"

/// The two ways in which a program is a source of rows.
namespace millrace {

/// What the parameters of `command` say, checked and read.
struct CommandSource
{
    std::string path;                   ///< of the program
    std::vector<std::string> arguments; ///< with placeholders in mode lease
    std::unique_ptr<RowPattern> pattern;
    Buffering buffering = Buffering::ByLine;
    bool isReplayed = false;
    RunOptions options;
};

/// Mode stream: the program runs once; each line is a row until it ends. shape() starts it and waits for the
/// first row. A run that begins at row k, because it is continued, just goes on counting there; if the
/// program is replayed, its first k rows are read and passed over.
class StreamKernel : public Kernel
{
public:
    explicit StreamKernel(CommandSource source);
    RunShape shape() override;
    std::size_t fill(const Batch &batch, FillContext &context) override;

private:
    enum class State {
        NotStarted,
        FirstRowHeld, ///< shape() read it; fill() has not been called
        Reading,
        Ended, ///< no more rows; m_failure says whether that was well
    };
    void take(const Batch &batch, const StopRequest &stop, std::size_t &filled);
    bool passOver(const StopRequest &stop);
    ProgramRows::Next nextRow(const StopRequest &stop, ProgramRows::Deadline deadline);

    CommandSource m_source;
    LineParser m_parser;
    LineEvents m_events;
    std::unique_ptr<ProgramRows> m_rows;
    State m_state = State::NotStarted;
    std::optional<std::uint64_t> m_rowsToPass; ///< known from the first fill()
    std::string m_failure;
};

/// Mode lease: the program is started for each lease and prints just its rows. shape() has it print row 0, as
/// lease [0, 1), to learn the number of series and their names.
class LeaseKernel : public Kernel
{
public:
    explicit LeaseKernel(CommandSource source);
    RunShape shape() override;
    std::size_t fill(const Batch &batch, FillContext &context) override;

private:
    struct Range
    {
        std::uint64_t next = 0; ///< the row that the program prints next
        std::uint64_t end = 0;
    };
    void start(std::uint64_t begin, std::uint64_t end);
    std::size_t take(const Batch &batch, const StopRequest &stop);
    ProgramRows::Next nextRow(const StopRequest &stop, ProgramRows::Deadline deadline);
    void finish(const StopRequest &stop);

    CommandSource m_source;
    LineParser m_parser;
    LineEvents m_events;
    std::unique_ptr<ProgramRows> m_rows; ///< null between leases
    Range m_range;
};

} // namespace millrace
