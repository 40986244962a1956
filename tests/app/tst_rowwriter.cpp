#include "app/csvwriter.h"
#include "app/rowwriter.h"
#include "tests/support/clirows.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace millrace;

namespace {

/// Consumers write here what they were asked, in order. Read it after `done`.
using Script = std::vector<std::string>;

/// Fails at the step whose name it is given.
class ScriptedConsumer : public RowConsumer
{
public:
    ScriptedConsumer(Script &script, std::string name, std::string failsAt = {})
        : m_script(script), m_name(std::move(name)), m_failsAt(std::move(failsAt))
    {
    }

    std::string begin(const RunShape &shape) override { return step("begin " + shape.series[0].name); }
    std::string write(const ReleasedRows &rows) override
    {
        return step("write " + std::to_string(rows.first) + "+" + std::to_string(rows.count));
    }
    std::string finish() override { return step("finish"); }

private:
    std::string step(const std::string &what)
    {
        m_script.push_back(m_name + ": " + what);
        return what == m_failsAt ? m_name + " is full" : std::string();
    }

    Script &m_script;
    const std::string m_name;
    const std::string m_failsAt;
};

/// Name, and the step at which it fails.
using Consumers = std::vector<std::pair<std::string, std::string>>;

/// A writer with its surroundings.
struct Writing
{
    Script script;
    std::atomic<int> doneCount = 0;
    std::shared_ptr<RememberedFeedback> feedback = std::make_shared<RememberedFeedback>();
    std::unique_ptr<RowWriter> writer;

    explicit Writing(const Consumers &consumers)
    {
        std::vector<std::unique_ptr<RowConsumer>> made;
        for (const auto &[name, failsAt] : consumers)
            made.push_back(std::make_unique<ScriptedConsumer>(script, name, failsAt));
        writer = std::make_unique<RowWriter>(std::move(made), [this] { ++doneCount; });
    }
};

} // namespace

class TestRowWriter : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void everyConsumerGetsEveryDeliveryInOrder()
    {
        Writing writing(Consumers{{"a", ""}, {"b", ""}});
        OwnedRows first(Columns{{1}}, 5);
        OwnedRows second(Columns{{2, 3}}, 6);

        writing.writer->begin(shapeOf({"v"}), writing.feedback);
        writing.writer->rows(first.all());
        writing.writer->rows(second.all());
        writing.writer->end();
        QTRY_COMPARE(writing.doneCount.load(), 1);

        const Script script = {"a: begin v",   "b: begin v",   "a: write 5+1", "b: write 5+1",
                               "a: write 6+2", "b: write 6+2", "a: finish",    "b: finish"};
        QCOMPARE(writing.script, script);
        QCOMPARE(writing.writer->error(), "");
        QCOMPARE(writing.feedback->failures(), 0);
    }

    void waitingNeighboursInOneMemoryBecomeOneDelivery()
    {
        Writing writing(Consumers{{"a", ""}});
        OwnedRows rows(Columns{{1, 2, 3}}, 5);

        for (std::uint64_t row = 0; row < 3; ++row)
            writing.writer->rows(rows.part(row, row + 1)); // they wait for begin()
        writing.writer->begin(shapeOf({"v"}), writing.feedback);
        writing.writer->end();
        QTRY_COMPARE(writing.doneCount.load(), 1);

        QCOMPARE(writing.script, (Script{"a: begin v", "a: write 5+3", "a: finish"}));
        QCOMPARE(writing.feedback->rowEnd(), std::uint64_t(8));
    }

    void writtenIsToldAfterEachDelivery()
    {
        Writing writing(Consumers{{"a", ""}});
        OwnedRows rows(Columns{{1, 2, 3}}, 5);
        writing.writer->begin(shapeOf({"v"}), writing.feedback);

        writing.writer->rows(rows.part(0, 1));
        QTRY_COMPARE(writing.feedback->rowEnd(), std::uint64_t(6));

        writing.writer->rows(rows.part(1, 3));
        QTRY_COMPARE(writing.feedback->rowEnd(), std::uint64_t(8));
        QTRY_COMPARE(rows.holders(), 0L); // their memory is free
    }

    void errorFailsTheRunOnce_data()
    {
        QTest::addColumn<QString>("step");
        QTest::addColumn<quint64>("written");

        QTest::newRow("begin") << "begin v" << quint64(0);
        QTest::newRow("first write") << "write 0+1" << quint64(0);
        QTest::newRow("later write") << "write 1+1" << quint64(1);
        QTest::newRow("finish") << "finish" << quint64(3);
    }

    void errorFailsTheRunOnce()
    {
        QFETCH(QString, step);
        QFETCH(quint64, written);
        Writing writing(Consumers{{"a", step.toStdString()}, {"b", ""}});

        writing.writer->begin(shapeOf({"v"}), writing.feedback);
        for (std::uint64_t row = 0; row < 3; ++row) {
            OwnedRows rows(Columns{{double(row)}}, row);
            writing.writer->rows(rows.all());
        }
        writing.writer->end();
        QTRY_COMPARE(writing.doneCount.load(), 1);

        QCOMPARE(writing.writer->error(), "a is full");
        QCOMPARE(writing.feedback->failures(), 1);
        QCOMPARE(writing.feedback->reason(), "a is full");
        QCOMPARE(quint64(writing.feedback->rowEnd()), written);
        QCOMPARE(writing.script.back(), "a: " + step.toStdString()); // nobody is asked after it
    }

    void rowsAfterAnErrorNeedNoMemory()
    {
        Writing writing(Consumers{{"a", "begin v"}});
        OwnedRows rows(Columns{std::vector<double>(100)});

        writing.writer->begin(shapeOf({"v"}), writing.feedback);
        for (std::uint64_t row = 0; row < 100; ++row)
            writing.writer->rows(rows.part(row, row + 1));

        QTRY_COMPARE(rows.holders(), 0L);
        QCOMPARE(writing.feedback->rowEnd(), std::uint64_t(0));
    }

    void endWithoutBeginLeavesNoFile()
    {
        const QTemporaryDir folder;
        const QString path = folder.filePath(QStringLiteral("rows.csv"));
        std::atomic<int> doneCount = 0;
        std::vector<std::unique_ptr<RowConsumer>> consumers;
        consumers.push_back(std::make_unique<CsvWriter>(path.toStdString()));
        RowWriter writer(std::move(consumers), [&] { ++doneCount; });

        writer.end();
        QTRY_COMPARE(doneCount.load(), 1);

        QVERIFY(!QFile::exists(path));
        QCOMPARE(writer.error(), "");
    }

    void runWithoutRowsHasItsHeader()
    {
        const QTemporaryDir folder;
        QFile file(folder.filePath(QStringLiteral("rows.csv")));
        std::atomic<int> doneCount = 0;
        std::vector<std::unique_ptr<RowConsumer>> consumers;
        consumers.push_back(std::make_unique<CsvWriter>(file.fileName().toStdString()));
        RowWriter writer(std::move(consumers), [&] { ++doneCount; });

        writer.begin(shapeOf({"v"}), std::make_shared<RememberedFeedback>());
        writer.end();
        QTRY_COMPARE(doneCount.load(), 1);

        QVERIFY(file.open(QIODevice::ReadOnly));
        QCOMPARE(file.readAll(), QByteArray("row,v\n"));
    }

    void doneIsToldOnceHoweverOftenItEnds()
    {
        Writing writing(Consumers{{"a", ""}});

        writing.writer->end();
        writing.writer->end();
        QTRY_COMPARE(writing.doneCount.load(), 1);
        writing.writer->end();
        writing.writer.reset();

        QCOMPARE(writing.doneCount.load(), 1);
    }

    void destructionFinishesWhatWasBegun()
    {
        Writing writing(Consumers{{"a", ""}});
        OwnedRows rows(Columns{{1}});

        writing.writer->begin(shapeOf({"v"}), writing.feedback);
        writing.writer->rows(rows.all());
        writing.writer.reset();

        const Script script = {"a: begin v", "a: write 0+1", "a: finish"};
        QCOMPARE(writing.script, script);
        QCOMPARE(writing.doneCount.load(), 1);
    }
};

QTEST_GUILESS_MAIN(TestRowWriter)
#include "tst_rowwriter.moc"
