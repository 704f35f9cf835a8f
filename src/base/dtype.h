// Element types of tensors in files and in memory, with the block sizes of GGUF's quantised types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hew {

enum class DType : uint8_t {
  kF32, kF16, kBF16, kF64,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0,
  kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K,
  kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kBool,
};

struct DTypeInfo {
  std::string_view name;   // "F32", "Q4_1", ... as GGUF and safetensors spell it
  int64_t block_elements;  // elements in one block; 1 for plain types
  int64_t block_bytes;     // bytes of one block
};

const DTypeInfo& InfoOf(DType type);
std::optional<DType> DTypeFromName(std::string_view name);  // upper or lower case
bool IsQuantized(DType type);                               // block_elements > 1
inline std::string_view NameOf(DType type) { return InfoOf(type).name; }
// Bytes of `elements` values in a row; elements must be a multiple of block_elements.
int64_t RowBytes(DType type, int64_t elements);

}  // namespace hew
