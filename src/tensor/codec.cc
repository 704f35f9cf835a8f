#include "tensor/codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/float16.h"
#include "tensor/encode_k.h"

// Blocks, little-endian. `d` is the scale and `m` the minimum, both half precision; 32 values share them in the plain
// types, 256 in the K types, whose sub-blocks of 16 or 32 values have small integer scales of their own.
//
//   Q4_0   d | qs[16]                            value = d * (q - 8)
//   Q4_1   d m | qs[16]                          value = d * q + m
//   Q5_0   d | high[4] | qs[16]                  value = d * (q - 16)
//   Q5_1   d m | high[4] | qs[16]                value = d * q + m
//   Q8_0   d | q[32] signed                      value = d * q
//   Q2_K   scales[16] | qs[64] | d m             value = d * scale * q - m * min, 16 sub-blocks, 4-bit scale and min
//   Q3_K   high[32] | qs[64] | scales[12] | d    value = d * (scale - 32) * (q - 4), 16 sub-blocks, 6-bit scales
//   Q4_K   d m | scales[12] | qs[128]            value = d * scale * q - m * min, 8 sub-blocks, 6-bit scale and min
//   Q5_K   d m | scales[12] | high[32] | qs[128] the same with a fifth bit
//   Q6_K   qs[128] | high[64] | scales[16] | d   value = d * scale * (q - 32), 16 sub-blocks, signed 8-bit scales
//
// qs[16]: value i < 16 is the low half of byte i, value i + 16 the high half. The K types spread values the same way
// over runs of 32 bytes; each decoder says how.
namespace hew {
namespace {

using Bytes = const uint8_t*;

float HalfAt(Bytes p) { return HalfToFloat(static_cast<uint16_t>(p[0] | p[1] << 8)); }

void PutHalf(uint8_t* p, float value) {
  const uint16_t half = FloatToHalf(value);
  p[0] = static_cast<uint8_t>(half);
  p[1] = static_cast<uint8_t>(half >> 8);
}

uint32_t WordAt(Bytes p) { return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24; }

void DecodeQ4_0(Bytes p, float* out) {
  const float d = HalfAt(p);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((p[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
  }
}

void DecodeQ4_1(Bytes p, float* out) {
  const float d = HalfAt(p), m = HalfAt(p + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(p[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(p[4 + i] >> 4) + m;
  }
}

// The 5-bit level of value i: four bits in qs, the fifth in bit i of `high`.
int FiveBits(Bytes qs, uint32_t high, int i) {
  const int low = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
  return low | static_cast<int>((high >> i & 1) << 4);
}

void DecodeQ5_0(Bytes p, float* out) {
  const float d = HalfAt(p);
  const uint32_t high = WordAt(p + 2);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(FiveBits(p + 6, high, i) - 16);
}

void DecodeQ5_1(Bytes p, float* out) {
  const float d = HalfAt(p), m = HalfAt(p + 2);
  const uint32_t high = WordAt(p + 4);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(FiveBits(p + 8, high, i)) + m;
}

void DecodeQ8_0(Bytes p, float* out) {
  const float d = HalfAt(p);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + i]));
}

// Q2_K and Q3_K: value i has two bits of byte 32 * (i / 128) + i % 32, the pair number (i % 128) / 32.
int TwoBits(Bytes qs, int i) { return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3; }

void DecodeQ2_K(Bytes p, float* out) {
  const Bytes scales = p, qs = p + 16;
  const float d = HalfAt(p + 80), m = HalfAt(p + 82);
  for (int sub = 0; sub < 16; ++sub) {
    const float scale = d * static_cast<float>(scales[sub] & 15), min = m * static_cast<float>(scales[sub] >> 4);
    for (int i = sub * 16; i < sub * 16 + 16; ++i) out[i] = scale * static_cast<float>(TwoBits(qs, i)) - min;
  }
}

void DecodeQ3_K(Bytes p, float* out) {
  const Bytes high = p, qs = p + 32, scales = p + 96;
  const float d = HalfAt(p + 108);
  for (int sub = 0; sub < 16; ++sub) {
    // Four low bits: bytes 0-7 (sub-blocks 8-15 in the high halves). Two high bits: bytes 8-11, pair sub / 4.
    const int low = scales[sub % 8] >> (sub / 8 * 4) & 15;
    const int top = scales[8 + sub % 4] >> (sub / 4 * 2) & 3;
    const float scale = d * static_cast<float>((low | top << 4) - 32);
    for (int i = sub * 16; i < sub * 16 + 16; ++i) {
      const int third = high[i % 32] >> (i / 32) & 1;  // set: the level is not lowered by 4
      out[i] = scale * static_cast<float>(TwoBits(qs, i) - (third ? 0 : 4));
    }
  }
}

// Scale and minimum of sub-block `sub` of Q4_K and Q5_K. Six bits each: the first four lie in bytes 0-3 and 4-7; the
// last four have their low halves in bytes 8-11 and their top two bits above those of the first four.
struct ScaleMin {
  int scale, min;
};
ScaleMin ScaleMinAt(Bytes s, int sub) {
  if (sub < 4) return {s[sub] & 63, s[sub + 4] & 63};
  return {(s[sub + 4] & 15) | (s[sub - 4] >> 6) << 4, (s[sub + 4] >> 4) | (s[sub] >> 6) << 4};
}

// Q4_K and Q5_K: two sub-blocks share 32 bytes, the even one in the low halves. `high` is null, or holds the fifth bit
// of value i in bit i / 32 of byte i % 32.
void DecodeFourOrFiveK(Bytes p, Bytes high, Bytes qs, float* out) {
  const float d = HalfAt(p), m = HalfAt(p + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const ScaleMin s = ScaleMinAt(p + 4, sub);
    const float scale = d * static_cast<float>(s.scale), min = m * static_cast<float>(s.min);
    const Bytes run = qs + sub / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      int level = run[i] >> (sub % 2 * 4) & 15;
      if (high) level |= (high[i] >> sub & 1) << 4;
      out[sub * 32 + i] = scale * static_cast<float>(level) - min;
    }
  }
}

void DecodeQ4_K(Bytes p, float* out) { DecodeFourOrFiveK(p, nullptr, p + 16, out); }
void DecodeQ5_K(Bytes p, float* out) { DecodeFourOrFiveK(p, p + 16, p + 48, out); }

// Q6_K: each half of 128 values has 64 bytes of low bits and 32 of high bits. Run k = 0..3 of 32 values: low bits in
// bytes 32 * (k % 2) .., halves k / 2; high bits in pair k.
void DecodeQ6_K(Bytes p, float* out) {
  const Bytes high = p + 128, scales = p + 192;
  const float d = HalfAt(p + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, j = i % 32;
    const int low = p[half * 64 + k % 2 * 32 + j] >> (k / 2 * 4) & 15;
    const int top = high[half * 32 + j] >> (k * 2) & 3;
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    out[i] = scale * static_cast<float>((low | top << 4) - 32);
  }
}

// Level of a value already divided by the scale and shifted so that truncation rounds; NaN becomes 0.
uint8_t Level(float shifted, float highest) {
  return shifted > 0 ? static_cast<uint8_t>(std::min(shifted, highest)) : uint8_t{0};
}

float Inverse(float d) { return d != 0 ? 1.0f / d : 0.0f; }

// Q4_0 and Q5_0: the value farthest from zero takes the lowest level exactly, whatever its sign.
float SymmetricScale(const float* x, int levels, uint8_t* q) {
  float farthest = 0, extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > farthest) farthest = std::fabs(x[i]), extreme = x[i];
  }
  const float d = extreme / static_cast<float>(-levels / 2), inverse = Inverse(d);
  const float shift = static_cast<float>(levels / 2) + 0.5f;
  for (int i = 0; i < 32; ++i) q[i] = Level(x[i] * inverse + shift, static_cast<float>(levels - 1));
  return d;
}

// Q4_1 and Q5_1: the smallest value is level 0, the largest the highest level.
struct Affine {
  float d, min;
};
Affine AffineScale(const float* x, int levels, uint8_t* q) {
  float min = std::numeric_limits<float>::max(), max = std::numeric_limits<float>::lowest();
  for (int i = 0; i < 32; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
  }
  const float highest = static_cast<float>(levels - 1), d = (max - min) / highest, inverse = Inverse(d);
  for (int i = 0; i < 32; ++i) q[i] = Level((x[i] - min) * inverse + 0.5f, highest);
  return {d, min};
}

void PutNibbles(const uint8_t* q, uint8_t* qs) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
}

void PutFifthBits(const uint8_t* q, uint8_t* high) {
  std::memset(high, 0, 4);
  for (int i = 0; i < 32; ++i) high[i / 8] |= static_cast<uint8_t>((q[i] >> 4) << (i % 8));
}

void EncodeQ4_0(const float* x, uint8_t* p) {
  uint8_t q[32];
  PutHalf(p, SymmetricScale(x, 16, q));
  PutNibbles(q, p + 2);
}

void EncodeQ4_1(const float* x, uint8_t* p) {
  uint8_t q[32];
  const Affine a = AffineScale(x, 16, q);
  PutHalf(p, a.d);
  PutHalf(p + 2, a.min);
  PutNibbles(q, p + 4);
}

void EncodeQ5_0(const float* x, uint8_t* p) {
  uint8_t q[32];
  PutHalf(p, SymmetricScale(x, 32, q));
  PutFifthBits(q, p + 2);
  PutNibbles(q, p + 6);
}

void EncodeQ5_1(const float* x, uint8_t* p) {
  uint8_t q[32];
  const Affine a = AffineScale(x, 32, q);
  PutHalf(p, a.d);
  PutHalf(p + 2, a.min);
  PutFifthBits(q, p + 4);
  PutNibbles(q, p + 8);
}

void EncodeQ8_0(const float* x, uint8_t* p) {
  float farthest = 0;
  for (int i = 0; i < 32; ++i) farthest = std::max(farthest, std::fabs(x[i]));
  const float d = farthest / 127.0f, inverse = Inverse(d);
  PutHalf(p, d);
  for (int i = 0; i < 32; ++i) {
    const float level = std::round(x[i] * inverse);  // halves away from zero
    p[2 + i] = std::fabs(level) <= 127.0f ? static_cast<uint8_t>(static_cast<int8_t>(level)) : uint8_t{0};
  }
}

void DecodeF32(Bytes p, float* out) { std::memcpy(out, p, 4); }
void DecodeF16(Bytes p, float* out) { *out = HalfAt(p); }
void DecodeBF16(Bytes p, float* out) { *out = BF16ToFloat(static_cast<uint16_t>(p[0] | p[1] << 8)); }
void EncodeF32(const float* x, uint8_t* p) { std::memcpy(p, x, 4); }
void EncodeF16(const float* x, uint8_t* p) { PutHalf(p, *x); }
void EncodeBF16(const float* x, uint8_t* p) {
  const uint16_t h = FloatToBF16(*x);
  p[0] = static_cast<uint8_t>(h);
  p[1] = static_cast<uint8_t>(h >> 8);
}

struct Codec {
  void (*decode)(Bytes block, float* out) = nullptr;
  void (*encode)(const float* values, uint8_t* block) = nullptr;
};

Codec CodecOf(DType type) {
  switch (type) {
    case DType::kF32:
      return {DecodeF32, EncodeF32};
    case DType::kF16:
      return {DecodeF16, EncodeF16};
    case DType::kBF16:
      return {DecodeBF16, EncodeBF16};
    case DType::kQ4_0:
      return {DecodeQ4_0, EncodeQ4_0};
    case DType::kQ4_1:
      return {DecodeQ4_1, EncodeQ4_1};
    case DType::kQ5_0:
      return {DecodeQ5_0, EncodeQ5_0};
    case DType::kQ5_1:
      return {DecodeQ5_1, EncodeQ5_1};
    case DType::kQ8_0:
      return {DecodeQ8_0, EncodeQ8_0};
    case DType::kQ2_K:
      return {DecodeQ2_K, nullptr};
    case DType::kQ3_K:
      return {DecodeQ3_K, nullptr};
    case DType::kQ4_K:
      return {DecodeQ4_K, EncodeQ4_K};
    case DType::kQ5_K:
      return {DecodeQ5_K, EncodeQ5_K};
    case DType::kQ6_K:
      return {DecodeQ6_K, EncodeQ6_K};
    default:
      return {};
  }
}

}  // namespace

bool CanDecode(DType type) { return CodecOf(type).decode != nullptr; }
bool CanEncode(DType type) { return CodecOf(type).encode != nullptr; }

void DecodeRow(DType type, std::string_view bytes, std::span<float> out) {
  const DTypeInfo& info = InfoOf(type);
  const auto decode = CodecOf(type).decode;
  HEW_CHECK(decode != nullptr);
  HEW_CHECK(bytes.size() == static_cast<size_t>(RowBytes(type, static_cast<int64_t>(out.size()))));
  const auto* block = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto step = static_cast<size_t>(info.block_elements);
  for (size_t i = 0; i < out.size(); i += step, block += info.block_bytes) decode(block, out.data() + i);
}

void EncodeRow(DType type, std::span<const float> values, std::span<char> out) {
  const DTypeInfo& info = InfoOf(type);
  const auto encode = CodecOf(type).encode;
  HEW_CHECK(encode != nullptr);
  HEW_CHECK(out.size() == static_cast<size_t>(RowBytes(type, static_cast<int64_t>(values.size()))));
  auto* block = reinterpret_cast<uint8_t*>(out.data());
  const auto step = static_cast<size_t>(info.block_elements);
  for (size_t i = 0; i < values.size(); i += step, block += info.block_bytes) encode(values.data() + i, block);
}

}  // namespace hew
