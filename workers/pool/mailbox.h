#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace millrace {

/// Hands values from any thread to one reader, with one wake-up under way at a time. The payload crosses
/// under this mutex, never in a queued signal, so that the reader can fall behind without a queue growing:
/// beyond `itemsMax` the oldest is dropped and counted.
template <typename Item>
class Mailbox
{
public:
    /// `wake` is called on the poster's thread when the reader has something to look at; it must only wake
    /// it.
    Mailbox(std::size_t itemsMax, std::function<void()> wake) : m_itemsMax(itemsMax), m_wake(std::move(wake))
    {
    }

    void post(Item item)
    {
        {
            const std::lock_guard lock(m_mutex);
            if (m_items.size() == m_itemsMax) {
                m_items.pop_front();
                ++m_dropped;
            }
            m_items.push_back(std::move(item));
            if (std::exchange(m_isAwake, true))
                return;
        }
        m_wake();
    }

    struct Content
    {
        std::deque<Item> items;
        std::size_t dropped = 0;
    };

    /// Everything since the last call; the next post() wakes the reader again.
    Content take()
    {
        const std::lock_guard lock(m_mutex);
        m_isAwake = false;
        return {std::exchange(m_items, {}), std::exchange(m_dropped, 0)};
    }

private:
    const std::size_t m_itemsMax;
    const std::function<void()> m_wake;
    std::mutex m_mutex;
    std::deque<Item> m_items;
    std::size_t m_dropped = 0;
    bool m_isAwake = false;
};

/// The same for a value of which only the newest counts.
template <typename Value>
class LatestValue
{
public:
    explicit LatestValue(std::function<void()> wake) : m_wake(std::move(wake)) {}

    void set(Value value)
    {
        {
            const std::lock_guard lock(m_mutex);
            m_value = std::move(value);
            if (std::exchange(m_isAwake, true))
                return;
        }
        m_wake();
    }

    /// The newest value, without taking the wake-up for it.
    Value get() const
    {
        const std::lock_guard lock(m_mutex);
        return m_value;
    }

    /// The newest value; the next set() wakes the reader again.
    Value take()
    {
        const std::lock_guard lock(m_mutex);
        m_isAwake = false;
        return m_value;
    }

private:
    const std::function<void()> m_wake;
    mutable std::mutex m_mutex;
    Value m_value{};
    bool m_isAwake = false;
};

} // namespace millrace
