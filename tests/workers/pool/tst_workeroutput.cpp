#include "workers/pool/workeroutput.h"

#include <QSignalSpy>
#include <QTest>

#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

/// A worker's output and the end that the worker writes to.
class Pipe
{
public:
    Pipe()
    {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            qFatal("no pipe");
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
        output = std::make_unique<WorkerOutput>(ends[0]);
        m_writing = ends[1];
    }
    ~Pipe() { close(); }

    bool write(const QByteArray &bytes)
    {
        return ::write(m_writing, bytes.constData(), std::size_t(bytes.size())) == bytes.size();
    }
    int writingEnd() const { return m_writing; }
    void close()
    {
        if (m_writing >= 0)
            ::close(m_writing);
        m_writing = -1;
    }

    /// All lines of a worker that writes `bytes` and ends.
    QStringList lines(const QByteArray &bytes)
    {
        write(bytes);
        close();
        output->finish();
        return take();
    }
    QStringList take()
    {
        QStringList result;
        for (const auto &line : output->takeLines())
            result.append(QString::fromStdString(line));
        return result;
    }

    std::unique_ptr<WorkerOutput> output;

private:
    int m_writing;
};

} // namespace

class TestWorkerOutput : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void linesArriveWhenTheyAreComplete()
    {
        Pipe pipe;
        QSignalSpy arrived(pipe.output.get(), &WorkerOutput::arrived);
        QVERIFY(pipe.write("one\ntwo\nthr"));

        QVERIFY(arrived.wait());
        QCOMPARE(pipe.take(), QStringList({QStringLiteral("one"), QStringLiteral("two")}));
        QVERIFY(pipe.write("ee\n"));
        QVERIFY(arrived.wait());

        QCOMPARE(pipe.take(), QStringList({QStringLiteral("three")}));
        QCOMPARE(pipe.output->takeSuppressed(), std::uint64_t(0));
    }

    void lineWithoutAnEndCountsWhenTheProcessIsGone()
    {
        Pipe pipe;

        QCOMPARE(pipe.lines("one\nlast words"),
                 QStringList({QStringLiteral("one"), QStringLiteral("last words")}));
        QVERIFY(pipe.take().isEmpty());
    }

    void lineIsPlainText_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("line");
        QTest::newRow("colours") << QByteArray("\x1b[31mred\x1b[0m")
                                 << QStringLiteral("\\x1b[31mred\\x1b[0m");
        QTest::newRow("one C1 character") << QByteArray("\xc2\x9b"
                                                        "2J")
                                          << QStringLiteral("\\x9b2J");
        QTest::newRow("bell and NUL") << QByteArray("a\x07"
                                                    "b\0c",
                                                    5)
                                      << QStringLiteral("a\\x07b\\x00c");
        QTest::newRow("DEL") << QByteArray("a\x7f") << QStringLiteral("a\\x7f");
        QTest::newRow("tab and CR") << QByteArray("a\tb\r") << QStringLiteral("a b");
        QTest::newRow("no UTF-8") << QByteArray("a\xff\xfe") << QStringLiteral("a\uFFFD\uFFFD");
        QTest::newRow("cut UTF-8") << QByteArray("gr\xc3") << QStringLiteral("gr\uFFFD");
        QTest::newRow("UTF-8") << QByteArray("größer") << QStringLiteral("größer");
        QTest::newRow("markup") << QByteArray("<img src=x>") << QStringLiteral("<img src=x>");
    }

    void lineIsPlainText()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, line);
        Pipe pipe;

        QCOMPARE(pipe.lines(bytes + "\n"), QStringList({line}));
    }

    void emptyLinesAreLeftOut()
    {
        Pipe pipe;

        QCOMPARE(pipe.lines("\n\r\n\na\n\n"), QStringList({QStringLiteral("a")}));
    }

    void anyBytesBecomeLinesOfPlainText()
    {
        QByteArray bytes;
        for (int i = 0; i < 60'000; ++i)
            bytes += char(i * 7919 >> 3);
        Pipe pipe;

        for (const QString &line : pipe.lines(bytes)) {
            for (const QChar c : line)
                QVERIFY(c.category() != QChar::Other_Control);
        }
    }

    void longLineIsCut()
    {
        const std::string line = sanitised(QByteArray(10'000, 'x'));

        QCOMPARE(line, std::string(std::size_t(WorkerOutput::lineBytesMax), 'x') + " ...");
        QCOMPARE(sanitised(QByteArray(WorkerOutput::lineBytesMax, 'x')).size(),
                 std::size_t(WorkerOutput::lineBytesMax));
    }

    void lineOfAMebibyteKeepsTheRing()
    {
        Pipe pipe;
        std::thread worker([&pipe] {
            pipe.write(QByteArray(mebibyte, 'x'));
            pipe.write("\nafter\n");
            pipe.close();
        });
        QStringList lines;
        QTRY_VERIFY((lines += pipe.take()).contains(QStringLiteral("after")));
        worker.join();

        QCOMPARE(lines.size(), qsizetype(2));
        QVERIFY(lines[0].size() <= WorkerOutput::lineBytesMax + 4);
        const std::uint64_t kept = std::uint64_t(WorkerOutput::ringBytesMax);
        QVERIFY(pipe.output->takeSuppressed() >= mebibyte - kept);
    }

    void floodIsReadAndCountedNotKept()
    {
        constexpr std::size_t flood = 50 * mebibyte;
        const QByteArray block = QByteArray("0123456789abcde\n").repeated(4096);
        Pipe pipe;
        std::thread worker([&] {
            for (std::size_t bytes = 0; bytes < flood; bytes += std::size_t(block.size()))
                pipe.write(block);
            pipe.write("end\n");
            pipe.close();
        });
        std::uint64_t taken = 0;
        std::uint64_t suppressed = 0;
        bool isOver = false;
        QSignalSpy arrived(pipe.output.get(), &WorkerOutput::arrived);

        while (!isOver && arrived.wait()) {
            std::uint64_t bytes = 0;
            for (const QString &line : pipe.take()) {
                bytes += std::uint64_t(line.size()) + 1;
                isOver = isOver || line == QLatin1String("end");
            }
            QVERIFY(bytes <= std::uint64_t(WorkerOutput::ringBytesMax));
            taken += bytes;
            suppressed += pipe.output->takeSuppressed();
        }
        worker.join();

        QVERIFY(isOver);
        QCOMPARE(taken + suppressed, std::uint64_t(flood + 4));
    }

    void lastTwentyLinesAreRemembered()
    {
        Pipe pipe;
        for (int i = 0; i < 100; ++i)
            pipe.write("line " + QByteArray::number(i) + "\n");
        pipe.lines("line 100");

        const auto &last = pipe.output->lastLines();

        QCOMPARE(last.size(), std::size_t(20));
        QCOMPARE(last.front(), "line 81");
        QCOMPARE(last.back(), "line 100");
    }

    void finishDoesNotWaitForAGrandchildThatHoldsThePipe()
    {
        Pipe pipe;
        QVERIFY(pipe.write("last words\n"));

        pipe.output->finish();

        QCOMPARE(pipe.take(), QStringList({QStringLiteral("last words")}));
        pipe.output->finish();
    }

    void finishDoesNotReadAGrandchildsFloodForEver()
    {
        Pipe pipe;
        ::signal(SIGPIPE, SIG_IGN);
        std::thread grandchild([&pipe] {
            const QByteArray block(64 * 1024, '\n');
            while (pipe.write(block)) { // until nobody reads
            }
        });

        pipe.output->finish();

        grandchild.join();
        QVERIFY(pipe.take().isEmpty());
    }

    void endOfTheOutputIsNoEndlessWakeUp()
    {
        Pipe pipe;
        QSignalSpy arrived(pipe.output.get(), &WorkerOutput::arrived);
        pipe.close();
        QVERIFY(arrived.wait());
        const auto count = arrived.count();

        for (int i = 0; i < 100; ++i)
            QCoreApplication::processEvents();

        QCOMPARE(arrived.count(), count);
    }
};

QTEST_GUILESS_MAIN(TestWorkerOutput)
#include "tst_workeroutput.moc"
