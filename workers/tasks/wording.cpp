#include "workers/tasks/wording.h"

#include <glib.h>

namespace millrace {

namespace {

/// The first character of `text`: its bytes, none if they are no UTF-8 (one byte is consumed then).
struct Character
{
    std::string_view bytes;
    bool valid = false;
    bool control = false;
};

Character firstCharacter(std::string_view text)
{
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80)
        return {text.substr(0, 1), true, lead < 0x20 || lead == 0x7f};
    const gunichar code = g_utf8_get_char_validated(text.data(), static_cast<gssize>(text.size()));
    if (code == static_cast<gunichar>(-1) || code == static_cast<gunichar>(-2))
        return {text.substr(0, 1), false, false};
    const auto bytes = static_cast<std::size_t>(g_utf8_next_char(text.data()) - text.data());
    return {text.substr(0, bytes), true, code < 0xa0};
}

std::string escape(char byte)
{
    switch (byte) {
    case '\t':
        return "\\t";
    case '\r':
        return "\\r";
    case '\n':
        return "\\n";
    default:
        break;
    }
    constexpr char digits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    return {'\\', 'x', digits[value >> 4], digits[value & 15]};
}

} // namespace

std::string withThousands(std::uint64_t number)
{
    std::string result = std::to_string(number);
    for (std::size_t place = result.size(); place > 3;) {
        place -= 3;
        result.insert(place, ",");
    }
    return result;
}

std::string counted(std::uint64_t number, std::string_view noun)
{
    return withThousands(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

std::string escaped(std::string_view text, std::size_t bytesMax)
{
    std::string result;
    while (!text.empty()) {
        const Character character = firstCharacter(text);
        std::string piece;
        if (character.valid && !character.control) {
            piece = character.bytes;
        } else {
            for (const char byte : character.bytes)
                piece += escape(byte);
        }
        if (result.size() + piece.size() > bytesMax)
            return result + "...";
        result += piece;
        text.remove_prefix(character.bytes.size());
    }
    return result;
}

std::string printable(std::string_view text, std::size_t bytesMax)
{
    std::string result;
    while (!text.empty()) {
        const Character character = firstCharacter(text);
        const std::string_view piece = character.valid ? character.bytes : "\xef\xbf\xbd";
        if (!character.control) {
            if (result.size() + piece.size() > bytesMax)
                break;
            result += piece;
        }
        text.remove_prefix(character.bytes.size());
    }
    return result;
}

} // namespace millrace
