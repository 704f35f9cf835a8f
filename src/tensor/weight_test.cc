#include "tensor/weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "tensor/codec.h"

namespace hew {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Random file bytes of a type; exponents are kept in range so that no scale is infinite or a NaN.
std::string RandomRows(DType type, int64_t rows, int64_t cols, Random& random) {
  std::string bytes(static_cast<size_t>(rows * RowBytes(type, cols)), '\0');
  for (char& c : bytes) c = static_cast<char>(random.Next32());
  const auto fix_half = [&](size_t at) {
    const uint16_t half = FloatToHalf(random.Normal() * 0.02f);
    std::memcpy(&bytes[at], &half, 2);
  };
  const size_t block = static_cast<size_t>(InfoOf(type).block_bytes);
  for (size_t at = 0; at < bytes.size(); at += block) {
    switch (type) {
      case DType::kF32: {
        const float f = random.Normal();
        std::memcpy(&bytes[at], &f, 4);
        break;
      }
      case DType::kBF16: {
        const uint16_t h = FloatToBF16(random.Normal());
        std::memcpy(&bytes[at], &h, 2);
        break;
      }
      case DType::kQ2_K: fix_half(at + 80), fix_half(at + 82); break;
      case DType::kQ3_K: fix_half(at + 108); break;
      case DType::kQ6_K: fix_half(at + 208); break;
      case DType::kQ4_1: case DType::kQ5_1: case DType::kQ4_K: case DType::kQ5_K: fix_half(at), fix_half(at + 2); break;
      default: fix_half(at);
    }
  }
  return bytes;
}

TEST(Weight, EveryTypeCarriesItsValuesOverExactly) {
  Random random{7, 1, 0};
  const ThreadPool pool(2);
  for (DType type : kTypes) {
    const int64_t block = InfoOf(type).block_elements;
    for (int64_t rows : {1, 16, 37}) {
      for (int64_t cols : {block, 3 * block}) {
        const std::string bytes = RandomRows(type, rows, cols, random);
        const auto w = MakeWeight(pool, type, rows, cols, bytes);
        ASSERT_TRUE(w.has_value()) << w.error().message;
        EXPECT_EQ(static_cast<int64_t>(w->data.size()), (rows + 15) / 16 * 16 * RowBytes(type, cols));
        std::vector<float> expected(static_cast<size_t>(cols)), found(static_cast<size_t>(cols));
        for (int64_t r = 0; r < rows; ++r) {
          const auto stride = static_cast<size_t>(RowBytes(type, cols));
          DecodeRow(type, std::string_view(bytes).substr(static_cast<size_t>(r) * stride, stride), expected);
          ReadWeightRow(*w, r, found.data());
          ASSERT_EQ(0, std::memcmp(expected.data(), found.data(), expected.size() * 4)) << NameOf(type) << " row " << r;
        }
      }
    }
  }
}

TEST(Weight, RowMapPicksRowsOfTheFile) {
  const ThreadPool pool(1);
  const std::vector<float> values = {0, 1, 2, 3, 4, 5};
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), 24);
  const auto w = MakeWeight(pool, DType::kF32, 3, 2, bytes, [](int64_t row) { return 2 - row; });
  ASSERT_TRUE(w.has_value());
  float row[2];
  ReadWeightRow(*w, 0, row);
  EXPECT_EQ(row[0], 4);
  EXPECT_EQ(row[1], 5);
}

TEST(Weight, BadShapesAreErrors) {
  const ThreadPool pool(1);
  const auto odd = MakeWeight(pool, DType::kQ8_0, 1, 577, std::string(34 * 19, 'x'));
  ASSERT_FALSE(odd.has_value());
  EXPECT_NE(odd.error().message.find("expected a multiple of 32, found 577"), std::string::npos);
  EXPECT_FALSE(MakeWeight(pool, DType::kF32, 2, 2, std::string(15, 'x')).has_value());
  EXPECT_FALSE(MakeWeight(pool, DType::kF32, int64_t{1} << 61, 8, std::string(32, 'x')).has_value());
  EXPECT_FALSE(MakeWeight(pool, DType::kI32, 1, 2, std::string(8, 'x')).has_value());
}

TEST(Weight, MadeAgainFromScaledValues) {
  const ThreadPool pool(2);
  Random random{3, 1, 0};
  std::vector<float> values(35 * 7);
  for (float& v : values) v = random.Normal();
  for (DType type : {DType::kF32, DType::kBF16}) {
    Weight w;
    SetWeightFromF32(pool, type, 35, 7, values.data(), 1.0f, &w);
    const std::byte* memory = w.data.data();
    SetWeightFromF32(pool, type, 35, 7, values.data(), 0.5f, &w);
    EXPECT_EQ(memory, w.data.data());
    std::vector<float> row(7);
    for (int64_t r = 0; r < 35; ++r) {
      ReadWeightRow(w, r, row.data());
      for (int64_t k = 0; k < 7; ++k) {
        const float v = values[static_cast<size_t>(r * 7 + k)] * 0.5f;
        EXPECT_EQ(row[static_cast<size_t>(k)], type == DType::kF32 ? v : BF16ToFloat(FloatToBF16(v)));
      }
    }
  }
}

}  // namespace
}  // namespace hew
