// What a whole model can be written in, by the names people know from llama-quantize: one element type for most
// matrices, and rules that give a better one to those that suffer most from rounding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "model/model.h"

namespace hew {

// kSmall and kMedium (Q4_K_S, Q4_K_M): attn_v and ffn_down of some layers are better than the rest; more of them, and
// better still, in kMedium.
enum class TypeMix : uint8_t { kNone, kSmall, kMedium };

struct FileType {
  DType main = DType::kF32;
  TypeMix mix = TypeMix::kNone;

  FileType(DType type) : main(type) {}  // NOLINT: a type is its own plain mix
  FileType(DType type, TypeMix mix) : main(type), mix(mix) {}
  bool operator==(const FileType&) const = default;
};

// "F16", "Q4_0", "Q4_K_M", ... in upper or lower case; Q4_K and Q5_K stand for their medium mixes.
std::optional<FileType> FileTypeFromName(std::string_view name);
std::string NameOf(FileType type);
std::string KnownFileTypes();                               // "F32, F16, ...": for messages and help
std::optional<uint32_t> GgufFileTypeNumber(FileType type);  // general.file_type

// The type of a projection of layer `layer` of `layers`, before any fallback.
DType ProjectionType(FileType type, Projection p, int64_t layer, int64_t layers);
// The type of the head, or of the embedding that is also the head.
DType HeadType(FileType type);
// `type`, or what stands in for it where a row of `cols` values is no multiple of its block: Q4_K -> Q5_0,
// Q5_K -> Q5_1, Q6_K -> Q8_0, and F16 where that does not fit either.
DType TypeForRow(DType type, int64_t cols);

}  // namespace hew
