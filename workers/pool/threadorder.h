#pragma once

/// Tells ThreadSanitizer what Qt's own, uninstrumented, thread start and join guarantee: what was done before
/// orderRelease(at) is seen after orderAcquire(at). Nothing in other builds.
namespace millrace {

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);

inline void orderRelease(void *at)
{
    __tsan_release(at);
}
inline void orderAcquire(void *at)
{
    __tsan_acquire(at);
}
#else
inline void orderRelease(void *) {}
inline void orderAcquire(void *) {}
#endif

} // namespace millrace
