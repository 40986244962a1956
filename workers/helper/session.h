#pragma once

#include "workers/helper/computer.h"
#include "workers/helper/kernel.h"
#include "workers/helper/outbox.h"
#include "workers/protocol/reader.h"

#include <memory>

namespace millrace {

/// What a helper says of itself in its Hello.
struct HelperIdentity
{
    std::string program;
    std::string build;
};

/// A worker's side of the channel: says Hello, prepares the run it is told, computes the leases it is given,
/// in order, and answers everything else at once. run() is the session's poll loop; kernels work on a second
/// thread beside it, inside a TBB arena. Idle, both sleep. It does not own the descriptor, nor does it know
/// what process it is in.
class Session
{
public:
    /// `tasks` must outlive the session.
    Session(int fd, const std::vector<TaskEntry> &tasks, HelperIdentity identity);
    ~Session();

    enum class End {
        Stopped, ///< it was told to stop, and has said Bye
        Closed,  ///< the channel ended
        Failed,  ///< the kernel threw; it has been told
        Broken,  ///< what came was not the protocol; `error()` says what
    };

    /// Serves until the end. Call once.
    End run();
    const std::string &error() const { return m_error; }

    /// False: a kernel does not return though it was asked to; the destructor would wait for it. For the
    /// process's main, which can leave without.
    bool hasReturned();

private:
    bool readMessages();
    bool onMessage(const Message &message);
    End stop();

    const int m_fd;
    const std::vector<TaskEntry> &m_tasks;
    const HelperIdentity m_identity;
    /// Before all that writes to it, so that it is closed after them.
    struct WakeFd
    {
        WakeFd();
        ~WakeFd();
        const int fd;
    };
    const WakeFd m_wake;
    Outbox m_outbox;
    FrameReader m_reader;
    Computer m_computer;
    std::uint16_t m_epoch = 0; ///< told by Prepare
    bool m_isStopping = false;
    std::string m_error;
};

} // namespace millrace
