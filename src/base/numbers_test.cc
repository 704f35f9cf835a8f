// checked.h, float16.h, random.h, dtype.h, shape.h
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/float16.h"
#include "base/random.h"
#include "base/shape.h"

namespace hew {
namespace {

TEST(CheckedU64, AgreesWithWideArithmetic) {
  rc::check("sum, difference, product", [](uint64_t a, uint64_t b) {
    const unsigned __int128 sum = static_cast<unsigned __int128>(a) + b,
                            product = static_cast<unsigned __int128>(a) * b;
    const CheckedU64 s = CheckedU64(a) + b, p = CheckedU64(a) * b, d = CheckedU64(a) - b;
    RC_ASSERT(s.ok() == (sum <= UINT64_MAX));
    RC_ASSERT(p.ok() == (product <= UINT64_MAX));
    RC_ASSERT(d.ok() == (a >= b));
    if (s.ok()) RC_ASSERT(s.value() == static_cast<uint64_t>(sum));
    if (p.ok()) RC_ASSERT(p.value() == static_cast<uint64_t>(product));
    if (d.ok()) RC_ASSERT(d.value() == a - b);
  });
}

TEST(CheckedU64, AnOverflowSticks) {
  const CheckedU64 over = CheckedU64(UINT64_MAX) + 1;
  EXPECT_FALSE(over.ok());
  EXPECT_FALSE((over * 0).ok());
  EXPECT_FALSE((CheckedU64(5) + over).ok());
  EXPECT_FALSE((over - over).Within(UINT64_MAX));
  EXPECT_FALSE(CheckedU64(-1).ok());
  EXPECT_FALSE((CheckedU64(-1) * 0).ok());
}

TEST(CheckedU64, AlignsUp) {
  EXPECT_EQ(CheckedU64(0).AlignUp(32).value(), 0u);
  EXPECT_EQ(CheckedU64(1).AlignUp(32).value(), 32u);
  EXPECT_EQ(CheckedU64(32).AlignUp(32).value(), 32u);
  EXPECT_EQ(CheckedU64(7).AlignUp(1).value(), 7u);
  EXPECT_TRUE(CheckedU64(UINT64_MAX - 31).AlignUp(32).ok());
  EXPECT_FALSE(CheckedU64(UINT64_MAX - 30).AlignUp(32).ok());
  EXPECT_TRUE(CheckedU64(10).Within(10));
  EXPECT_FALSE(CheckedU64(11).Within(10));
}

TEST(Float16, EveryHalfComesBack) {
  for (uint32_t h = 0; h <= 0xffff; ++h) {
    const float f = HalfToFloat(static_cast<uint16_t>(h));
    if ((h & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(f)) << h;
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(f)))) << h;
    } else {
      ASSERT_EQ(FloatToHalf(f), h);
    }
  }
}

TEST(Float16, EveryBFloat16ComesBack) {
  for (uint32_t h = 0; h <= 0xffff; ++h) {
    const float f = BF16ToFloat(static_cast<uint16_t>(h));
    if ((h & 0x7fff) > 0x7f80) {
      EXPECT_TRUE(std::isnan(BF16ToFloat(FloatToBF16(f)))) << h;
    } else {
      ASSERT_EQ(FloatToBF16(f), h);
    }
  }
}

// Between two neighbours the middle goes to the even one, and a hair to either side to the nearer one.
template <typename Widen, typename Narrow>
void ExpectNearestEven(uint16_t highest_finite, Widen widen, Narrow narrow) {
  for (uint32_t h = 0; h < highest_finite; ++h) {
    const float low = widen(static_cast<uint16_t>(h)), high = widen(static_cast<uint16_t>(h + 1));
    const float middle = static_cast<float>((static_cast<double>(low) + static_cast<double>(high)) / 2);
    ASSERT_EQ(narrow(middle), h % 2 == 0 ? h : h + 1) << h;
    ASSERT_EQ(narrow(std::nextafter(middle, low)), h) << h;
    ASSERT_EQ(narrow(std::nextafter(middle, high)), h + 1) << h;
    ASSERT_EQ(narrow(-middle), (h % 2 == 0 ? h : h + 1) | 0x8000) << h;
  }
}

TEST(Float16, RoundsToNearestEven) {
  ExpectNearestEven(0x7bff, HalfToFloat, FloatToHalf);
  ExpectNearestEven(0x7f7f, BF16ToFloat, FloatToBF16);
}

TEST(Float16, Extremes) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(FloatToHalf(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-infinity), 0xfc00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 1);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0);
  EXPECT_EQ(FloatToHalf(-0.0f), 0x8000);
  EXPECT_EQ(FloatToBF16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(FloatToBF16(infinity), 0x7f80);
  EXPECT_EQ(FloatToBF16(std::bit_cast<float>(0x7f800001u)), 0x7fc0);  // a NaN whose upper half looks like infinity
}

// kat_vectors of Random123 (Salmon et al. 2011), philox4x32 10; there a 128-bit counter, here position and stream.
TEST(Philox, KnownAnswers) {
  using Answer = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox(0, 0, 0), (Answer{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox(UINT64_MAX, UINT64_MAX, UINT64_MAX), (Answer{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Answer{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, ResumesFromItsThreeNumbers) {
  Random whole{.seed = 5, .stream = 9, .position = 0};
  for (int i = 0; i < 100; ++i) whole.Next64();
  Random resumed{.seed = whole.seed, .stream = whole.stream, .position = whole.position};
  for (int i = 0; i < 100; ++i) ASSERT_EQ(whole.Next64(), resumed.Next64());
  EXPECT_NE((Random{.seed = 5, .stream = 10, .position = 0}.Next64()),
            (Random{.seed = 5, .stream = 9, .position = 0}.Next64()));
}

TEST(Random, StaysInRangeAndSpreads) {
  Random random{.seed = 1, .stream = 2, .position = 0};
  std::array<int, 7> counts{};
  double sum = 0, squares = 0;
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = random.Uniform();
    ASSERT_TRUE(u >= 0.0f && u < 1.0f);
    ++counts[random.Below(7)];
    const double n = random.Normal();
    ASSERT_TRUE(std::isfinite(n));
    sum += n, squares += n * n;
  }
  EXPECT_EQ(random.Below(1), 0u);
  for (int count : counts) EXPECT_NEAR(count, kDraws / 7, 5 * std::sqrt(kDraws / 7.0));
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

TEST(DType, NamesAndSizesMatch) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_EQ(DTypeFromName(NameOf(type)), type);
    EXPECT_TRUE(names.insert(NameOf(type)).second);
    EXPECT_EQ(IsQuantized(type), InfoOf(type).block_elements > 1);
    EXPECT_EQ(RowBytes(type, InfoOf(type).block_elements * 3), InfoOf(type).block_bytes * 3);
  }
  EXPECT_EQ(DTypeFromName("q4_k"), DType::kQ4_K);
  EXPECT_EQ(DTypeFromName("bool"), DType::kBool);
  EXPECT_EQ(DTypeFromName("F8"), std::nullopt);
  EXPECT_EQ(NameOf(DType::kBool), "BOOL");
}

TEST(Shape, CountAndText) {
  EXPECT_EQ(ElementCount({}), 1);
  EXPECT_EQ(ElementCount({3, 4, 5}), 60);
  EXPECT_EQ(ElementCount({3, 0}), 0);
  EXPECT_EQ(ToString({576, 1536}), "[576, 1536]");
  EXPECT_EQ(ToString({}), "[]");
}

}  // namespace
}  // namespace hew
