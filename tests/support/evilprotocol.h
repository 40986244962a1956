#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>

namespace millrace {

/// The epoch of this worker, as the warden's MILLRACE_WORKER tells it.
unsigned evilEpoch();

/// The value of a row under the fault "bit-patterns": NaNs with payloads (signalling ones too), infinities,
/// -0, denormals.
inline double evilBits(std::uint64_t row)
{
    constexpr std::array<std::uint64_t, 8> patterns = {
        0x7ff8'0000'0000'0000, 0x7ff0'0000'0000'0001, 0xfff4'dead'beef'0001, 0x7ff0'0000'0000'0000,
        0xfff0'0000'0000'0000, 0x8000'0000'0000'0000, 0x0000'0000'0000'0001, 0x7fef'ffff'ffff'ffff,
    };
    return std::bit_cast<double>(patterns[row % patterns.size()]);
}

/// Whether `fault` is one of what is sent, rather than of what is computed.
bool isProtocolFault(const std::string &fault);

/// Serves the session on descriptor 3 with a hand-made worker that breaks the protocol in the way that
/// `fault` names: in every epoch if `isAlways`, else in the first only. Returns the exit code.
int runEvilProtocol(const std::string &fault, bool isAlways);

} // namespace millrace
