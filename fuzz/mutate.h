// Small changes to inputs that keep most of their meaning.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"

namespace hew::fuzz {

// A number at which arithmetic turns over: near 0, a power of two, or the ends of a type.
uint64_t EdgeNumber(Random& random);

// Text: a word put in, a piece doubled, dropped or moved, a byte changed.
std::string MutateText(std::string_view text, std::span<const char* const> words, Random& random);

// JSON: one value replaced, dropped, copied elsewhere, wrapped; a key renamed. Text that is no JSON is changed as text.
std::string MutateJson(std::string_view text, std::span<const char* const> words, Random& random);

// GGUF: entries and tensors dropped, doubled, swapped, with other types, shapes, offsets and numbers; counts and
// padding follow, except where they are what is changed.
std::string MutateGguf(std::string_view bytes, Random& random);

// safetensors: the header changed as JSON, its length put right, the data cut or extended.
std::string MutateSafetensors(std::string_view bytes, std::span<const char* const> words, Random& random);

// Two inputs in one, for readers of two files: a length of 4 bytes, the first, the second.
std::string Joined(std::string_view first, std::string_view second);
std::pair<std::string_view, std::string_view> Parted(std::string_view bytes);

}  // namespace hew::fuzz
