// GPT-2's spelling of bytes: every byte is one printable character, so that a vocabulary is plain text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hew {

// "Ġthe" -> " the". nullopt when a character stands for no byte (a special token's own text).
std::optional<std::string> BytesFromByteLevel(std::string_view spelled);
// " the" -> "Ġthe".
std::string ByteLevelFromBytes(std::string_view bytes);

}  // namespace hew
