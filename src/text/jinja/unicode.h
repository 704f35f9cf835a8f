// Text as Python's str sees it, over UTF-8 bytes: code points, white space, case, printable characters, line breaks.
// A byte that is not valid UTF-8 counts as one character and is passed through unchanged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hew::jinja {

struct CodePoint {
  uint32_t value = 0;  // kInvalidByte for a byte that is no UTF-8
  size_t bytes = 0;    // how many bytes it takes, at least 1
};
inline constexpr uint32_t kInvalidByte = 0xFFFFFFFF;

// The code point that begins at `pos`, which must lie inside `text`.
CodePoint DecodeAt(std::string_view text, size_t pos);
void AppendUtf8(uint32_t code_point, std::string* out);

size_t CodePointCount(std::string_view text);
// text.find(part, from), in time linear in both whatever they are: std::string_view::find is not.
size_t FindText(std::string_view text, std::string_view part, size_t from = 0);
// The byte offset of each code point, and text.size() at the end.
std::vector<size_t> CodePointOffsets(std::string_view text);

bool IsSpace(uint32_t code_point);         // str.isspace
bool IsLineBreak(uint32_t code_point);     // where str.splitlines cuts
bool IsPrintable(uint32_t code_point);     // str.isprintable
bool IsLetter(uint32_t code_point);        // has upper or lower case: str.title continues a word after it
bool IsDecimalDigit(uint32_t code_point);  // str.isdecimal
bool IsAlphabetic(uint32_t code_point);    // str.isalpha
inline bool IsAlphanumeric(uint32_t code_point) { return IsDecimalDigit(code_point) || IsAlphabetic(code_point); }

std::string_view StripSpace(std::string_view text, bool left, bool right);
// Strips any of the characters in `set`.
std::string_view StripSet(std::string_view text, std::string_view set, bool left, bool right);
std::vector<std::string_view> SplitLines(std::string_view text);

std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string TitleCase(std::string_view text);   // str.title
std::string Capitalize(std::string_view text);  // str.capitalize

// repr(text): quotes and escapes as Python chooses them.
std::string QuotePython(std::string_view text);
// repr(number): the shortest digits that read back the same.
std::string FloatRepr(double value);

}  // namespace hew::jinja
