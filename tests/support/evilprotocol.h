#pragma once

#include <string>

namespace millrace {

/// The epoch of this worker, as the warden's MILLRACE_WORKER tells it.
unsigned evilEpoch();

/// Whether `fault` is one of what is sent, rather than of what is computed.
bool isProtocolFault(const std::string &fault);

/// Serves the session on descriptor 3 with a hand-made worker that breaks the protocol in the way that
/// `fault` names: in every epoch if `isAlways`, else in the first only. Returns the exit code.
int runEvilProtocol(const std::string &fault, bool isAlways);

} // namespace millrace
