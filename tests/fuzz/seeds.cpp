// fuzz_seeds DIRECTORY: writes the first inputs of fuzz_description, fuzz_frames and fuzz_parameters below
// it.

#include "workers/protocol/description.h"
#include "workers/protocol/messages.h"

#include <QDir>
#include <QFile>

#include <cstdio>

namespace {

using namespace millrace;

void write(const QString &directory, const char *name, const QByteArray &bytes)
{
    QDir().mkpath(directory);
    QFile file(directory + QLatin1Char('/') + QLatin1String(name));
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
        std::fprintf(stderr, "%s cannot be written\n", qPrintable(file.fileName()));
}

QByteArray rows(std::uint32_t columnCount, const std::vector<double> &values)
{
    const auto bytes = std::uint32_t(values.size() * sizeof(double));
    const auto header =
        encodeHeader({FrameType::Rows, 1, bytes, std::uint32_t(values.size()) / columnCount, 1, 0});
    return QByteArray(reinterpret_cast<const char *>(header.data()), headerBytes) +
           QByteArray(reinterpret_cast<const char *>(values.data()), qsizetype(bytes));
}

void writeFrames(const QString &directory)
{
    const QByteArray oneColumn(1, 16 << 2);
    const QByteArray threeColumns(1, 5 << 2 | 2);
    const auto one = [&](const char *name, const Message &message) {
        write(directory, name, oneColumn + encodeMessage(message, 1));
    };
    RunShape shape;
    shape.series = {{"price", "EUR", 10.5}, {"count", "", std::nullopt}};
    shape.rows = 1000;
    one("hello", Hello{1, 0, "tally", "tally 1.0", {"one"}});
    one("prepare",
        Prepare{"tally",
                {{"on", true}, {"count", std::int64_t(7)}, {"step", 0.5}, {"text", std::string("é")}},
                7,
                100,
                2,
                1,
                1});
    one("prepared", Prepared{shape});
    one("refused", Refused{{{"step", "step must be a number from 0 to 1"}}});
    one("lease", Lease{1, 10, 20, true});
    one("done", Done{1, 10, false});
    one("giveback", GiveBack{1});
    one("givenback", GivenBack{1, true});
    one("failed", Failed{"std::runtime_error", "no such file", "main", 7});
    one("log", Log{Log::Level::Warning, "half of it is missing", 3});
    one("ping", Ping{7});
    one("bye", Bye{});
    write(directory, "rows-1", oneColumn + rows(1, {1, 2, 3}) + encodeMessage(Done{1, 3, true}, 1));
    write(directory, "rows-3",
          threeColumns + encodeMessage(Park{}, 1) + rows(3, {1, 2, 3, 4, 5, 6}) + encodeMessage(Stop{}, 1));
    write(directory, "garbage", oneColumn + "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

void writeParameters(const QString &directory)
{
    const auto one = [&](const char *name, ParameterType type, double minimum, double maximum,
                         const QByteArray &text) {
        QByteArray bytes(1, char(type));
        bytes.append(reinterpret_cast<const char *>(&minimum), sizeof minimum);
        bytes.append(reinterpret_cast<const char *>(&maximum), sizeof maximum);
        write(directory, name, bytes + text);
    };
    one("number", ParameterType::Number, -1e308, 1e308, "-0.25e-3");
    one("number-out", ParameterType::Number, 0, 1, "+2.5");
    one("number-nan", ParameterType::Number, 0, 1, "nan");
    one("integer", ParameterType::Integer, -1e15, 1e15, "123456789012");
    one("integer-exponent", ParameterType::Integer, 0, 1e15, "1e9");
    one("integer-wide", ParameterType::Integer, -1e300, 1e300, "9223372036854775807");
    one("text", ParameterType::Text, 0, 0,
        "gr\xc3\xb6\xc3\x9f"
        "er");
    one("text-broken", ParameterType::Text, 0, 0, "\xed\xa0\x80\xf4\x90\x80\x80");
    one("choice", ParameterType::Choice, 0, 0, "put");
    one("switch", ParameterType::Switch, 0, 0, "yes");
}

void writeDescriptions(const QString &directory)
{
    const auto parameter = [](const char *name, ParameterType type, ParameterValue initial) {
        ParameterDescription result{name, "Title", type, "m", std::move(initial), 0, 0, {}, "Help."};
        if (type == ParameterType::Choice)
            result.choices = {"call", "put"};
        else if (type == ParameterType::Number || type == ParameterType::Integer)
            result.maximum = 10;
        return result;
    };
    write(directory, "empty", describeTasks({}));
    write(directory, "plain", describeTasks({{"plain", "Plain", "Help.", Access::System, {}}}));
    write(directory, "types",
          describeTasks({{"types",
                          "Types",
                          "Help.",
                          Access::Compute,
                          {parameter("number", ParameterType::Number, 0.5),
                           parameter("integer", ParameterType::Integer, std::int64_t(7)),
                           parameter("text", ParameterType::Text, std::string("é")),
                           parameter("choice", ParameterType::Choice, std::string("put")),
                           parameter("switch", ParameterType::Switch, true)}}}));
    write(directory, "version", R"({"millrace": 2, "tasks": []})");
    write(directory, "other", "usage: tool [--help]");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fputs("usage: fuzz_seeds DIRECTORY\n", stderr);
        return 64;
    }
    const QString directory = QFile::decodeName(argv[1]);
    writeDescriptions(directory + QStringLiteral("/description"));
    writeFrames(directory + QStringLiteral("/frames"));
    writeParameters(directory + QStringLiteral("/parameters"));
    return 0;
}
