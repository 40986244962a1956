#pragma once

#include "app/rowwriter.h"

#include <string>

namespace millrace {

/// Writes rows as CSV: a header `row`, (`time`,) and the series; shortest round-trip numbers, \n, no locale;
/// NaN is nan, the infinities inf and -inf.
class CsvWriter : public RowConsumer
{
public:
    /// `path`: the file, which is replaced; "-" is stdout.
    explicit CsvWriter(std::string path) : m_path(std::move(path)) {}
    ~CsvWriter() override;

    std::string begin(const RunShape &shape) override;
    std::string write(const ReleasedRows &rows) override;
    std::string finish() override;

private:
    std::string flush();
    std::string place() const;
    std::string failure() const;

    const std::string m_path;
    int m_fd = -1;
    std::string m_buffer;
};

/// A cell as RFC 4180 wants it, quoted if it must be; a text that a spreadsheet would run as a formula gets a
/// ' before it.
std::string csvCell(const std::string &text);

} // namespace millrace
