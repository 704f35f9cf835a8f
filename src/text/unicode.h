// Characters in UTF-8, one at a time; bytes that are no UTF-8 are characters of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hew {

struct Character {
  int32_t code = -1;  // code point; -1: a byte that is no UTF-8
  size_t bytes = 0;
};

Character CharacterAt(std::string_view text, size_t at);       // at < text.size()
Character CharacterBefore(std::string_view text, size_t end);  // 0 < end <= text.size()

bool IsSpace(int32_t code);     // Unicode's White_Space
bool IsWordCode(int32_t code);  // \w: letters, marks, numbers, connecting punctuation

std::string_view StripLeft(std::string_view text);
std::string_view StripRight(std::string_view text);

}  // namespace hew
