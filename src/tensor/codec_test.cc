#include "tensor/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/file.h"
#include "base/json.h"

namespace hew {
namespace {

// Golden vectors: tools/golden/codec.py, made with the gguf package and held against ggml's C functions.
constexpr DType kQuantized[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
constexpr DType kEncoded[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0,
                              DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0};

std::string FromHex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

std::vector<float> Floats(const std::string& raw) {
  std::vector<float> out(raw.size() / sizeof(float));
  std::memcpy(out.data(), raw.data(), raw.size());
  return out;
}

std::string Raw(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class Golden : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    const std::string path = fmt::format("{}/tests/golden/codec/{}.json", HEW_SOURCE_DIR, NameOf(GetParam()));
    auto text = ReadFile(path);
    ASSERT_TRUE(text) << text.error().message;
    auto json = ParseJson(*text, path);
    ASSERT_TRUE(json) << json.error().message;
    case_ = *std::move(json);
  }
  std::string Bytes(const char* key) const { return FromHex(case_.at(key).get<std::string>()); }

  Json case_;
};

TEST_P(Golden, DecodesToTheSameBits) {
  const std::string blocks = Bytes("blocks"), expected = Bytes("values");
  std::vector<float> values(expected.size() / sizeof(float));
  ASSERT_FALSE(values.empty());
  DecodeRow(GetParam(), blocks, values);
  EXPECT_EQ(Raw(values), expected);
}

class GoldenEncode : public Golden {};

TEST_P(GoldenEncode, EncodesToTheSameBytes) {
  const std::vector<float> values = Floats(Bytes("encode_values"));
  const std::string expected = Bytes("encode_blocks");
  ASSERT_EQ(values.size() % 32, 0u);
  std::string blocks(expected.size(), '\0');
  EncodeRow(GetParam(), values, blocks);
  EXPECT_EQ(blocks, expected);
}

std::string TypeName(const testing::TestParamInfo<DType>& info) { return std::string(NameOf(info.param)); }

INSTANTIATE_TEST_SUITE_P(Types, Golden, testing::ValuesIn(kQuantized), TypeName);
INSTANTIATE_TEST_SUITE_P(Types, GoldenEncode,
                         testing::Values(DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0),
                         TypeName);

TEST(Codec, KnowsItsTypes) {
  for (DType type : kQuantized) EXPECT_TRUE(CanDecode(type)) << NameOf(type);
  for (DType type : kEncoded) EXPECT_TRUE(CanEncode(type) && CanDecode(type)) << NameOf(type);
  for (DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) EXPECT_TRUE(CanEncode(type)) << NameOf(type);
  for (DType type : {DType::kI8, DType::kF64, DType::kBool, DType::kU32}) {
    EXPECT_FALSE(CanDecode(type) || CanEncode(type)) << NameOf(type);
  }
  EXPECT_FALSE(CanEncode(DType::kQ2_K) || CanEncode(DType::kQ3_K));
}

TEST(Codec, F32ComesBackExactly) {
  rc::check("F32", [](const std::vector<float>& values) {
    std::string bytes(values.size() * 4, '\0');
    EncodeRow(DType::kF32, values, bytes);
    std::vector<float> back(values.size());
    DecodeRow(DType::kF32, bytes, back);
    RC_ASSERT(Raw(back) == Raw(values));
  });
}

TEST(Codec, EncodingStaysWithinOneLevel) {
  rc::check("error of every encoder", [] {
    const DType type = *rc::gen::elementOf(std::vector<DType>(std::begin(kEncoded), std::end(kEncoded)));
    const auto whole = *rc::gen::container<std::vector<int>>(64, rc::gen::inRange(-1000, 1001));
    std::vector<float> values;
    for (int v : whole) values.push_back(static_cast<float>(v) / 97.0f);
    std::string bytes(static_cast<size_t>(RowBytes(type, 64)), '\0');
    EncodeRow(type, values, bytes);
    std::vector<float> back(64);
    DecodeRow(type, bytes, back);
    for (size_t begin = 0; begin < 64; begin += 32) {
      float low = 0, high = 0;  // the symmetric types' range holds zero
      for (size_t i = begin; i < begin + 32; ++i) low = std::min(low, values[i]), high = std::max(high, values[i]);
      // A symmetric type has one level less on one side, hence a whole step there; plus the rounding of the scale.
      const float range = std::max({high - low, 2 * high, -2 * low});
      const float levels = type == DType::kQ8_0 ? 254 : type == DType::kQ5_0 || type == DType::kQ5_1 ? 31 : 15;
      const float step = IsQuantized(type) ? range / levels + range * 0x1p-9f : range * 0x1p-8f;
      for (size_t i = begin; i < begin + 32; ++i) RC_ASSERT(std::fabs(back[i] - values[i]) <= step * 1.1f);
    }
  });
}

// --- The K types, which search ---

constexpr DType kSearched[] = {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<float> ThereAndBack(DType type, const std::vector<float>& values) {
  std::string bytes(static_cast<size_t>(RowBytes(type, static_cast<int64_t>(values.size()))), '\0');
  EncodeRow(type, values, bytes);
  std::vector<float> back(values.size());
  DecodeRow(type, bytes, back);
  return back;
}

// Root mean square of the difference beside that of the values, both weighted by the value's own square or not at all.
double RelativeError(const std::vector<float>& values, const std::vector<float>& back, bool weighted) {
  double error = 0, all = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i], weight = weighted ? x * x : 1, difference = x - back[i];
    error += weight * difference * difference, all += weight * x * x;
  }
  return std::sqrt(error / all);
}

// The rows that tools/golden/codec.py makes: sums of four uniform numbers, every 37th five times as large. All exact.
std::vector<float> QualityValues() {
  std::vector<float> values(64 * 256);
  uint32_t state = 1;
  for (size_t i = 0; i < values.size(); ++i) {
    int32_t sum = -2 * 65535;
    for (int k = 0; k < 4; ++k) sum += static_cast<int32_t>((state = state * 1664525u + 1013904223u) >> 16);
    values[i] = static_cast<float>(i % 37 == 0 ? 5 * sum : sum) * 0x1p-20f;
  }
  return values;
}

class Quality : public Golden {};

TEST_P(Quality, IsAtLeastThatOfTheReferenceQuantiser) {
  const std::vector<float> values = QualityValues(), back = ThereAndBack(GetParam(), values);
  EXPECT_LE(RelativeError(values, back, false), 1.01 * case_.at("relative_error").get<double>());
  EXPECT_LE(RelativeError(values, back, true), 1.01 * case_.at("weighted_relative_error").get<double>());
}

INSTANTIATE_TEST_SUITE_P(Types, Quality, testing::ValuesIn(kSearched), TypeName);

TEST(CodecSearch, ZerosAndConstantsKeepTheirValue) {
  for (DType type : kSearched) {
    for (float value : {0.0f, 0.25f, -0.25f, 100.0f, -60000.0f}) {
      for (float back : ThereAndBack(type, std::vector<float>(512, value))) {
        ASSERT_NEAR(back, value, std::fabs(value) * 0.005f) << NameOf(type);
      }
    }
  }
}

// What one of these types can say exactly, it says nearly: an encoded row encoded again stays where it is.
TEST(CodecSearch, EncodedRowsStay) {
  for (DType type : kSearched) {
    const std::vector<float> once = ThereAndBack(type, QualityValues()), twice = ThereAndBack(type, once);
    EXPECT_LT(RelativeError(once, twice, false), 0.25 * RelativeError(QualityValues(), once, false)) << NameOf(type);
  }
}

// A sub-block of small values beside large ones keeps its own scale.
TEST(CodecSearch, SubBlocksAreIndependent) {
  for (DType type : kSearched) {
    std::vector<float> values(256);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = (i % 2 ? 1.0f : -1.0f) * static_cast<float>(i % 13 + 1) * (i < 64 ? 1.0f : 0.05f);
    }
    const std::vector<float> back = ThereAndBack(type, values);
    for (size_t i = 64; i < 256; ++i) ASSERT_NEAR(back[i], values[i], 0.08f) << NameOf(type) << " " << i;
  }
}

TEST(Codec, ValuesThatAreNoNumbersDoNotBreakEncoding) {
  std::vector<DType> types(std::begin(kEncoded), std::end(kEncoded));
  types.insert(types.end(), std::begin(kSearched), std::end(kSearched));
  for (DType type : types) {
    const auto count = static_cast<size_t>(std::max<int64_t>(InfoOf(type).block_elements, 32));
    std::vector<float> values(count, 1.0f);
    values[3] = std::numeric_limits<float>::quiet_NaN();
    values[9] = std::numeric_limits<float>::infinity();
    values[11] = -std::numeric_limits<float>::infinity();
    values[12] = std::numeric_limits<float>::max();
    const std::vector<float> back = ThereAndBack(type, values);
    if (IsQuantized(type)) continue;
    EXPECT_TRUE(std::isnan(back[3]) && std::isinf(back[9]) && back[0] == 1.0f) << NameOf(type);
  }
}

// Whatever the bytes are, every value is written, and nothing beyond them is read (which the sanitizers watch).
TEST(Codec, AnyBytesDecode) {
  rc::check("any block", [](uint32_t seed) {
    for (DType type : kQuantized) {
      std::string block(static_cast<size_t>(InfoOf(type).block_bytes), '\0');
      uint32_t state = seed;
      for (char& c : block) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
      const auto count = static_cast<size_t>(InfoOf(type).block_elements);
      std::vector<float> first(count, 7.25f), second(count, -1e30f);
      DecodeRow(type, block, first);
      DecodeRow(type, block, second);
      RC_ASSERT(Raw(first) == Raw(second));
    }
  });
}

}  // namespace
}  // namespace hew
