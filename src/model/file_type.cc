#include "model/file_type.h"

#include <algorithm>
#include <cctype>

namespace hew {
namespace {

struct Row {
  std::string_view name;
  FileType type;
  uint32_t number;  // llama.cpp's, for general.file_type
};

constexpr TypeMix kNone = TypeMix::kNone, kSmall = TypeMix::kSmall, kMedium = TypeMix::kMedium;

const Row kRows[] = {
    {"F32", {DType::kF32, kNone}, 0},       {"F16", {DType::kF16, kNone}, 1},
    {"BF16", {DType::kBF16, kNone}, 32},    {"Q8_0", {DType::kQ8_0, kNone}, 7},
    {"Q6_K", {DType::kQ6_K, kNone}, 18},    {"Q5_K_M", {DType::kQ5_K, kMedium}, 17},
    {"Q5_K_S", {DType::kQ5_K, kSmall}, 16}, {"Q5_1", {DType::kQ5_1, kNone}, 9},
    {"Q5_0", {DType::kQ5_0, kNone}, 8},     {"Q4_K_M", {DType::kQ4_K, kMedium}, 15},
    {"Q4_K_S", {DType::kQ4_K, kSmall}, 14}, {"Q4_1", {DType::kQ4_1, kNone}, 3},
    {"Q4_0", {DType::kQ4_0, kNone}, 2},
};

const Row* Find(FileType type) {
  const auto at = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.type == type; });
  return at == std::end(kRows) ? nullptr : at;
}

// The layers where rounding costs most: the first and last eighth, and every third between.
bool DeservesMore(int64_t layer, int64_t layers) {
  const int64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

}  // namespace

std::optional<FileType> FileTypeFromName(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  if (upper == "Q4_K" || upper == "Q5_K") upper += "_M";
  for (const Row& row : kRows) {
    if (row.name == upper) return row.type;
  }
  return std::nullopt;
}

std::string NameOf(FileType type) {
  const Row* row = Find(type);
  return std::string(row ? row->name : NameOf(type.main));
}

std::string KnownFileTypes() {
  std::string names;
  for (const Row& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

std::optional<uint32_t> GgufFileTypeNumber(FileType type) {
  const Row* row = Find(type);
  return row ? std::optional(row->number) : std::nullopt;
}

DType ProjectionType(FileType type, Projection p, int64_t layer, int64_t layers) {
  const bool value = p == Projection::kV, down = p == Projection::kDown;
  if (type.mix == kMedium && (value || down) && DeservesMore(layer, layers)) return DType::kQ6_K;
  if (type == FileType(DType::kQ4_K, kSmall) && ((value && layer < 4) || (down && layer < layers / 8))) {
    return DType::kQ5_K;
  }
  return type.main;
}

DType HeadType(FileType type) { return IsQuantized(type.main) && type.main != DType::kQ8_0 ? DType::kQ6_K : type.main; }

DType TypeForRow(DType type, int64_t cols) {
  const auto fits = [&] { return cols % InfoOf(type).block_elements == 0; };
  if (!fits()) {
    type = type == DType::kQ4_K   ? DType::kQ5_0
           : type == DType::kQ5_K ? DType::kQ5_1
           : type == DType::kQ6_K ? DType::kQ8_0
                                  : DType::kF16;
  }
  return fits() ? type : DType::kF16;
}

}  // namespace hew
