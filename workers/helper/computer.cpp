#include "workers/helper/computer.h"

#include <algorithm>
#include <cxxabi.h>
#include <typeinfo>

#include <cstdlib>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// A batch is at most so many bytes: it should be in the cache when it is written, and when it is read.
constexpr std::size_t batchBytesMax = 512 * 1024;
/// and is to take between these: rare enough to cost nothing, often enough to be seen live.
constexpr std::chrono::nanoseconds batchMin = 4ms;
constexpr std::chrono::nanoseconds batchMax = 16ms;
/// Batches of so many rows begin and end at multiples of it: the bins of the other side.
constexpr std::size_t alignedRows = 1024;

std::string typeName(const std::type_info &type)
{
    int status = 0;
    char *name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
    std::string result = status == 0 && name ? name : type.name();
    std::free(name);
    return result;
}

Log::Level toLevel(LogLevel level)
{
    switch (level) {
    case LogLevel::Info:
        return Log::Level::Info;
    case LogLevel::Warning:
        return Log::Level::Warning;
    case LogLevel::Error:
        break;
    }
    return Log::Level::Error;
}

void signalFd(int fd)
{
    constexpr std::uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
}

} // namespace

Computer::Computer(Outbox &outbox, const std::vector<TaskEntry> &tasks, int endedFd)
    : m_outbox(outbox), m_tasks(tasks), m_endedFd(endedFd),
      m_stopFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), m_thread([this] { run(); })
{
}

Computer::~Computer()
{
    stop();
    m_thread.join();
    ::close(m_stopFd);
}

void Computer::prepare(const Prepare &prepare)
{
    const std::lock_guard lock(m_mutex);
    m_prepare = prepare;
    m_changed.notify_all();
}

bool Computer::lease(const Lease &lease)
{
    const std::lock_guard lock(m_mutex);
    if (!m_isPrepared)
        return false;
    m_leases.push_back(lease);
    m_changed.notify_all();
    return true;
}

bool Computer::giveBack(std::uint64_t lease)
{
    const std::lock_guard lock(m_mutex);
    return std::erase_if(m_leases, [lease](const Lease &one) { return one.id == lease; }) > 0;
}

void Computer::park()
{
    const std::lock_guard lock(m_mutex);
    m_isParked = true;
    m_isParkTold = false;
    m_changed.notify_all();
}

void Computer::unpark()
{
    const std::lock_guard lock(m_mutex);
    m_isParked = false;
    m_changed.notify_all();
}

void Computer::stop()
{
    m_stop.request_stop();
    signalFd(m_stopFd);
    const std::lock_guard lock(m_mutex);
    m_changed.notify_all();
}

bool Computer::hasEnded(std::chrono::milliseconds limit)
{
    std::unique_lock lock(m_mutex);
    return m_changed.wait_for(lock, limit, [this] { return m_isEnded; });
}

void Computer::run()
{
    try {
        bool isOn = true;
        while (isOn) {
            std::unique_lock lock(m_mutex);
            if (!waitForWork(lock))
                break;
            if (m_prepare) {
                const Prepare prepare = *std::exchange(m_prepare, std::nullopt);
                lock.unlock();
                prepareRun(prepare);
            } else {
                const Lease lease = m_leases.front();
                m_leases.pop_front();
                lock.unlock();
                isOn = work(lease);
            }
        }
        m_kernel.reset();
    } catch (const std::exception &error) {
        tellFailure(typeName(typeid(error)), error.what());
    } catch (...) {
        const std::type_info *type = abi::__cxa_current_exception_type();
        tellFailure(type ? typeName(*type) : "unknown", "an exception that is no std::exception was thrown");
    }
    const std::lock_guard lock(m_mutex);
    m_isEnded = true;
    m_changed.notify_all();
    signalFd(m_endedFd); // the session sees why: it failed, or the channel is gone
}

void Computer::tellFailure(const std::string &type, const std::string &message)
{
    if (m_stop.stop_requested())
        return; // thrown because it was told to end: nobody asks for its rows any more
    Failed failed;
    failed.type = type;
    failed.message = message;
    if (m_isPrepared)
        failed.row = m_row;
    m_outbox.post(failed, m_epoch);
    m_hasFailed = true; // after it: the session leaves when it sees this and the outbox is empty
}

/// With m_mutex held by `lock`: waits while parked, and says so once. Returns false when the thread is to
/// end.
bool Computer::waitWhileParked(std::unique_lock<std::mutex> &lock)
{
    while (m_isParked && !m_stop.stop_requested()) {
        if (!std::exchange(m_isParkTold, true)) {
            lock.unlock();
            m_outbox.post(Parked{}, m_epoch);
            lock.lock();
            continue;
        }
        m_changed.wait(lock);
    }
    return !m_stop.stop_requested();
}

/// With m_mutex held by `lock`: waits until there is something to do. Returns false when the thread is to
/// end.
bool Computer::waitForWork(std::unique_lock<std::mutex> &lock)
{
    while (waitWhileParked(lock)) {
        if (m_prepare || !m_leases.empty())
            return true;
        m_changed.wait(lock);
    }
    return false;
}

void Computer::prepareRun(const Prepare &prepare)
{
    m_epoch = prepare.epoch;
    const unsigned threads = std::max(1u, prepare.threads);
    const auto task = std::find_if(m_tasks.begin(), m_tasks.end(), [&](const TaskEntry &entry) {
        return entry.description.name == prepare.task;
    });
    if (task == m_tasks.end()) {
        m_outbox.post(Refused{{{"", "this helper has no task " + prepare.task}}}, m_epoch);
        return;
    }
    auto resolved = resolveParameters(task->description, prepare.parameters);
    if (!resolved.errors.empty()) {
        m_outbox.post(Refused{std::move(resolved.errors)}, m_epoch);
        return;
    }
    RunOptions options;
    options.seed = prepare.seed;
    options.rows = prepare.rows;
    options.threads = threads;
    options.worker = prepare.slot;
    options.stop = m_stop.get_token();
    options.stopFd = m_stopFd;
    try {
        // Without it TBB warns, and stops at the number of cores, when more threads are granted.
        m_parallelism.emplace(tbb::global_control::max_allowed_parallelism, threads);
        m_arena.emplace(int(threads));
        m_arena->execute([&] {
            m_kernel = task->make(resolved.values, options);
            m_shape = m_kernel->shape();
        });
    } catch (const WrongParameters &wrong) {
        m_outbox.post(Refused{wrong.errors()}, m_epoch);
        return;
    }
    if (m_shape.series.empty() || m_shape.series.size() > seriesMax)
        throw std::logic_error("the kernel's shape has no series, or more than " + std::to_string(seriesMax));
    m_rampRows = m_shape.splittable ? 1 : batchBytesMax / (m_shape.columnCount() * sizeof(double));
    {
        const std::lock_guard lock(m_mutex);
        m_isPrepared = true;
    }
    m_outbox.post(Prepared{m_shape}, m_epoch);
}

std::size_t Computer::batchRows(std::uint64_t begin, std::uint64_t end) const
{
    const std::size_t rowBytes = m_shape.columnCount() * sizeof(double);
    std::size_t rows = std::min(m_rampRows, std::max<std::size_t>(1, batchBytesMax / rowBytes));
    rows = std::size_t(std::min<std::uint64_t>(rows, end - begin));
    if (rows >= 2 * alignedRows && begin + rows < end)
        rows = std::size_t((begin + rows) / alignedRows * alignedRows - begin);
    return rows;
}

void Computer::learn(std::chrono::nanoseconds spent)
{
    if (!m_shape.splittable)
        return; // a source hands on what it has
    if (spent < batchMin)
        m_rampRows = std::min<std::size_t>(m_rampRows * 4, batchBytesMax);
    else if (spent > batchMax)
        m_rampRows = std::max<std::size_t>(m_rampRows / 2, 1);
}

/// Computes and sends one lease. Returns false when the thread is to end.
bool Computer::work(const Lease &lease)
{
    const std::size_t columnCount = m_shape.columnCount();
    if (lease.careful && m_shape.splittable)
        m_rampRows = 1;
    FillContext context{m_stop.get_token(), m_stopFd, [this](LogLevel level, std::string_view text) {
                            m_outbox.post(Log{toLevel(level), std::string(text), 1}, m_epoch);
                        }};
    FrameHeader header;
    header.type = FrameType::Rows;
    header.epoch = m_epoch;
    header.lease = lease.id;
    bool hasEnded = false;
    m_row = lease.begin;
    while (m_row < lease.end && !hasEnded) {
        const std::size_t capacity = batchRows(m_row, lease.end);
        if (m_memory.size() < capacity * columnCount)
            m_memory.resize(capacity * columnCount);
        std::vector<double *> columns;
        for (std::size_t column = 0; column < columnCount; ++column)
            columns.push_back(m_memory.data() + column * capacity);
        const auto start = std::chrono::steady_clock::now();
        std::size_t rows = 0;
        m_arena->execute([&] {
            rows = m_kernel->fill({m_row, capacity, lease.begin, lease.end, columns}, context);
        });
        learn(std::chrono::steady_clock::now() - start);
        if (m_stop.stop_requested())
            return false;
        if (rows > capacity)
            throw std::logic_error("the kernel filled more rows than its batch has");
        if (rows > 0) {
            std::vector<std::span<const std::byte>> parts;
            parts.reserve(columnCount);
            for (const double *column : columns)
                parts.push_back(std::as_bytes(std::span(column, rows)));
            header.rows = std::uint32_t(rows);
            header.payloadBytes = std::uint32_t(rows * columnCount * sizeof(double));
            if (!m_outbox.sendRows(header, parts))
                return false;
            ++header.sequence;
        }
        m_row += rows;
        hasEnded = rows == 0;
        std::unique_lock lock(m_mutex);
        if (!waitWhileParked(lock))
            return false;
    }
    m_outbox.post(Done{lease.id, m_row - lease.begin, hasEnded}, m_epoch);
    return true;
}

} // namespace millrace
