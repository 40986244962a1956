#include "app/csvwriter.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace millrace {

namespace {

constexpr std::size_t bufferBytes = 1024 * 1024;
/// Longest shortest form of a float64 or of a row index, and its comma.
constexpr std::size_t cellBytesMax = 32;

template <typename Number>
void append(std::string &buffer, Number value)
{
    char text[cellBytesMax];
    buffer.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void appendValue(std::string &buffer, double value)
{
    // What a processor makes of 0/0 has a sign, and nobody means it.
    if (std::isnan(value))
        buffer += "nan";
    else
        append(buffer, value);
}

} // namespace

std::string csvCell(const std::string &text)
{
    const bool isFormula = !text.empty() && std::strchr("=+-@\t\r", text.front());
    std::string cell = isFormula ? "'" + text : text;
    if (cell.find_first_of(",\"\n\r") == std::string::npos)
        return cell;
    std::string quoted = "\"";
    for (const char c : cell)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
}

CsvWriter::~CsvWriter()
{
    if (m_fd > STDERR_FILENO)
        ::close(m_fd);
}

std::string CsvWriter::begin(const RunShape &shape)
{
    m_fd = m_path == "-" ? STDOUT_FILENO
                         : ::open(m_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (m_fd < 0)
        return failure();
    m_buffer.reserve(bufferBytes);
    m_buffer = shape.timed ? "row,time" : "row";
    for (const auto &series : shape.series)
        m_buffer += "," + csvCell(series.name);
    m_buffer += '\n';
    return {};
}

std::string CsvWriter::write(const ReleasedRows &rows)
{
    for (std::uint64_t i = 0; i < rows.count; ++i) {
        append(m_buffer, rows.first + i);
        for (const double *column : rows.columns) {
            m_buffer += ',';
            appendValue(m_buffer, column[i]);
        }
        m_buffer += '\n';
        if (m_buffer.size() + cellBytesMax * (rows.columns.size() + 1) > bufferBytes) {
            if (auto error = flush(); !error.empty())
                return error;
        }
    }
    // Slow rows are to be seen by who follows the file.
    return flush();
}

std::string CsvWriter::flush()
{
    for (std::size_t written = 0; written < m_buffer.size();) {
        const ssize_t count = ::write(m_fd, m_buffer.data() + written, m_buffer.size() - written);
        if (count >= 0)
            written += std::size_t(count);
        else if (errno == EPIPE)
            return "the reader of " + place() + " has gone";
        else if (errno != EINTR)
            return failure();
    }
    m_buffer.clear();
    return {};
}

std::string CsvWriter::finish()
{
    if (m_fd < 0)
        return {};
    if (auto error = flush(); !error.empty())
        return error;
    if (m_fd <= STDERR_FILENO)
        return {};
    const int fd = std::exchange(m_fd, -1);
    return ::close(fd) == 0 ? std::string() : failure();
}

std::string CsvWriter::place() const
{
    return m_path == "-" ? "stdout" : m_path;
}

std::string CsvWriter::failure() const
{
    return "cannot write to " + place() + ": " + std::strerror(errno);
}

} // namespace millrace
