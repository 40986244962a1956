#pragma once

#include <cstdlib>

namespace millrace::test {

/// A claim that holds for any input; the fuzzer keeps the input for which it does not.
inline void require(bool claim)
{
    if (!claim)
        std::abort();
}

} // namespace millrace::test
