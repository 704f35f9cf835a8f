#pragma once

#include <string>
#include <string_view>

namespace hew {

// Text from a file as an error message may repeat it: one line, at most `max_bytes` of the text and then "...", control
// characters and bytes that are no UTF-8 as \xNN.
std::string Shown(std::string_view text, size_t max_bytes = 80);

// Offset of the first byte that does not belong to well-formed UTF-8 (no overlong forms, surrogates or values past
// U+10FFFF), or npos.
size_t FindInvalidUtf8(std::string_view text);

}  // namespace hew
