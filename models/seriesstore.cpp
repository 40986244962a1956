#include "models/seriesstore.h"

#include <algorithm>

namespace millrace {

namespace {

constexpr std::uint64_t binRows = BinRings::binRows;
// Raw rows of a series, in bins; two more because they may begin and end within one.
constexpr std::size_t fineSlots = SeriesStore::rawBytesMax / sizeof(double) / binRows + 2;
constexpr std::size_t fineBytesMax =
    fineSlots * (sizeof(void *) + 16 + FineBins::finePerBin * sizeof(Bucket));
constexpr std::size_t sampleBytesMax = (RowSample::capacity + 1) * sizeof(SampledRow);

static_assert(SeriesStore::rawBytesMax + BinRings::bytesMax + fineBytesMax + sampleBytesMax + 4096 <=
              SeriesStore::seriesBytesMax);

/// Each row, or buckets of `bucketRows` rows, straight from the values.
void addRaw(const RawView &raw, std::uint64_t begin, std::uint64_t end, std::uint64_t bucketRows,
            std::size_t column, std::vector<Bucket> &out)
{
    while (begin < end) {
        const std::uint64_t next = std::min(end, (begin / bucketRows + 1) * bucketRows);
        out.push_back({begin, next - begin, raw.summarise(begin, next, column)});
        begin = next;
    }
}

} // namespace

/// What snapshot() takes with it when it leaves the lock.
struct SeriesStore::View
{
    std::shared_ptr<Fine> fine;
    std::uint64_t begin = 0; // the range asked for, as far as there are rows
    std::uint64_t end = 0;
    std::uint64_t bucketRows = 1;
    std::uint64_t seam = 0;     // rows from here on are in `raw`
    std::vector<Bucket> coarse; // the rows from the seam on as bins, if these might be needed
    RawView raw;
    Snapshot result; // with the rows before the seam
};

void SeriesStore::begin(std::size_t columns, std::uint64_t firstRow, std::uint64_t seed)
{
    auto run = std::make_unique<Run>(Run{.raw = RawRows(columns, firstRow, rawBytesMax * columns),
                                         .columns = {},
                                         .firstRow = firstRow,
                                         .nextRow = firstRow,
                                         .fine = std::make_shared<Fine>()});
    run->columns.assign(columns, {.bins = BinRings(firstRow), .sample = RowSample(seed)});
    for (std::size_t i = 0; i < columns; ++i)
        run->fine->columns.emplace_back(fineSlots);
    const std::scoped_lock lock(m_mutex);
    std::swap(m_run, run); // the old run ends with `run`, after the lock
}

bool SeriesStore::append(std::uint64_t first, std::uint64_t count, std::span<const double *const> columns,
                         std::span<const Summary> bins, std::shared_ptr<const void> owner)
{
    Run *const run = m_run.get(); // only this thread changes it, so that it may look without the lock
    const auto pieces = std::size_t(BinRings::binCount(first, count));
    if (!run || first != run->nextRow || columns.size() != run->columns.size() ||
        bins.size() != pieces * columns.size())
        return false;
    if (count == 0)
        return true;
    auto staged = run->raw.stage(first, count, columns, std::move(owner));
    std::vector<RawStretch> gone; // outlives the lock
    const std::scoped_lock lock(m_mutex);
    gone = run->raw.publish(std::move(staged));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        Column &column = run->columns[i];
        column.bins.append(count, bins.subspan(i * pieces, pieces));
        column.sample.append(first, {columns[i], std::size_t(count)});
        column.last = columns[i][count - 1];
    }
    run->nextRow += count;
    return true;
}

Snapshot SeriesStore::snapshot(std::uint64_t begin, std::uint64_t end, std::size_t width,
                               std::size_t column) const
{
    width = std::clamp<std::size_t>(width, 1, widthMax);
    View view = look(begin, end, width, column);
    Snapshot result = std::move(view.result);
    const std::uint64_t from = std::max(view.begin, view.seam);
    if (from >= view.end)
        return result;
    if (view.bucketRows > FineBins::fineRows) {
        addFine(view, width, column, result);
    } else {
        const std::uint64_t bucketRows = view.bucketRows <= 2 ? 1 : view.bucketRows;
        addRaw(view.raw, from, view.end, bucketRows, column, result.buckets);
        result.valuesRead += std::size_t(view.end - from);
    }
    return result;
}

/// The part under the lock: bins are copied, of raw rows only the ownership.
SeriesStore::View SeriesStore::look(std::uint64_t begin, std::uint64_t end, std::size_t width,
                                    std::size_t column) const
{
    View view;
    const std::scoped_lock lock(m_mutex);
    if (!m_run || column >= m_run->columns.size())
        return view;
    const BinRings &bins = m_run->columns[column].bins;
    view.fine = m_run->fine;
    view.result.firstRow = m_run->firstRow;
    view.result.nextRow = m_run->nextRow;
    view.begin = std::max(begin, m_run->firstRow);
    view.end = std::min(end, m_run->nextRow);
    if (view.begin >= view.end)
        return view;
    view.bucketRows = (view.end - view.begin - 1) / width + 1;
    view.seam = view.end;
    if (view.bucketRows < binRows) {
        const std::uint64_t held = m_run->raw.heldFrom();
        view.seam = held == m_run->firstRow ? held : ((held - 1) / binRows + 1) * binRows;
        const std::uint64_t wholeBins = std::max(view.seam, view.begin / binRows * binRows);
        view.raw = m_run->raw.view(wholeBins, ((view.end - 1) / binRows + 1) * binRows);
    }
    auto &read = view.result.binsRead;
    read += bins.collect(view.begin, std::min(view.seam, view.end), view.bucketRows, view.result.buckets);
    if (view.bucketRows > FineBins::fineRows)
        read += bins.collect(std::max(view.begin, view.seam), view.end, view.bucketRows, view.coarse);
    return view;
}

void SeriesStore::addFine(const View &view, std::size_t width, std::size_t column, Snapshot &result)
{
    const std::uint64_t from = std::max(view.begin, view.seam);
    const std::size_t valuesMax = std::max<std::size_t>(FineBins::fineRows * width, 65'536);
    const std::scoped_lock lock(view.fine->mutex);
    FineBins &fine = view.fine->columns[column];
    const bool isComplete = fine.refine(view.raw, column, from / binRows, (view.end - 1) / binRows + 1,
                                        valuesMax, result.valuesRead);
    if (isComplete) {
        const std::uint64_t group = (view.bucketRows - 1) / FineBins::fineRows + 1;
        result.binsRead += fine.collect(from, view.end, group, result.buckets);
    } else {
        result.buckets.insert(result.buckets.end(), view.coarse.begin(), view.coarse.end());
        result.isFinerLater = true;
    }
}

Totals SeriesStore::totals(std::size_t column) const
{
    Totals result;
    RowSample sampled;
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_run || column >= m_run->columns.size() || m_run->nextRow == m_run->firstRow)
            return result;
        result.rows = m_run->nextRow - m_run->firstRow;
        result.summary = m_run->columns[column].bins.total();
        result.last = m_run->columns[column].last;
        sampled = m_run->columns[column].sample;
    }
    const auto sorted = sampled.sortedValues();
    if (!sorted.empty()) {
        const auto at = [&sorted](double p) { return *RowSample::quantile(sorted, p); };
        result.quantiles = {at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)};
    }
    result.sampleSize = sampled.size();
    result.areQuantilesExact = sampled.isWhole();
    return result;
}

RowSample SeriesStore::sample(std::size_t column) const
{
    const std::scoped_lock lock(m_mutex);
    return m_run && column < m_run->columns.size() ? m_run->columns[column].sample : RowSample();
}

RowValues SeriesStore::rows(std::uint64_t begin, std::uint64_t end, std::size_t column) const
{
    RowValues result;
    RawView raw;
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_run || column >= m_run->columns.size())
            return result;
        result.first = std::max(begin, m_run->raw.heldFrom());
        end = std::min({end, m_run->nextRow, result.first + rowsMax});
        raw = m_run->raw.view(result.first, end);
    }
    raw.read(result.first, end, column, [&result](std::span<const double> values) {
        result.values.insert(result.values.end(), values.begin(), values.end());
    });
    return result;
}

std::size_t SeriesStore::bytes() const
{
    std::size_t result = sizeof(*this);
    std::shared_ptr<Fine> fine;
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_run)
            return result;
        fine = m_run->fine;
        result += sizeof(Run) + m_run->columns.capacity() * sizeof(Column) + m_run->raw.bytes();
        for (const Column &column : m_run->columns)
            result += column.bins.bytes() + column.sample.bytes();
    }
    const std::scoped_lock lock(fine->mutex);
    result += sizeof(Fine) + fine->columns.capacity() * sizeof(FineBins);
    for (const FineBins &column : fine->columns)
        result += column.bytes();
    return result;
}

} // namespace millrace
