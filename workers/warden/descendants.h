#pragma once

namespace millrace {

/// Kills the calling process's children and their descendants with SIGKILL until none is left, reaping all; a
/// process that forks faster is met again in the next round. The caller must be a subreaper, so that orphans
/// come to it. Returns when the last is reaped, or after about `millisecondsMax` (a process in
/// uninterruptible sleep cannot be killed).
void killDescendants(int millisecondsMax);

/// Kills those descendants of the caller whose environment holds the entry `token` (NAME=VALUE), and all
/// below them: what a worker left behind that has left its process group. Reaps nothing. Returns when none is
/// left, or after about `millisecondsMax`. What has overwritten its environment is not recognised.
void killStrays(const char *token, int millisecondsMax);

} // namespace millrace
