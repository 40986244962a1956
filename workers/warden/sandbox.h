#pragma once

namespace millrace {

/// Confines the calling process, and what it execs, to computing: no file can be opened for writing or made
/// (Landlock, where the kernel has it) or otherwise changed, no socket made, no process started, traced or
/// signalled but itself (seccomp), no privilege gained. Open descriptors keep working, and so does exec in
/// place: the confinement stays. Returns 0, or the errno of the step that failed; a kernel without Landlock
/// is no failure. To be called in the child between fork and exec.
int enterComputeSandbox();

} // namespace millrace
