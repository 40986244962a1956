#include "workers/tasks/pathmath.h"

#include <QTest>

#include <Random123/philox.h>
#include <sleef.h>

#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

using namespace millrace;

namespace {

using Sums = std::array<double, pathBlockSize>;

/// The same as pathmath.h documents, by other means: Random123's own Philox and SLEEF's plain C.
std::array<double, 2> normalPair(const PathBlock &block, std::uint32_t pair, std::uint32_t step)
{
    const auto low = [](std::uint64_t word) { return std::uint32_t(word); };
    const auto high = [](std::uint64_t word) { return std::uint32_t(word >> 32); };
    const auto words = r123::Philox4x32()({{step, pair, low(block.row), high(block.row)}},
                                          {{low(block.seed), high(block.seed)}});
    const auto upper52 = [](std::uint32_t first, std::uint32_t second) {
        return double(((std::uint64_t(second) << 32) | first) >> 12);
    };
    const double u = 1 - upper52(words[0], words[1]) / 0x1p52;
    const double v = 2 * (upper52(words[2], words[3]) / 0x1p52) - 1;
    const double radius = std::sqrt(-2 * Sleef_cinz_logd1_u35purec(u));
    const auto direction = Sleef_cinz_sincospid1_u35purec(v);
    return {radius * direction.y, radius * direction.x};
}

Sums simpleSums(const PathBlock &block)
{
    Sums sums{};
    for (std::uint32_t pair = 0; pair < block.pairs; ++pair)
        for (std::uint32_t step = 0; step < block.steps; ++step)
            for (std::size_t k = 0; k < 2; ++k)
                sums[2 * pair + k] += normalPair(block, block.firstPair + pair, step)[k];
    return sums;
}

std::vector<std::uint64_t> bits(const double *values, std::size_t count)
{
    std::vector<std::uint64_t> result(count);
    for (std::size_t i = 0; i < count; ++i)
        result[i] = std::bit_cast<std::uint64_t>(values[i]);
    return result;
}

/// Every kind that this processor can run.
std::vector<std::pair<const char *, const PathMath *>> kinds()
{
    std::vector<std::pair<const char *, const PathMath *>> result = {{"SSE2", &sse2PathMath()}};
    if (__builtin_cpu_supports("avx2"))
        result.emplace_back("AVX2", &avx2PathMath());
    return result;
}

/// Four million normal numbers; rows of different seeds, blocks and steps.
std::vector<double> manyNormals(const PathMath &math)
{
    std::vector<double> result;
    Sums sums;
    for (std::uint64_t row = 0; row < 4096; ++row) {
        math.normalSums({row % 3, row, std::uint32_t(row % 5) * 512, pathBlockSize / 2, 1}, sums.data());
        result.insert(result.end(), sums.begin(), sums.end());
    }
    return result;
}

} // namespace

class TestPathMath : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void philoxAgreesWithThePublishedAnswer()
    {
        // From Random123's table of known answers: what the tests below trust.
        const auto words = r123::Philox4x32()({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
                                              {{0xa4093822, 0x299f31d0}});

        QCOMPARE(words[0], 0xd16cfe09u);
        QCOMPARE(words[1], 0x94fdccebu);
        QCOMPARE(words[2], 0x5001e420u);
        QCOMPARE(words[3], 0x24126ea1u);
    }

    void sumsHaveTheDocumentedBits_data()
    {
        QTest::addColumn<quint64>("seed");
        QTest::addColumn<quint64>("row");
        QTest::addColumn<quint32>("firstPair");
        QTest::addColumn<quint32>("pairs");
        QTest::addColumn<quint32>("steps");

        QTest::newRow("first block") << quint64(0) << quint64(0) << 0u << 512u << 1u;
        QTest::newRow("many steps") << quint64(1) << quint64(2) << 512u << 512u << 100u;
        QTest::newRow("all bits in use")
            << quint64(0xfedcba9876543210) << quint64(0x123456789abcdef0) << 0xfffffe00u << 512u << 3u;
        QTest::newRow("largest seed and row") << ~quint64(0) << ~quint64(0) << 0x80000000u << 512u << 2u;
        for (const quint32 pairs : {1u, 2u, 3u, 4u, 5u, 511u})
            QTest::addRow("%u pairs", pairs) << quint64(7) << quint64(8) << 9u << pairs << 4u;
    }

    void sumsHaveTheDocumentedBits()
    {
        QFETCH(quint64, seed);
        QFETCH(quint64, row);
        QFETCH(quint32, firstPair);
        QFETCH(quint32, pairs);
        QFETCH(quint32, steps);
        const PathBlock block{seed, row, firstPair, pairs, steps};
        const auto expected = simpleSums(block);

        for (const auto &[name, math] : kinds()) {
            Sums sums;
            math->normalSums(block, sums.data());

            QVERIFY2(bits(sums.data(), 2 * pairs) == bits(expected.data(), 2 * pairs), name);
        }
    }

    void everyKindGivesTheSameNormalNumbers()
    {
        const auto expected = manyNormals(sse2PathMath());

        for (const auto &[name, math] : kinds()) {
            const auto normals = manyNormals(*math);

            QVERIFY2(bits(normals.data(), normals.size()) == bits(expected.data(), expected.size()), name);
        }
    }

    void everyKindGivesTheSameExponentials()
    {
        std::vector<double> arguments = {0,    -0.0, 1,     -1,     5e-324, 709.7, 709.9, -708.4,
                                         -745, -746, 1e300, -1e300, 0.5,    1e-20, 100,   -100};
        std::mt19937_64 random(1);
        while (arguments.size() < 1'000'000)
            arguments.push_back(std::uniform_real_distribution(-760.0, 760.0)(random));

        for (const auto &[name, math] : kinds()) {
            auto values = arguments;
            math->exponentials(values.data(), values.size());

            for (std::size_t i = 0; i < values.size(); ++i) {
                const double expected = Sleef_cinz_expd1_u10purec(arguments[i]);
                QVERIFY2(std::bit_cast<std::uint64_t>(values[i]) == std::bit_cast<std::uint64_t>(expected),
                         name);
            }
        }
    }

    void normalNumbersHaveTheMomentsOfTheNormalDistribution()
    {
        const auto normals = manyNormals(pathMath());
        const auto count = double(normals.size());
        std::array<double, 5> moments{};
        for (const double z : normals)
            for (std::size_t k = 1; k < moments.size(); ++k)
                moments[k] += std::pow(z, double(k)) / count;

        // Bounds are four standard errors; the variances of z^k are 1, 2, 15, 96.
        QVERIFY(std::abs(moments[1]) < 4 * std::sqrt(1 / count));
        QVERIFY(std::abs(moments[2] - 1) < 4 * std::sqrt(2 / count));
        QVERIFY(std::abs(moments[3]) < 4 * std::sqrt(15 / count));
        QVERIFY(std::abs(moments[4] - 3) < 4 * std::sqrt(96 / count));
    }

    void normalNumbersFillTheirDistribution()
    {
        const auto normals = manyNormals(pathMath());
        const auto count = double(normals.size());

        for (const double x : {-4.0, -2.0, -1.0, -0.1, 0.0, 0.5, 1.5, 3.0}) {
            const auto below = double(std::ranges::count_if(normals, [x](double z) { return z < x; }));
            const double expected = std::erfc(-x / std::sqrt(2.0)) / 2;
            QVERIFY(std::abs(below / count - expected) < 4 * std::sqrt(expected * (1 - expected) / count));
        }
    }

    void pathsOfAPairAndNeighboursAreUncorrelated()
    {
        const auto normals = manyNormals(pathMath());
        const auto count = double(normals.size());

        for (const std::size_t distance : {1u, 2u, 3u, 512u, 1024u}) {
            double sum = 0;
            for (std::size_t i = distance; i < normals.size(); ++i)
                sum += normals[i] * normals[i - distance];
            QVERIFY(std::abs(sum / count) < 4 / std::sqrt(count));
        }
    }
};

QTEST_GUILESS_MAIN(TestPathMath)
#include "tst_pathmath.moc"
