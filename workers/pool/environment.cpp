#include "workers/pool/environment.h"

#include <cstdlib>

namespace millrace {

namespace {

constexpr const char *always[] = {"HOME", "PATH", "TZ", "LANG", "LC_ALL",
                                  // what the C library and the sanitizers are tuned by
                                  "GLIBC_TUNABLES", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS",
                                  "TSAN_OPTIONS"};
/// For programs that the user has chosen.
constexpr const char *forSystem[] = {"USER", "LOGNAME", "SHELL", "TMPDIR"};

} // namespace

std::vector<std::string> workerEnvironment(Access access)
{
    std::vector<std::string> entries;
    const auto add = [&entries](const char *name) {
        if (const char *value = std::getenv(name))
            entries.push_back(std::string(name) + "=" + value);
    };
    for (const char *name : always)
        add(name);
    if (access == Access::System) {
        for (const char *name : forSystem)
            add(name);
    }
    return entries;
}

} // namespace millrace
