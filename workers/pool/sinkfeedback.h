#pragma once

#include "workers/pool/rowsink.h"

#include <functional>
#include <mutex>
#include <optional>

namespace millrace {

/// Carries a sink's words from any thread to the supervisor: the newest of each kind, one wake-up at a time.
/// The sink may keep it longer than the supervisor lives; after disconnect() nobody is woken.
class SinkFeedbackBox : public SinkFeedback
{
public:
    explicit SinkFeedbackBox(std::function<void()> wake) : m_wake(std::move(wake)) {}

    void written(std::uint64_t rowEnd) override
    {
        post([rowEnd](Content &content) { content.written = std::max(content.written, rowEnd); });
    }
    void stalled(const std::string &reason) override
    {
        post([&reason](Content &content) {
            content.stalled = reason;
            content.isReady = false;
        });
    }
    void ready() override
    {
        post([](Content &content) {
            content.stalled.reset();
            content.isReady = true;
        });
    }
    void failed(const std::string &reason) override
    {
        post([&reason](Content &content) { content.failed = reason; });
    }

    struct Content
    {
        std::uint64_t written = 0; ///< the highest so far
        std::optional<std::string> stalled;
        bool isReady = false;
        std::optional<std::string> failed;
    };

    /// What was said since the last call; `written` is kept.
    Content take()
    {
        const std::lock_guard lock(m_mutex);
        m_isAwake = false;
        Content content = std::exchange(m_content, {});
        m_content.written = content.written;
        return content;
    }

    void disconnect()
    {
        const std::lock_guard lock(m_mutex);
        m_wake = nullptr;
    }

private:
    template <typename Change>
    void post(Change change)
    {
        const std::lock_guard lock(m_mutex);
        change(m_content);
        if (!std::exchange(m_isAwake, true) && m_wake)
            m_wake(); // posts an event: short enough to be done under the lock, which disconnect() relies on
    }

    std::mutex m_mutex;
    std::function<void()> m_wake;
    Content m_content;
    bool m_isAwake = false;
};

} // namespace millrace
