// Mailbox, LatestValue and the box of a sink's feedback: what crosses threads.

#include "workers/pool/mailbox.h"
#include "workers/pool/sinkfeedback.h"

#include <QTest>

#include <atomic>
#include <thread>

using namespace millrace;

class TestMailbox : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void oneWakeUpIsUnderWayAtATime()
    {
        int wakeUps = 0;
        Mailbox<int> box(10, [&] { ++wakeUps; });
        box.post(1);
        box.post(2);
        QCOMPARE(wakeUps, 1);

        QCOMPARE(box.take().items, std::deque<int>({1, 2}));
        box.post(3);

        QCOMPARE(wakeUps, 2);
        QCOMPARE(box.take().items, std::deque<int>({3}));
        QVERIFY(box.take().items.empty());
    }

    void oldestItemsOfTooManyAreDroppedAndCounted()
    {
        Mailbox<int> box(3, [] {});
        for (int i = 0; i < 10; ++i)
            box.post(i);

        const auto content = box.take();

        QCOMPARE(content.items, std::deque<int>({7, 8, 9}));
        QCOMPARE(content.dropped, std::size_t(7));
        QCOMPARE(box.take().dropped, std::size_t(0));
    }

    void wakeUpMayReadTheBox()
    {
        Mailbox<int> *self = nullptr;
        std::deque<int> seen;
        Mailbox<int> box(3, [&] { seen = self->take().items; });
        self = &box;

        box.post(1);

        QCOMPARE(seen, std::deque<int>({1}));
    }

    void nothingIsLostOrTurnedAroundBetweenThreads()
    {
        constexpr int writers = 4;
        constexpr int perWriter = 20'000;
        std::atomic<int> wakeUps = 0;
        Mailbox<std::pair<int, int>> box(writers * perWriter, [&] { ++wakeUps; });
        std::vector<std::thread> threads;
        for (int writer = 0; writer < writers; ++writer) {
            threads.emplace_back([&box, writer] {
                for (int i = 0; i < perWriter; ++i)
                    box.post({writer, i});
            });
        }
        int next[writers] = {};
        int takes = 0;
        bool isInOrder = true;
        const auto isAllTaken = [&next] {
            return std::all_of(std::begin(next), std::end(next),
                               [](int count) { return count == perWriter; });
        };

        while (!isAllTaken() && isInOrder) {
            ++takes;
            for (const auto &[writer, i] : box.take().items)
                isInOrder = isInOrder && i == next[writer]++;
        }
        for (auto &thread : threads)
            thread.join();

        QVERIFY(isInOrder);
        QVERIFY2(wakeUps <= takes + 1, "a wake-up for each look at most");
        QCOMPARE(box.take().dropped, std::size_t(0));
    }

    void onlyTheLatestValueIsSeen()
    {
        int wakeUps = 0;
        LatestValue<std::string> value([&] { ++wakeUps; });
        value.set("a");
        value.set("b");

        QCOMPARE(value.get(), "b");
        value.set("c");
        QCOMPARE(wakeUps, 1);
        QCOMPARE(value.take(), "c");
        QCOMPARE(value.take(), "c");
        value.set("d");

        QCOMPARE(wakeUps, 2);
    }

    void feedbackKeepsTheHighestRowThatIsWritten()
    {
        int wakeUps = 0;
        SinkFeedbackBox box([&] { ++wakeUps; });
        box.written(10);
        box.written(5);

        QCOMPARE(box.take().written, std::uint64_t(10));
        QCOMPARE(wakeUps, 1);
        QCOMPARE(box.take().written, std::uint64_t(10));
        box.written(20);

        QCOMPARE(wakeUps, 2);
        QCOMPARE(box.take().written, std::uint64_t(20));
    }

    void lastWordOfASinkCounts()
    {
        SinkFeedbackBox box([] {});
        box.stalled("disk full");
        box.ready();
        auto content = box.take();
        QVERIFY(!content.stalled && content.isReady);

        box.ready();
        box.stalled("disk full");
        content = box.take();

        QVERIFY(!content.isReady);
        QCOMPARE(*content.stalled, "disk full");
        QVERIFY(!box.take().stalled);
    }

    void failureOfASinkIsToldOnce()
    {
        SinkFeedbackBox box([] {});
        box.failed("gone");
        box.written(3);

        QCOMPARE(*box.take().failed, "gone");
        QVERIFY(!box.take().failed);
    }

    void nobodyIsWokenAfterDisconnect()
    {
        auto listener = std::make_unique<std::atomic<int>>(0);
        const auto box = std::make_shared<SinkFeedbackBox>([&listener] { ++*listener; });
        std::atomic<bool> isOver = false;
        std::thread sink([box, &isOver] {
            for (std::uint64_t row = 0; !isOver; ++row)
                box->written(row);
        });
        for (int i = 0; i < 1000; ++i)
            box->take();

        box->disconnect();
        listener.reset(); // a wake-up now would be a crash

        for (int i = 0; i < 1000; ++i)
            box->take();
        isOver = true;
        sink.join();
        QVERIFY(!listener);
    }
};

QTEST_GUILESS_MAIN(TestMailbox)
#include "tst_mailbox.moc"
