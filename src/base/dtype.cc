#include "base/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/check.h"

namespace hew {
namespace {

constexpr std::array<DTypeInfo, 23> kInfo = {{
    {"F32", 1, 4},     {"F16", 1, 2},     {"BF16", 1, 2},    {"F64", 1, 8},
    {"Q4_0", 32, 18},  {"Q4_1", 32, 20},  {"Q5_0", 32, 22},  {"Q5_1", 32, 24}, {"Q8_0", 32, 34},
    {"Q2_K", 256, 84}, {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210},
    {"I8", 1, 1},      {"I16", 1, 2},     {"I32", 1, 4},     {"I64", 1, 8},
    {"U8", 1, 1},      {"U16", 1, 2},     {"U32", 1, 4},     {"U64", 1, 8},    {"BOOL", 1, 1},
}};

}  // namespace

const DTypeInfo& InfoOf(DType type) { return kInfo[static_cast<size_t>(type)]; }

std::optional<DType> DTypeFromName(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  for (size_t i = 0; i < kInfo.size(); ++i) {
    if (kInfo[i].name == upper) return static_cast<DType>(i);
  }
  return std::nullopt;
}

bool IsQuantized(DType type) { return InfoOf(type).block_elements > 1; }

int64_t RowBytes(DType type, int64_t elements) {
  const DTypeInfo& info = InfoOf(type);
  HEW_CHECK(elements % info.block_elements == 0);
  return elements / info.block_elements * info.block_bytes;
}

}  // namespace hew
