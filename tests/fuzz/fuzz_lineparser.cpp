#include "tests/workers/tasks/parsed.h"

#include "workers/tasks/lineevents.h"
#include "workers/tasks/wording.h"

#include <cstdint>
#include <cstdlib>

/// The first byte chooses the pattern (its two low bits) and the sizes of the pieces; the rest is what a
/// program prints. Checked: any split gives the same lines, names are fit to show, rows are as wide as there
/// are names.
namespace {

using namespace millrace;

void require(bool claim)
{
    if (!claim)
        std::abort();
}

LineParser makeParser(unsigned choice)
{
    constexpr const char *patterns[] = {"", "(\\S+)", "(?<a>[^=]+)=(.*)", "(a*)*b(.)?"};
    if (choice == 0)
        return LineParser(nullptr, "time");
    return LineParser(std::get<std::unique_ptr<RowPattern>>(RowPattern::compile(patterns[choice])), "time");
}

void checkNames(const LineParser &parser)
{
    for (const std::string &name : parser.names()) {
        require(!name.empty() && name.size() <= 64 && name != "time");
        require(escaped(name, 64) == name); // valid UTF-8, no control characters
    }
    require(parser.row().size() == parser.names().size() && parser.row().size() <= seriesMax);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0)
        return 0;
    const unsigned choice = data[0] & 3;
    const std::size_t pieceBytes = data[0] >> 2;
    const std::string_view bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
    LineParser whole = makeParser(choice);
    LineParser pieces = makeParser(choice);

    const auto lines = parsed(whole, bytes);
    require(lines == parsed(pieces, bytes, [pieceBytes](std::size_t) { return pieceBytes; }));
    require(whole.names() == pieces.names());
    checkNames(whole);

    LineEvents events;
    for (const std::string &line : lines)
        events.line(line, [] { return std::string(); });
    events.finish();
    return 0;
}
