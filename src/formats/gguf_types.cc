#include "formats/gguf_types.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace hew::gguf {
namespace {

constexpr std::array<std::string_view, kValueTypes> kValueTypeNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

// ggml's numbers (enum ggml_type).
constexpr std::pair<uint32_t, DType> kTensorTypes[] = {
    {0, DType::kF32},   {1, DType::kF16},   {2, DType::kQ4_0},  {3, DType::kQ4_1},  {6, DType::kQ5_0},
    {7, DType::kQ5_1},  {8, DType::kQ8_0},  {10, DType::kQ2_K}, {11, DType::kQ3_K}, {12, DType::kQ4_K},
    {13, DType::kQ5_K}, {14, DType::kQ6_K}, {24, DType::kI8},   {25, DType::kI16},  {26, DType::kI32},
    {27, DType::kI64},  {28, DType::kF64},  {30, DType::kBF16}};

constexpr std::pair<uint32_t, std::string_view> kUnread[] = {
    {4, "Q4_2"},     {5, "Q4_3"},   {9, "Q8_1"},    {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
    {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"},
    {29, "IQ1_M"},   {34, "TQ1_0"}, {35, "TQ2_0"},  {39, "MXFP4"}};

}  // namespace

std::string_view ValueTypeName(uint32_t type) { return type < kValueTypes ? kValueTypeNames[type] : "unknown"; }

std::optional<DType> TensorType(uint32_t number) {
  for (const auto& [known, type] : kTensorTypes) {
    if (known == number) return type;
  }
  return std::nullopt;
}

std::optional<uint32_t> TensorTypeNumber(DType type) {
  for (const auto& [number, known] : kTensorTypes) {
    if (known == type) return number;
  }
  return std::nullopt;
}

std::string UnknownTensorType(uint32_t number) {
  for (const auto& [known, name] : kUnread) {
    if (known == number) return fmt::format("{} ({})", name, number);
  }
  return fmt::format("type {}", number);
}

}  // namespace hew::gguf
