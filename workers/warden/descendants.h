#pragma once

#include <sys/types.h>

namespace millrace {

/// Kills the calling process's children and their descendants with SIGKILL until none is left, reaping all; a
/// process that forks faster is met again in the next round. The caller must be a subreaper, so that orphans
/// come to it. Returns when the last is reaped, or after about `millisecondsMax` (a process in
/// uninterruptible sleep cannot be killed).
void killDescendants(int millisecondsMax);

/// Kills those children of the caller that are not in `spared` and whose environment holds the entry `token`
/// (NAME=VALUE): what a worker left behind that has left its process group.
void killStrays(const char *token, const pid_t *spared, int sparedCount);

} // namespace millrace
