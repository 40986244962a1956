#include "tests/workers/helper/peer.h"

#include "workers/helper/session.h"

#include <QTest>

#include <ctime>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr std::uint64_t rowMax = std::uint64_t(1) << 40; // nobody computes that many

/// Row i is i in the first column, -i in the second.
class CountKernel : public Kernel
{
public:
    RunShape shape() override { return {{{"up", "", {}}, {"down", "", {}}}, {}, true, true, false, 0}; }

    std::size_t fill(const Batch &batch, FillContext &) override
    {
        for (std::size_t i = 0; i < batch.rows; ++i) {
            batch.columns[0][i] = double(batch.begin + i);
            batch.columns[1][i] = -double(batch.begin + i);
        }
        return batch.rows;
    }
};

/// Says that it has begun, then computes until it is asked to stop.
class EndlessKernel : public Kernel
{
public:
    RunShape shape() override { return {{{"x", "", {}}}, {}, true, true, false, 0}; }

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        context.log(LogLevel::Warning, "filling");
        pollfd stop{context.stopFd, POLLIN, 0};
        ::poll(&stop, 1, -1);
        if (!context.stop.stop_requested())
            context.log(LogLevel::Error, "woken without a stop");
        return batch.rows;
    }
};

/// Ends with its tenth row, and never has more than three at once.
class SourceKernel : public Kernel
{
public:
    RunShape shape() override { return {{{"x", "", {}}}, {}, false, false, true, 0}; }

    std::size_t fill(const Batch &batch, FillContext &) override
    {
        const auto rows = std::min(
            {batch.rows, std::size_t(3), std::size_t(10 - std::min<std::uint64_t>(batch.begin, 10))});
        for (std::size_t i = 0; i < rows; ++i) {
            batch.columns[0][i] = 0.5;
            batch.columns[1][i] = double(batch.begin + i);
        }
        return rows;
    }
};

/// Counts to row 5, and there does as it was told.
class FailingKernel : public CountKernel
{
public:
    explicit FailingKernel(std::string way) : m_way(std::move(way)) {}

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        if (batch.begin + batch.rows <= 5)
            return CountKernel::fill(batch, context);
        if (m_way == "runtime-error")
            throw std::runtime_error("the disk is full");
        if (m_way == "int")
            throw 7;
        if (m_way == "bad-alloc")
            throw std::bad_alloc();
        return batch.rows + 1; // more than it was asked for
    }

private:
    const std::string m_way;
};

template <typename KernelType>
TaskEntry entry(const char *name)
{
    TaskEntry result;
    result.description.name = name;
    result.make = [](const Parameters &, const RunOptions &) -> std::unique_ptr<Kernel> {
        return std::make_unique<KernelType>();
    };
    return result;
}

std::vector<TaskEntry> tasks()
{
    TaskEntry failing;
    failing.description.name = "failing";
    failing.description.parameters.resize(1);
    failing.description.parameters[0].name = "way";
    failing.description.parameters[0].type = ParameterType::Text;
    failing.description.parameters[0].initial = std::string("at-once");
    failing.make = [](const Parameters &parameters, const RunOptions &options) -> std::unique_ptr<Kernel> {
        const auto &way = get<std::string>(parameters, "way");
        if (way == "at-once")
            throw std::out_of_range("never made");
        if (way == "wrong")
            throw WrongParameters("way", "this way is closed to seed " + std::to_string(options.seed));
        return std::make_unique<FailingKernel>(way);
    };
    return {entry<CountKernel>("count"), entry<EndlessKernel>("endless"), entry<SourceKernel>("source"),
            failing};
}

/// A session that serves in a thread of its own, and the application's end of its channel.
class Worker
{
public:
    Worker() : m_thread([this] { serve(); }) {}
    ~Worker()
    {
        peer.close();
        join();
    }

    /// Says what the session ended with. The channel must have been ended, one way or the other.
    Session::End join()
    {
        if (m_thread.joinable())
            m_thread.join();
        return m_end;
    }
    const std::string &error() const { return m_error; }

    /// Hears Hello, and has the run prepared. Returns its shape.
    std::optional<RunShape> prepare(const std::string &task, const Parameters &parameters = {})
    {
        const auto hello = peer.nextMessage<Hello>();
        Prepare prepare;
        prepare.task = task;
        prepare.parameters = parameters;
        prepare.threads = 2;
        prepare.epoch = 7;
        peer.send(prepare);
        const auto prepared = peer.nextMessage<Prepared>();
        if (!hello || !prepared)
            return std::nullopt;
        peer.setColumnCount(prepared->shape.columnCount());
        return prepared->shape;
    }

private:
    SocketPair m_sockets;

public:
    Peer peer{m_sockets.fds[0]};

private:
    void serve()
    {
        {
            Session session(m_sockets.fds[1], m_tasks, {"tester", "tester 1.2"});
            m_end = session.run();
            m_error = session.error();
        }
        ::close(m_sockets.fds[1]);
    }

    const std::vector<TaskEntry> m_tasks = tasks();
    Session::End m_end = Session::End::Closed;
    std::string m_error;
    std::thread m_thread; ///< last: it uses all of the above
};

/// Rows of one lease of `count`, as they came, up to its Done.
struct LeaseRows
{
    std::vector<std::size_t> batches;
    std::uint64_t next = 0; ///< row that would be next
    std::optional<Done> done;
    std::string problem;
};

LeaseRows readLease(Peer &peer, std::uint64_t lease, std::uint64_t begin)
{
    LeaseRows result;
    result.next = begin;
    for (;;) {
        const auto frame = peer.next();
        if (!frame) {
            result.problem = "the stream ended: " + peer.error();
            return result;
        }
        if (const auto *done = frame->get<Done>()) {
            result.done = *done;
            return result;
        }
        const FrameHeader &header = frame->header;
        if (!frame->isRows() || header.lease != lease || header.sequence != result.batches.size() ||
            header.epoch != 7) {
            result.problem = "another frame: " + std::string(frameName(header.type));
            return result;
        }
        for (std::size_t i = 0; i < header.rows; ++i, ++result.next) {
            if (frame->columns[0][i] != double(result.next) || frame->columns[1][i] != -double(result.next))
                result.problem = "wrong value in row " + std::to_string(result.next);
        }
        result.batches.push_back(header.rows);
    }
}

std::chrono::nanoseconds processorTime()
{
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

} // namespace

class TestSession : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void helloComesFirst()
    {
        Worker worker;

        const auto frame = worker.peer.next();

        QVERIFY(frame && frame->get<Hello>());
        QCOMPARE(frame->header.epoch, std::uint16_t(0));
        QCOMPARE(*frame->get<Hello>(), (Hello{protocolMajor, protocolMinor, "tester", "tester 1.2", {}}));
    }

    void runIsPreparedAsTheKernelShapesIt()
    {
        Worker worker;

        QCOMPARE(worker.prepare("count"), CountKernel().shape());
    }

    void refusalSaysWhatIsWrong_data()
    {
        QTest::addColumn<QByteArray>("task");
        QTest::addColumn<QByteArray>("parameter");
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("sentence");

        QTest::newRow("unknown task") << QByteArray("primes") << QByteArray() << QByteArray()
                                      << QByteArray("this helper has no task primes");
        QTest::newRow("unknown parameter")
            << QByteArray("failing") << QByteArray("wat") << QByteArray("x")
            << QByteArray("the task failing has no parameter \"wat\"; it has way");
        QTest::newRow("a kernel's own word")
            << QByteArray("failing") << QByteArray("way") << QByteArray("wrong")
            << QByteArray("this way is closed to seed 42");
    }

    void refusalSaysWhatIsWrong()
    {
        QFETCH(QByteArray, task);
        QFETCH(QByteArray, parameter);
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, sentence);
        Worker worker;
        QVERIFY(worker.peer.nextMessage<Hello>());
        Prepare prepare;
        prepare.task = task.toStdString();
        prepare.seed = 42;
        prepare.epoch = 7;
        if (!parameter.isEmpty())
            prepare.parameters[parameter.toStdString()] = text.toStdString();

        worker.peer.send(prepare);
        const auto refused = worker.peer.next();

        QVERIFY(refused && refused->get<Refused>());
        QCOMPARE(refused->header.epoch, std::uint16_t(7));
        QCOMPARE(refused->get<Refused>()->errors.size(), std::size_t(1));
        QCOMPARE(refused->get<Refused>()->errors[0].parameter, parameter.toStdString());
        QCOMPARE(refused->get<Refused>()->errors[0].sentence, sentence.toStdString());
    }

    void refusedWorkerCanBePreparedAgain()
    {
        Worker worker;
        QVERIFY(worker.peer.nextMessage<Hello>());
        worker.peer.send(Prepare{"primes", {}, 0, {}, 1, 0, 7});
        QVERIFY(worker.peer.nextMessage<Refused>());

        worker.peer.send(Prepare{"count", {}, 0, {}, 1, 0, 7});

        QVERIFY(worker.peer.nextMessage<Prepared>());
    }

    void leaseGivesItsRowsInSequenceAndDone()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));

        worker.peer.send(Lease{3, 1'000'000, 1'300'000, false});
        const LeaseRows rows = readLease(worker.peer, 3, 1'000'000);

        QCOMPARE(rows.problem, std::string());
        QCOMPARE(rows.next, std::uint64_t(1'300'000));
        QCOMPARE(rows.done, (Done{3, 300'000, false}));
        QVERIFY2(rows.batches.size() > 1, "a long lease comes in batches");
    }

    void leasesAreWorkedInTheirOrder()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));

        worker.peer.send(Lease{8, 500, 5000, false});
        worker.peer.send(Lease{9, 7000, 7001, false});
        const LeaseRows first = readLease(worker.peer, 8, 500);
        const LeaseRows second = readLease(worker.peer, 9, 7000);

        QCOMPARE(first.problem + second.problem, std::string());
        QCOMPARE(first.done, (Done{8, 4500, false}));
        QCOMPARE(second.done, (Done{9, 1, false}));
    }

    void lastRowOfAllIsReached()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));

        worker.peer.send(Lease{1, indexMax - 3, indexMax, false});
        std::uint64_t rows = 0;
        auto frame = worker.peer.next();
        for (; frame && frame->isRows(); frame = worker.peer.next())
            rows += frame->header.rows;

        QVERIFY(frame && frame->get<Done>());
        QCOMPARE(rows, std::uint64_t(3));
    }

    void leaseNotBegunIsGivenBack()
    {
        Worker worker;
        QVERIFY(worker.prepare("endless"));
        worker.peer.send(Lease{1, 0, 10, false});
        worker.peer.send(Lease{2, 10, 20, false});
        QVERIFY(worker.peer.nextMessage<Log>()); // it is in lease 1

        worker.peer.send(GiveBack{2});
        worker.peer.send(GiveBack{1});
        worker.peer.send(GiveBack{99});

        QCOMPARE(worker.peer.nextMessage<GivenBack>(), (GivenBack{2, true}));
        QCOMPARE(worker.peer.nextMessage<GivenBack>(), (GivenBack{1, false}));
        QCOMPARE(worker.peer.nextMessage<GivenBack>(), (GivenBack{99, false}));
    }

    void leaseGivenBackIsNotComputed()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));
        worker.peer.send(Park{});
        QVERIFY(worker.peer.nextMessage<Parked>());
        worker.peer.send(Lease{1, 0, 10, false});
        worker.peer.send(Lease{2, 10, 20, false});

        worker.peer.send(GiveBack{1});
        QCOMPARE(worker.peer.nextMessage<GivenBack>(), (GivenBack{1, true}));
        worker.peer.send(Unpark{});

        QCOMPARE(readLease(worker.peer, 2, 10).done, (Done{2, 10, false}));
    }

    void parkedWorkerSendsNoRows()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));
        worker.peer.send(Lease{1, 0, rowMax, false});

        worker.peer.send(Park{});
        std::uint32_t frames = 0;
        auto frame = worker.peer.next();
        for (; frame && frame->isRows(); frame = worker.peer.next())
            ++frames;
        QVERIFY(frame && frame->get<Parked>());

        for (std::uint64_t id = 0; id < 100; ++id) {
            worker.peer.send(Ping{id});
            QCOMPARE(worker.peer.nextMessage<Pong>(), Pong{id});
        }
        worker.peer.send(Unpark{});
        frame = worker.peer.next();
        QVERIFY(frame && frame->isRows());
        QCOMPARE(frame->header.sequence, frames);
    }

    void everyParkIsAnswered()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));
        for (int i = 0; i < 10; ++i) {
            worker.peer.send(Park{});
            QVERIFY(worker.peer.nextMessage<Parked>());
            if (i % 2 == 0)
                worker.peer.send(Unpark{});
        }
    }

    void pingIsAnsweredDuringALongFill()
    {
        Worker worker;
        QVERIFY(worker.prepare("endless"));
        worker.peer.send(Lease{1, 0, 10, false});
        QCOMPARE(worker.peer.nextMessage<Log>(), (Log{Log::Level::Warning, "filling", 1}));

        worker.peer.send(Ping{indexMax});

        QCOMPARE(worker.peer.nextMessage<Pong>(), Pong{indexMax});
    }

    void stopEndsALongFillWithBye()
    {
        Worker worker;
        QVERIFY(worker.prepare("endless"));
        worker.peer.send(Lease{1, 0, 10, false});
        QVERIFY(worker.peer.nextMessage<Log>());

        worker.peer.send(Stop{});
        const auto frame = worker.peer.next();

        QVERIFY(frame && frame->get<Bye>());
        QCOMPARE(frame->header.epoch, std::uint16_t(7));
        QVERIFY(worker.peer.isAtEnd());
        QCOMPARE(worker.join(), Session::End::Stopped);
    }

    void stopIsHeardInEveryState_data()
    {
        QTest::addColumn<bool>("isPrepared");
        QTest::addColumn<bool>("isParked");

        QTest::newRow("after Hello") << false << false;
        QTest::newRow("idle") << true << false;
        QTest::newRow("parked") << true << true;
    }

    void stopIsHeardInEveryState()
    {
        QFETCH(bool, isPrepared);
        QFETCH(bool, isParked);
        Worker worker;
        if (isPrepared)
            QVERIFY(worker.prepare("count"));
        else
            QVERIFY(worker.peer.nextMessage<Hello>());
        if (isParked) {
            worker.peer.send(Park{});
            QVERIFY(worker.peer.nextMessage<Parked>());
        }

        worker.peer.send(Stop{});

        QVERIFY(worker.peer.nextMessage<Bye>());
        QCOMPARE(worker.join(), Session::End::Stopped);
    }

    void whatAKernelThrowsIsTold_data()
    {
        QTest::addColumn<QByteArray>("way");
        QTest::addColumn<QByteArray>("type");
        QTest::addColumn<QByteArray>("message");

        QTest::newRow("std::exception") << QByteArray("runtime-error") << QByteArray("std::runtime_error")
                                        << QByteArray("the disk is full");
        QTest::newRow("no exception") << QByteArray("int") << QByteArray("int")
                                      << QByteArray("an exception that is no std::exception was thrown");
        QTest::newRow("memory") << QByteArray("bad-alloc") << QByteArray("std::bad_alloc")
                                << QByteArray("std::bad_alloc");
        QTest::newRow("too many rows") << QByteArray("greedy") << QByteArray("std::logic_error")
                                       << QByteArray("the kernel filled more rows than its batch has");
    }

    void whatAKernelThrowsIsTold()
    {
        QFETCH(QByteArray, way);
        QFETCH(QByteArray, type);
        QFETCH(QByteArray, message);
        Worker worker;
        QVERIFY(worker.prepare("failing", {{"way", way.toStdString()}}));

        worker.peer.send(Lease{1, 0, 100, true}); // batches of 1, then of 4: [1, 5), then [5, 21)
        auto frame = worker.peer.next();
        std::uint64_t rows = 0;
        for (; frame && frame->isRows(); frame = worker.peer.next())
            rows += frame->header.rows;

        QVERIFY(frame && frame->get<Failed>());
        QCOMPARE(frame->header.epoch, std::uint16_t(7));
        const Failed &failed = *frame->get<Failed>();
        QCOMPARE(failed.type, type.toStdString());
        QCOMPARE(failed.message, message.toStdString());
        QCOMPARE(failed.row, rows);
        QVERIFY(worker.peer.isAtEnd());
        QCOMPARE(worker.join(), Session::End::Failed);
    }

    void makerThatThrowsIsToldWithoutARow()
    {
        Worker worker;
        QVERIFY(worker.peer.nextMessage<Hello>());

        worker.peer.send(Prepare{"failing", {}, 0, {}, 1, 0, 7});
        const auto failed = worker.peer.nextMessage<Failed>();

        QCOMPARE(failed, (Failed{"std::out_of_range", "never made", "", std::nullopt}));
        QCOMPARE(worker.join(), Session::End::Failed);
    }

    void bytesThatAreNoFramesBreakTheSession_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QByteArray>("error");

        QTest::newRow("garbage") << QByteArray(64, 'x') << QByteArray("no frame begins with 0x78787878");
        QTest::newRow("HTTP") << QByteArray("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                              << QByteArray("no frame begins with 0x20544547");
        QTest::newRow("a worker's message")
            << encodeMessage(Bye{}, 7) << QByteArray("a message came that only workers send");
        const auto rows = encodeHeader({FrameType::Rows, 7, 8, 1, 1, 0});
        QTest::newRow("rows") << QByteArray(reinterpret_cast<const char *>(rows.data()), headerBytes)
                              << QByteArray("rows were sent to a worker");
        const auto lease = encodeHeader({FrameType::Lease, 7, 1, 0, 0, 0});
        QTest::newRow("no CBOR") << QByteArray(reinterpret_cast<const char *>(lease.data()), headerBytes) +
                                        "\xff"
                                 << QByteArray("Lease: the payload is no CBOR");
    }

    void bytesThatAreNoFramesBreakTheSession()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(QByteArray, error);
        Worker worker;
        QVERIFY(worker.prepare("count"));

        worker.peer.sendBytes({bytes.constData(), std::size_t(bytes.size())});

        QVERIFY(worker.peer.isAtEnd());
        QCOMPARE(worker.join(), Session::End::Broken);
        QVERIFY2(worker.error().starts_with(error.toStdString()), worker.error().c_str());
    }

    void sessionEndsWithItsChannel_data()
    {
        QTest::addColumn<QByteArray>("task");

        QTest::newRow("idle") << QByteArray();
        QTest::newRow("in a long fill") << QByteArray("endless");
        QTest::newRow("while it sends") << QByteArray("count");
    }

    void sessionEndsWithItsChannel()
    {
        QFETCH(QByteArray, task);
        Worker worker;
        if (task.isEmpty()) {
            QVERIFY(worker.peer.nextMessage<Hello>());
        } else {
            QVERIFY(worker.prepare(task.toStdString()));
            worker.peer.send(Lease{1, 0, rowMax, false});
            QVERIFY(worker.peer.next());
        }

        worker.peer.close();

        QCOMPARE(worker.join(), Session::End::Closed);
        QCOMPARE(worker.error(), std::string());
    }

    void sourceThatEndsSaysSo()
    {
        Worker worker;
        const auto shape = worker.prepare("source");
        QVERIFY(shape && shape->timed && !shape->splittable);

        worker.peer.send(Lease{1, 0, 6, false});
        worker.peer.send(Lease{2, 6, 1000, false});
        std::vector<double> values;
        std::vector<Done> dones;
        while (dones.size() < 2) {
            const auto frame = worker.peer.next();
            QVERIFY(frame);
            if (const auto *done = frame->get<Done>()) {
                dones.push_back(*done);
            } else {
                QVERIFY(frame->isRows() && frame->columns.size() == 2);
                values.insert(values.end(), frame->columns[1].begin(), frame->columns[1].end());
            }
        }

        QCOMPARE(values, (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
        QCOMPARE(dones[0], (Done{1, 6, false}));
        QCOMPARE(dones[1], (Done{2, 4, true}));
    }

    void carefulLeaseBeginsWithSingleRows()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));
        worker.peer.send(Lease{1, 0, 300'000, false});
        const LeaseRows usual = readLease(worker.peer, 1, 0);
        QVERIFY(*std::max_element(usual.batches.begin(), usual.batches.end()) > 1);

        worker.peer.send(Lease{2, 300'000, 400'000, true});
        const LeaseRows careful = readLease(worker.peer, 2, 300'000);

        QCOMPARE(careful.problem, std::string());
        QCOMPARE(careful.batches.front(), std::size_t(1));
        QCOMPARE(careful.done, (Done{2, 100'000, false}));
    }

    void idleSessionUsesNoProcessor()
    {
        Worker worker;
        QVERIFY(worker.prepare("count"));
        worker.peer.send(Lease{1, 0, 10, false});
        QVERIFY(readLease(worker.peer, 1, 0).done);

        const auto before = processorTime();
        pollfd socket{worker.peer.fd(), POLLIN, 0};
        const int isHeard = ::poll(&socket, 1, 300); // the claim itself: nothing is said
        const auto used = processorTime() - before;

        QCOMPARE(isHeard, 0);
        QVERIFY2(used < std::chrono::milliseconds(100), QByteArray::number(qint64(used.count())).constData());
    }
};

QTEST_GUILESS_MAIN(TestSession)
#include "tst_session.moc"
