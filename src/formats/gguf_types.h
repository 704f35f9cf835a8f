// GGUF's own type numbers, shared by its reader and writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"

namespace hew::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr uint32_t kDefaultAlignment = 32;
inline constexpr size_t kMaxDimensions = 4;

// Types of metadata values. The numbers are the alternatives of GgufValue and, without kArray, of GgufArray.
enum ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
  kValueTypes,
};
std::string_view ValueTypeName(uint32_t type);  // "u32", "array", ...

std::optional<DType> TensorType(uint32_t number);
// The number of a type GGUF can hold; none for unsigned integers and BOOL.
std::optional<uint32_t> TensorTypeNumber(DType type);
// "IQ4_XS (23)" for types that llama.cpp knows and Hew does not read, else "type 99".
std::string UnknownTensorType(uint32_t number);

}  // namespace hew::gguf
