#include "app/digester.h"

#include <algorithm>
#include <openssl/evp.h>

namespace millrace {

namespace {

/// Values turned from columns to rows at a time: they stay in the cache.
constexpr std::size_t turnedValues = 4096;

} // namespace

Digester::Digester(std::string &result) : m_result(result), m_context(EVP_MD_CTX_new()) {}

Digester::~Digester()
{
    EVP_MD_CTX_free(m_context);
}

std::string Digester::begin(const RunShape &shape)
{
    m_firstColumn = shape.timed ? 1 : 0;
    return EVP_DigestInit_ex(m_context, EVP_sha256(), nullptr) == 1 ? std::string()
                                                                    : "OpenSSL has no SHA-256";
}

std::string Digester::write(const ReleasedRows &rows)
{
    const auto columns = rows.columns.subspan(m_firstColumn);
    if (columns.size() == 1) {
        EVP_DigestUpdate(m_context, columns[0], rows.count * sizeof(double));
        return {};
    }
    const std::uint64_t step = std::max<std::uint64_t>(1, turnedValues / columns.size());
    for (std::uint64_t first = 0; first < rows.count; first += step) {
        const std::uint64_t count = std::min(step, rows.count - first);
        m_rows.clear();
        for (std::uint64_t row = first; row < first + count; ++row) {
            for (const double *column : columns)
                m_rows.push_back(column[row]);
        }
        EVP_DigestUpdate(m_context, m_rows.data(), m_rows.size() * sizeof(double));
    }
    return {};
}

std::string Digester::finish()
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int bytes = 0;
    if (EVP_DigestFinal_ex(m_context, digest, &bytes) != 1)
        return "OpenSSL could not finish the digest";
    m_result.clear();
    for (unsigned int i = 0; i < bytes; ++i) {
        constexpr char digits[] = "0123456789abcdef";
        m_result += digits[digest[i] >> 4];
        m_result += digits[digest[i] & 0xf];
    }
    return {};
}

} // namespace millrace
