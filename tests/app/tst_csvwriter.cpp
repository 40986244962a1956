#include "app/csvwriter.h"
#include "tests/support/clirows.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <bit>
#include <charconv>
#include <cmath>
#include <csignal>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>

using namespace millrace;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// Puts another file in the place of stdout for as long as it lives.
class StdoutElsewhere
{
public:
    explicit StdoutElsewhere(int fd) : m_before(::dup(STDOUT_FILENO))
    {
        std::fflush(stdout);
        ::dup2(fd, STDOUT_FILENO);
    }
    ~StdoutElsewhere()
    {
        ::dup2(m_before, STDOUT_FILENO);
        ::close(m_before);
    }

private:
    const int m_before;
};

/// The first error of all steps; empty: none.
std::string errorOfAll(CsvWriter &writer, const RunShape &shape, OwnedRows &rows)
{
    std::string error = writer.begin(shape);
    if (error.empty())
        error = writer.write(rows.all());
    return error.empty() ? writer.finish() : error;
}

} // namespace

class TestCsvWriter : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;

    QString path() const { return m_folder.filePath(QStringLiteral("rows.csv")); }

    QByteArray content() const
    {
        QFile file(path());
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("no file");
    }

    QByteArray written(const RunShape &shape, OwnedRows rows)
    {
        CsvWriter writer(path().toStdString());
        const std::string error = errorOfAll(writer, shape, rows);
        return error.empty() ? content() : QByteArray::fromStdString("error: " + error);
    }

private Q_SLOTS:
    void initTestCase() { std::signal(SIGPIPE, SIG_IGN); } // as main() does
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void headerNamesTheColumns()
    {
        QCOMPARE(written(shapeOf({"price"}), OwnedRows(Columns{{4.75, 5}}, 7)),
                 QByteArray("row,price\n7,4.75\n8,5\n"));
        QCOMPARE(written(shapeOf({"a", "b"}), OwnedRows(Columns{{1}, {2}})), QByteArray("row,a,b\n0,1,2\n"));
    }

    void timeComesBeforeTheSeries()
    {
        QCOMPARE(written(shapeOf({"value"}, true), OwnedRows(Columns{{0.5}, {3}})),
                 QByteArray("row,time,value\n0,0.5,3\n"));
    }

    void valuesAreShortestAndReadBackToTheBit()
    {
        std::vector<double> values = {0.1,
                                      1.0 / 3,
                                      1e300,
                                      5e-324,
                                      -0.0,
                                      123456789,
                                      1e22,
                                      2.5e-8,
                                      -1e15,
                                      4503599627370497.5,
                                      std::numeric_limits<double>::max()};
        std::uint64_t bits = 1;
        while (values.size() < 5000) { // any bits
            bits = bits * 6364136223846793005u + 1442695040888963407u;
            if (const double value = std::bit_cast<double>(bits); std::isfinite(value))
                values.push_back(value);
        }

        const QList<QByteArray> lines = written(shapeOf({"value"}), OwnedRows({values})).split('\n');

        QCOMPARE(lines.size(), qsizetype(values.size() + 2));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const QByteArray cell = lines[qsizetype(i + 1)].split(',').at(1);
            double value = 0;
            std::from_chars(cell.begin(), cell.end(), value);
            QCOMPARE(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(values[i]));
            QVERIFY(cell.size() <= 24);
        }
        QCOMPARE(lines[1], QByteArray("0,0.1"));
        QCOMPARE(lines[5], QByteArray("4,-0"));
    }

    void nonFiniteValuesHaveOneSpellingEach()
    {
        QCOMPARE(written(shapeOf({"v"}), OwnedRows(Columns{{notANumber, -notANumber, infinity, -infinity}})),
                 QByteArray("row,v\n0,nan\n1,nan\n2,inf\n3,-inf\n"));
    }

    void namesAreQuotedAndNoFormulas_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::addColumn<QByteArray>("cell");

        QTest::newRow("plain") << QByteArray("price") << QByteArray("price");
        QTest::newRow("empty") << QByteArray() << QByteArray();
        QTest::newRow("blank") << QByteArray("a b") << QByteArray("a b");
        QTest::newRow("comma") << QByteArray("a,b") << QByteArray("\"a,b\"");
        QTest::newRow("quote") << QByteArray("a\"b") << QByteArray("\"a\"\"b\"");
        QTest::newRow("line feed") << QByteArray("a\nb") << QByteArray("\"a\nb\"");
        QTest::newRow("carriage return") << QByteArray("a\rb") << QByteArray("\"a\rb\"");
        QTest::newRow("umlaut") << QByteArray("größe") << QByteArray("größe");
        QTest::newRow("=") << QByteArray("=1+1") << QByteArray("'=1+1");
        QTest::newRow("+") << QByteArray("+1") << QByteArray("'+1");
        QTest::newRow("-") << QByteArray("-1") << QByteArray("'-1");
        QTest::newRow("@") << QByteArray("@SUM(A1)") << QByteArray("'@SUM(A1)");
        QTest::newRow("tab") << QByteArray("\t=1") << QByteArray("'\t=1");
        QTest::newRow("both") << QByteArray("=A1,\"x\"") << QByteArray("\"'=A1,\"\"x\"\"\"");
        QTest::newRow("= inside") << QByteArray("a=1") << QByteArray("a=1");
    }

    void namesAreQuotedAndNoFormulas()
    {
        QFETCH(QByteArray, name);
        QFETCH(QByteArray, cell);

        QCOMPARE(QByteArray::fromStdString(csvCell(name.toStdString())), cell);
        QCOMPARE(written(shapeOf({name.toStdString()}), OwnedRows(Columns{{1}})), "row," + cell + "\n0,1\n");
    }

    void manyColumnsAndRowsAreAllThere()
    {
        constexpr std::size_t columns = 1024;
        constexpr std::size_t rows = 700; // several buffers full
        std::vector<std::string> names;
        for (std::size_t i = 0; i < columns; ++i)
            names.push_back("s" + std::to_string(i));

        const auto lines =
            written(shapeOf(names),
                    OwnedRows(std::vector(columns, std::vector<double>(rows, -2.2250738585072014e-308))))
                .split('\n');

        QCOMPARE(lines.size(), qsizetype(rows + 2));
        QVERIFY(lines.last().isEmpty());
        for (std::size_t row = 0; row < rows; ++row) {
            const auto cells = lines[qsizetype(row + 1)].split(',');
            QCOMPARE(cells.size(), qsizetype(columns + 1));
            QCOMPARE(cells.first(), QByteArray::number(qulonglong(row)));
            QCOMPARE(cells.count("-2.2250738585072014e-308"), qsizetype(columns));
        }
    }

    void rowsAreInTheFileAfterEachDelivery()
    {
        OwnedRows rows(Columns{{1, 2, 3}});
        CsvWriter writer(path().toStdString());

        QCOMPARE(writer.begin(shapeOf({"v"})), "");
        QCOMPARE(writer.write(rows.part(0, 1)), "");
        QCOMPARE(content(), QByteArray("row,v\n0,1\n"));
        QCOMPARE(writer.write(rows.part(1, 3)), "");
        QCOMPARE(content(), QByteArray("row,v\n0,1\n1,2\n2,3\n"));
    }

    void fileThatWasThereIsReplaced()
    {
        QFile file(path());
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(QByteArray(100'000, 'x'));
        file.close();

        QCOMPARE(written(shapeOf({"v"}), OwnedRows(Columns{{1}})), QByteArray("row,v\n0,1\n"));
    }

    void fileIsNotThereBeforeTheRunBegins()
    {
        QFile::remove(path());

        const CsvWriter writer(path().toStdString());

        QVERIFY(!QFile::exists(path()));
    }

    void fullDiskIsTold()
    {
        OwnedRows rows(Columns{{1}});
        CsvWriter writer("/dev/full");

        QCOMPARE(writer.begin(shapeOf({"v"})), "");
        QCOMPARE(writer.write(rows.all()), "cannot write to /dev/full: No space left on device");
    }

    void missingFolderIsTold()
    {
        CsvWriter writer("/nowhere/rows.csv");

        QCOMPARE(writer.begin(shapeOf({"v"})),
                 "cannot write to /nowhere/rows.csv: No such file or directory");
        QCOMPARE(writer.finish(), "");
    }

    void folderInPlaceOfTheFileIsTold()
    {
        CsvWriter writer(m_folder.path().toStdString());

        QCOMPARE(writer.begin(shapeOf({"v"})),
                 "cannot write to " + m_folder.path().toStdString() + ": Is a directory");
    }

    void readerThatHasGoneIsTold()
    {
        int ends[2] = {-1, -1};
        QCOMPARE(::pipe(ends), 0);
        ::close(ends[0]);
        OwnedRows rows(Columns{{1}});
        std::string error;
        {
            const StdoutElsewhere elsewhere(ends[1]);
            CsvWriter writer("-");
            error = errorOfAll(writer, shapeOf({"v"}), rows);
        }
        ::close(ends[1]);

        QCOMPARE(error, "the reader of stdout has gone");
    }

    void fifoWithoutReaderIsTold()
    {
        const std::string fifo = m_folder.filePath(QStringLiteral("fifo")).toStdString();
        QCOMPARE(::mkfifo(fifo.c_str(), 0600), 0);
        const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
        OwnedRows rows(Columns{{1}});
        CsvWriter writer(fifo);
        QCOMPARE(writer.begin(shapeOf({"v"})), "");
        ::close(reader);

        QCOMPARE(writer.write(rows.all()), "the reader of " + fifo + " has gone");
    }

    void dashIsStdoutAndStaysOpen()
    {
        QFile file(path());
        QVERIFY(file.open(QIODevice::ReadWrite | QIODevice::Truncate));
        OwnedRows rows(Columns{{1, 2}});
        std::string error;
        {
            const StdoutElsewhere elsewhere(file.handle());
            {
                CsvWriter writer("-");
                error = errorOfAll(writer, shapeOf({"v"}), rows);
            }
            QVERIFY(::write(STDOUT_FILENO, "more", 4) == 4);
        }

        QCOMPARE(error, "");
        QCOMPARE(content(), QByteArray("row,v\n0,1\n1,2\nmore"));
    }
};

QTEST_GUILESS_MAIN(TestCsvWriter)
#include "tst_csvwriter.moc"
