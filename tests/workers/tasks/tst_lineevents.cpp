#include "workers/tasks/lineevents.h"

#include <QTest>

using namespace millrace;

namespace {

struct Told
{
    std::vector<std::string> messages;
    LineEvents::Log log = [this](LogLevel, std::string_view text) { messages.emplace_back(text); };
};

std::string none()
{
    return {};
}

} // namespace

class TestLineEvents : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void equalLinesAreOneEventWithACount()
    {
        LineEvents events;
        Told told;
        const LineEvents::LogScope scope(events, told.log);

        for (int i = 0; i < 12345; ++i)
            events.line(i % 2 ? "a" : "b", none);
        events.finish();
        events.finish();

        const std::vector<std::string> expected{"b",
                                                "a",
                                                "b (10 times)",
                                                "a (10 times)",
                                                "b (100 times)",
                                                "a (100 times)",
                                                "b (1,000 times)",
                                                "a (1,000 times)",
                                                "a (6,172 times)",
                                                "b (6,173 times)"};
        QCOMPARE(told.messages, expected);
        QCOMPARE(events.lineCount(), std::uint64_t(12345));
    }

    void floodOfDifferentLinesIsOnlyCounted()
    {
        LineEvents events;
        Told told;
        const LineEvents::LogScope scope(events, told.log);

        for (int i = 0; i < 1'000'000; ++i)
            events.line("line " + std::to_string(i), none);
        events.finish();

        QCOMPARE(told.messages.size(), LineEvents::linesMax + 2);
        QCOMPARE(told.messages[LineEvents::linesMax],
                 "more than 100 different lines that are no rows; further ones are only counted");
        QCOMPARE(told.messages.back(), "999,900 other lines that are no rows");
    }

    void eventsWaitForTheLog()
    {
        LineEvents events;
        Told told;
        events.line("early\x1b", [] { return std::string("why"); });

        {
            const LineEvents::LogScope scope(events, told.log);
            events.say(LogLevel::Info, "now");
        }
        events.say(LogLevel::Info, "late");

        QCOMPARE(told.messages, (std::vector<std::string>{"why: early\\x1b", "now"}));
        QCOMPARE(events.firstLine(), "early\\x1b");
        const LineEvents::LogScope scope(events, told.log);
        QCOMPARE(told.messages.back(), "late");
    }

    void longLinesAreCut()
    {
        LineEvents events;
        Told told;
        const LineEvents::LogScope scope(events, told.log);

        events.line(std::string(1'000'000, 'x'), none);
        events.line(std::string(2'000'000, 'x'), none);

        QCOMPARE(told.messages.size(), std::size_t(1));
        QVERIFY(told.messages[0].size() <= LineEvents::lineBytesShown + 3);
    }
};

QTEST_GUILESS_MAIN(TestLineEvents)
#include "tst_lineevents.moc"
