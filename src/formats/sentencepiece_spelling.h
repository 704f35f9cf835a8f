// How SentencePiece vocabularies spell what is not plain text, the same in every format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hew {

// The sign for a space, U+2581.
inline constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

// "<0x0A>" is the token of one byte.
std::string ByteTokenSpelling(uint8_t byte);
std::optional<uint8_t> ByteOfToken(std::string_view spelling);

}  // namespace hew
