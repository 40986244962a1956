#include "app/digester.h"
#include "tests/support/clirows.h"

#include <QCryptographicHash>
#include <QTest>
#include <QtEndian>

#include <bit>
#include <cmath>
#include <limits>

using namespace millrace;

namespace {

/// Values of every kind, the same in each run of the test.
Columns madeColumns(std::size_t columns, std::size_t rows)
{
    Columns result(columns);
    for (std::size_t column = 0; column < columns; ++column) {
        for (std::size_t row = 0; row < rows; ++row) {
            double value = std::ldexp(double(row * 7919 + column) - 1e4, int(row % 100) - 50);
            if (row % 97 == 13)
                value = std::numeric_limits<double>::quiet_NaN();
            if (row % 89 == 5)
                value = -std::numeric_limits<double>::infinity();
            result[column].push_back(value);
        }
    }
    return result;
}

/// The same by another way: byte for byte, with Qt's SHA-256.
std::string expected(const Columns &columns, std::size_t firstColumn)
{
    QByteArray bytes;
    for (std::size_t row = 0; row < columns[0].size(); ++row) {
        for (std::size_t column = firstColumn; column < columns.size(); ++column) {
            const auto bits = qToLittleEndian(std::bit_cast<quint64>(columns[column][row]));
            bytes.append(reinterpret_cast<const char *>(&bits), sizeof bits);
        }
    }
    return QCryptographicHash::hash(bytes, QCryptographicHash::Sha256).toHex().toStdString();
}

RunShape shapeFor(std::size_t columns, bool timed)
{
    return shapeOf(std::vector<std::string>(columns - (timed ? 1 : 0), "s"), timed);
}

/// Delivers the rows in pieces of `step`, 0: of growing sizes.
std::string digestOf(const Columns &columns, bool timed, std::size_t step)
{
    std::string result;
    Digester digester(result);
    OwnedRows rows(columns);
    std::string error = digester.begin(shapeFor(columns.size(), timed));
    std::size_t size = std::max<std::size_t>(step, 1);
    for (std::size_t begin = 0; begin < rows.count(); begin += size, size = step == 0 ? size * 2 + 1 : size)
        error += digester.write(rows.part(begin, std::min<std::size_t>(begin + size, rows.count())));
    error += digester.finish();
    return error.empty() ? result : error;
}

} // namespace

class TestDigester : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void digestIsThatOfTheRows_data()
    {
        QTest::addColumn<int>("columns");
        QTest::addColumn<bool>("timed");
        QTest::addColumn<int>("rows");

        for (const int rows : {1, 1000, 20'000}) {
            QTest::addRow("1 series, %d rows", rows) << 1 << false << rows;
            QTest::addRow("3 series, %d rows", rows) << 3 << false << rows;
            QTest::addRow("time and 1 series, %d rows", rows) << 2 << true << rows;
            QTest::addRow("time and 3 series, %d rows", rows) << 4 << true << rows;
        }
        QTest::newRow("1024 series") << 1024 << false << 20;
        QTest::newRow("5000 columns, more than are turned at a time") << 5000 << false << 3;
    }

    void digestIsThatOfTheRows()
    {
        QFETCH(int, columns);
        QFETCH(bool, timed);
        QFETCH(int, rows);
        const Columns values = madeColumns(std::size_t(columns), std::size_t(rows));

        const std::string digest = expected(values, timed ? 1 : 0);

        QCOMPARE(digestOf(values, timed, std::size_t(rows)), digest);
        for (const std::size_t step : {0, 1, 7, 1024, 1365, 1366}) // any split of the rows is the same
            QCOMPARE(digestOf(values, timed, step), digest);
    }

    void knownDigestIsMet()
    {
        // python3 -c 'import hashlib, struct; print(hashlib.sha256(struct.pack("<3d", 0, 1, 2)).hexdigest())'
        QCOMPARE(digestOf({{0, 1, 2}}, false, 3),
                 "b0c45303f7f11848cb5e6e5b2af2fb2aecd0b72c28748b88b583ab6bb76df174");
        QCOMPARE(digestOf({{0}, {1}, {2}}, false, 1), digestOf({{0, 1, 2}}, false, 3));
    }

    void noRowsHaveTheDigestOfNothing()
    {
        std::string result;
        Digester digester(result);

        QCOMPARE(digester.begin(shapeOf({"v"})), "");
        QCOMPARE(digester.finish(), "");
        QCOMPARE(result, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    void nothingIsToldBeforeTheEnd()
    {
        std::string result;
        Digester digester(result);
        OwnedRows rows(Columns{{1, 2}});

        digester.begin(shapeOf({"v"}));
        digester.write(rows.all());

        QCOMPARE(result, "");
    }
};

QTEST_GUILESS_MAIN(TestDigester)
#include "tst_digester.moc"
