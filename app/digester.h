#pragma once

#include "app/rowwriter.h"

struct evp_md_ctx_st;

namespace millrace {

/// SHA-256 over all rows in index order, row by row, each value as little-endian float64, without the column
/// `time`.
class Digester : public RowConsumer
{
public:
    /// `result` gets the digest in hex when the rows have ended; it must outlive the writer.
    explicit Digester(std::string &result);
    ~Digester() override;

    std::string begin(const RunShape &shape) override;
    std::string write(const ReleasedRows &rows) override;
    std::string finish() override;

private:
    std::string &m_result;
    evp_md_ctx_st *m_context;
    std::size_t m_firstColumn = 0;
    std::vector<double> m_rows; ///< some rows, row by row
};

} // namespace millrace
