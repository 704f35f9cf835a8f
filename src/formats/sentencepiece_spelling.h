// What the tokenizers of both formats have to know alike: how SentencePiece spells what is not plain text, and what
// GGUF leaves to the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hew {

// The sign for a space, U+2581.
inline constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

// How the words of a learned unigram vocabulary are found in a text with signs for its spaces: a space goes with what
// is behind it, line ends stand alone. No piece goes across, so that a text cut so or not falls into the same pieces.
inline constexpr std::string_view kUnigramWords = "\xE2\x96\x81?[^\xE2\x96\x81\\n]+|\xE2\x96\x81|\\n";

// "<0x0A>" is the token of one byte.
std::string ByteTokenSpelling(uint8_t byte);
std::optional<uint8_t> ByteOfToken(std::string_view spelling);

// Whether a special token takes the white space behind it along. GGUF does not say; llama.cpp knows it of Phi-3 by the
// model's general.name.
bool TakesSpaceBehind(std::string_view model_name, std::string_view token);

}  // namespace hew
