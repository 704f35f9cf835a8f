#include "tensor/encode_k.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"

// Two steps, both alternating what least squares gives in closed form with rounding:
//
// 1. Each sub-block alone. Levels from a candidate step, then the scale (and minimum) that fit those levels best, then
//    the levels of that scale, and so on while the error falls. Candidates lie around the step that just spans the
//    values: cutting off an outlier by a level or two often serves the others better.
// 2. The block. Its scale and minimum in half precision make whole numbers of the sub-blocks' own; these are moved by
//    one while that helps, the levels follow, and the block's scale and minimum are fitted anew.
//
// The error of a value is weighted by how far it is from zero: x is added up with an input of its own, so that large
// weights matter more, while small ones still share a floor. All sums run in four lanes in a fixed order.
namespace hew {
namespace {

constexpr int kBlock = 256;
constexpr int kCandidates = 8;  // on either side of the step that spans the values
constexpr float kCandidateStep = 0.25f;
constexpr int kRefinements = 4;  // of one sub-block; mostly two suffice
constexpr int kBlockRounds = 2;  // of step 2

using Lanes = float __attribute__((vector_size(16)));
constexpr int kLanes = 4;

Lanes All(float v) { return Lanes{v, v, v, v}; }
Lanes Load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
void Store(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }
double Sum(Lanes v) { return (static_cast<double>(v[0]) + v[1]) + (static_cast<double>(v[2]) + v[3]); }

// Nearest whole number within [low, high]; NaN gives low. Below 2^22 adding and taking away 1.5 * 2^23 rounds.
Lanes Round(Lanes v, Lanes low, Lanes high) {
  v = v > low ? v : low;
  v = v < high ? v : high;
  const Lanes shift = All(0x1.8p23f);
  return (v + shift) - shift;
}
float RoundWithin(float v, float high) { return v > 0 ? std::nearbyint(std::min(v, high)) : 0.0f; }

float Inverse(float d) { return d != 0 ? 1.0f / d : 0.0f; }

void PutHalf(uint8_t* p, float value) {
  const uint16_t half = FloatToHalf(value);
  p[0] = static_cast<uint8_t>(half);
  p[1] = static_cast<uint8_t>(half >> 8);
}
float InHalf(float value) { return HalfToFloat(FloatToHalf(value)); }

// --- Q4_K, Q5_K: value = scale * level - min, eight sub-blocks of 32 ------------------------------------------------

constexpr int kAffine = 32, kAffineBlocks = kBlock / kAffine;
constexpr float kHighestCode = 63;  // six bits

struct AffineFit {
  float scale = 0, min = 0;  // min >= 0 is taken away
  double error = 0;          // weighted, of the levels it was fitted to
};

// Values and weights of one sub-block, and what of the sums does not depend on levels.
struct AffineValues {
  float x[kAffine], w[kAffine];
  float low = 0, high = 0;  // low <= 0
  double sum_w = 0, sum_wx = 0, sum_wxx = 0;
};

AffineValues Prepare(const float* x) {
  AffineValues v;
  std::copy_n(x, kAffine, v.x);
  Lanes squares{};
  for (int i = 0; i < kAffine; i += kLanes) squares += Load(x + i) * Load(x + i);
  const float floor = static_cast<float>(std::sqrt(Sum(squares) / kAffine));
  Lanes w_sum{}, wx_sum{}, wxx_sum{};
  for (int i = 0; i < kAffine; ++i) {
    v.w[i] = floor + std::fabs(x[i]);
    v.low = std::min(v.low, x[i]);
    v.high = std::max(v.high, x[i]);
  }
  if (!(v.high > v.low)) v.high = v.low;
  for (int i = 0; i < kAffine; i += kLanes) {
    const Lanes w = Load(v.w + i), wx = w * Load(x + i);
    w_sum += w, wx_sum += wx, wxx_sum += wx * Load(x + i);
  }
  v.sum_w = Sum(w_sum), v.sum_wx = Sum(wx_sum), v.sum_wxx = Sum(wxx_sum);
  return v;
}

// Levels round((x + min) * inverse), and the scale and minimum that fit these best.
AffineFit FitLevels(const AffineValues& v, float min, float inverse, float top) {
  Lanes wl_sum{}, wll_sum{}, wlx_sum{};
  for (int i = 0; i < kAffine; i += kLanes) {
    const Lanes x = Load(v.x + i), level = Round((x + All(min)) * All(inverse), Lanes{}, All(top));
    const Lanes wl = Load(v.w + i) * level;
    wl_sum += wl, wll_sum += wl * level, wlx_sum += wl * x;
  }
  const double l = Sum(wl_sum), ll = Sum(wll_sum), lx = Sum(wlx_sum);
  const double determinant = v.sum_w * ll - l * l;
  double scale = determinant > 0 ? (v.sum_w * lx - l * v.sum_wx) / determinant : 0;
  double fitted_min = v.sum_w > 0 ? (scale * l - v.sum_wx) / v.sum_w : 0;
  if (fitted_min < 0) {  // a minimum above zero cannot be said
    fitted_min = 0;
    scale = ll > 0 ? lx / ll : 0;
  }
  return {static_cast<float>(scale), static_cast<float>(fitted_min), v.sum_wxx - scale * lx + fitted_min * v.sum_wx};
}

AffineFit FitSubBlock(const AffineValues& v, float top) {
  const float range = v.high - v.low;
  if (!(range > 0)) return {0, -v.low, 0};
  AffineFit best = FitLevels(v, -v.low, top / range, top);
  for (int i = -kCandidates; i <= kCandidates; ++i) {
    const AffineFit fit = FitLevels(v, -v.low, (top + kCandidateStep * static_cast<float>(i)) / range, top);
    if (fit.error < best.error) best = fit;
  }
  for (int i = 0; i < kRefinements; ++i) {
    const AffineFit fit = FitLevels(v, best.min, Inverse(best.scale), top);
    if (!(fit.error < best.error)) break;
    best = fit;
  }
  return best;
}

// A block as it will be written: value = d * code * level - min * min_code.
struct AffineBlock {
  float d = 0, min = 0;                                          // half precision
  float code[kAffineBlocks] = {}, min_code[kAffineBlocks] = {};  // whole numbers
  float level[kBlock] = {};
};

// The weighted error of one sub-block for given codes; the levels are written to `level`.
double SubBlockError(const AffineValues& v, float scale, float min, float top, float* level) {
  const float inverse = Inverse(scale);
  Lanes sum{};
  for (int i = 0; i < kAffine; i += kLanes) {
    const Lanes x = Load(v.x + i), l = Round((x + All(min)) * All(inverse), Lanes{}, All(top));
    const Lanes difference = x - (All(scale) * l - All(min));
    sum += Load(v.w + i) * difference * difference;
    Store(level + i, l);
  }
  return Sum(sum);
}

// Moves both codes of a sub-block by at most one to where the error is least; gives that error.
double ChooseCodes(const AffineValues& v, float top, int sub, AffineBlock* b) {
  double best = -1;
  float code = 0, min_code = 0, level[kAffine];
  for (int c = -1; c <= 1; ++c) {
    for (int m = -1; m <= 1; ++m) {
      const float try_code = b->code[sub] + static_cast<float>(c), try_min = b->min_code[sub] + static_cast<float>(m);
      if (try_code < 0 || try_code > kHighestCode || try_min < 0 || try_min > kHighestCode) continue;
      const double error = SubBlockError(v, b->d * try_code, b->min * try_min, top, level);
      if (best >= 0 && !(error < best)) continue;
      best = error, code = try_code, min_code = try_min;
      std::copy_n(level, kAffine, b->level + sub * kAffine);
    }
  }
  b->code[sub] = code;
  b->min_code[sub] = min_code;
  return best;
}

double ChooseAllCodes(const AffineValues* v, float top, AffineBlock* b) {
  double error = 0;
  for (int sub = 0; sub < kAffineBlocks; ++sub) error += ChooseCodes(v[sub], top, sub, b);
  return error;
}

// The block's scale and minimum that fit the codes and levels chosen: x = d * p - min * q, with p = code * level and
// q = min_code.
void FitBlock(const AffineValues* v, AffineBlock* b) {
  double pp = 0, pq = 0, qq = 0, px = 0, qx = 0;
  for (int sub = 0; sub < kAffineBlocks; ++sub) {
    Lanes wl_sum{}, wll_sum{}, wlx_sum{};
    for (int i = 0; i < kAffine; i += kLanes) {
      const Lanes level = Load(b->level + sub * kAffine + i), wl = Load(v[sub].w + i) * level;
      wl_sum += wl, wll_sum += wl * level, wlx_sum += wl * Load(v[sub].x + i);
    }
    const double c = b->code[sub], m = b->min_code[sub];
    pp += c * c * Sum(wll_sum), pq += c * m * Sum(wl_sum), qq += m * m * v[sub].sum_w;
    px += c * Sum(wlx_sum), qx += m * v[sub].sum_wx;
  }
  const double determinant = pp * qq - pq * pq;
  double d = b->d, min = b->min;
  if (determinant > 1e-9 * pp * qq) {
    d = (px * qq - pq * qx) / determinant;
    min = (px * pq - pp * qx) / determinant;
  } else if (pp > 0) {
    d = (px + min * pq) / pp;
  }
  b->d = InHalf(static_cast<float>(d));
  b->min = InHalf(static_cast<float>(std::max(min, 0.0)));
}

AffineBlock EncodeAffine(const float* x, float top) {
  AffineValues v[kAffineBlocks];
  AffineFit fit[kAffineBlocks];
  float most_scale = 0, most_min = 0;
  for (int sub = 0; sub < kAffineBlocks; ++sub) {
    v[sub] = Prepare(x + sub * kAffine);
    fit[sub] = FitSubBlock(v[sub], top);
    most_scale = std::max(most_scale, fit[sub].scale);
    most_min = std::max(most_min, fit[sub].min);
  }
  AffineBlock best;
  best.d = InHalf(most_scale / kHighestCode);
  best.min = InHalf(most_min / kHighestCode);
  for (int sub = 0; sub < kAffineBlocks; ++sub) {
    best.code[sub] = RoundWithin(fit[sub].scale * Inverse(best.d), kHighestCode);
    best.min_code[sub] = RoundWithin(fit[sub].min * Inverse(best.min), kHighestCode);
  }
  double error = ChooseAllCodes(v, top, &best);
  for (int round = 0; round < kBlockRounds; ++round) {
    AffineBlock next = best;
    FitBlock(v, &next);
    const double next_error = ChooseAllCodes(v, top, &next);
    if (!(next_error < error)) break;
    best = next, error = next_error;
  }
  return best;
}

// d, min and the twelve bytes of codes, see ScaleMinAt in codec.cc.
void PutAffineHead(const AffineBlock& b, uint8_t* p) {
  PutHalf(p, b.d);
  PutHalf(p + 2, b.min);
  uint8_t* s = p + 4;
  for (int sub = 0; sub < 4; ++sub) {
    const auto code = static_cast<uint8_t>(b.code[sub]), min = static_cast<uint8_t>(b.min_code[sub]);
    const auto high_code = static_cast<uint8_t>(b.code[sub + 4]), high_min = static_cast<uint8_t>(b.min_code[sub + 4]);
    s[sub] = static_cast<uint8_t>(code | (high_code >> 4) << 6);
    s[sub + 4] = static_cast<uint8_t>(min | (high_min >> 4) << 6);
    s[sub + 8] = static_cast<uint8_t>((high_code & 15) | (high_min & 15) << 4);
  }
}

// The four low bits: two sub-blocks share 32 bytes, the even one in the low halves.
void PutAffineLevels(const AffineBlock& b, uint8_t* qs) {
  for (int i = 0; i < kBlock / 2; ++i) {
    const int even = i / kAffine * 2 * kAffine + i % kAffine;
    const auto low = static_cast<uint8_t>(b.level[even]), high = static_cast<uint8_t>(b.level[even + kAffine]);
    qs[i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
  }
}

// --- Q6_K: value = scale * level, levels -32 .. 31, sixteen sub-blocks of 16 -----------------------------------------

constexpr int kSymmetric = 16, kSymmetricBlocks = kBlock / kSymmetric;
constexpr float kLowest = -32, kHighest = 31;

struct SymmetricFit {
  float scale = 0;
  double gain = 0;  // how much of the weighted sum of squares it explains
};

// Levels round(x * inverse), and the scale that fits these best. The weight of x is x * x.
SymmetricFit FitLevels(const float* x, float inverse) {
  Lanes wlx_sum{}, wll_sum{};
  for (int i = 0; i < kSymmetric; i += kLanes) {
    const Lanes v = Load(x + i), level = Round(v * All(inverse), All(kLowest), All(kHighest)), wl = v * v * level;
    wlx_sum += wl * v, wll_sum += wl * level;
  }
  const double lx = Sum(wlx_sum), ll = Sum(wll_sum);
  if (!(ll > 0)) return {};
  return {static_cast<float>(lx / ll), lx * lx / ll};
}

SymmetricFit FitSubBlock(const float* x) {
  float extreme = 0;
  for (int i = 0; i < kSymmetric; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  SymmetricFit best;
  if (extreme == 0) return best;
  for (int i = -kCandidates; i <= kCandidates; ++i) {  // the extreme becomes the lowest level, or nearly
    const SymmetricFit fit = FitLevels(x, (kLowest + kCandidateStep * static_cast<float>(i)) / extreme);
    if (fit.gain > best.gain) best = fit;
  }
  for (int i = 0; i < kRefinements; ++i) {
    const SymmetricFit fit = FitLevels(x, Inverse(best.scale));
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best;
}

struct SymmetricBlock {
  float d = 0;  // half precision
  float code[kSymmetricBlocks] = {}, level[kBlock] = {};
};

double SubBlockError(const float* x, float scale, float* level) {
  const float inverse = Inverse(scale);
  Lanes sum{};
  for (int i = 0; i < kSymmetric; i += kLanes) {
    const Lanes v = Load(x + i), l = Round(v * All(inverse), All(kLowest), All(kHighest));
    const Lanes difference = v - All(scale) * l;
    sum += v * v * difference * difference;
    Store(level + i, l);
  }
  return Sum(sum);
}

double ChooseAllCodes(const float* x, SymmetricBlock* b) {
  double total = 0;
  for (int sub = 0; sub < kSymmetricBlocks; ++sub) {
    double best = -1;
    float code = 0, level[kSymmetric];
    for (int c = -1; c <= 1; ++c) {
      const float try_code = b->code[sub] + static_cast<float>(c);
      if (try_code < -128 || try_code > 127) continue;
      const double error = SubBlockError(x + sub * kSymmetric, b->d * try_code, level);
      if (best >= 0 && !(error < best)) continue;
      best = error, code = try_code;
      std::copy_n(level, kSymmetric, b->level + sub * kSymmetric);
    }
    b->code[sub] = code;
    total += best;
  }
  return total;
}

void FitBlock(const float* x, SymmetricBlock* b) {
  double pp = 0, px = 0;
  for (int sub = 0; sub < kSymmetricBlocks; ++sub) {
    Lanes wll_sum{}, wlx_sum{};
    for (int i = 0; i < kSymmetric; i += kLanes) {
      const Lanes v = Load(x + sub * kSymmetric + i), level = Load(b->level + sub * kSymmetric + i);
      const Lanes wl = v * v * level;
      wll_sum += wl * level, wlx_sum += wl * v;
    }
    const double c = b->code[sub];
    pp += c * c * Sum(wll_sum), px += c * Sum(wlx_sum);
  }
  if (pp > 0) b->d = InHalf(static_cast<float>(px / pp));
}

SymmetricBlock EncodeSymmetric(const float* x) {
  float scale[kSymmetricBlocks], extreme = 0;
  for (int sub = 0; sub < kSymmetricBlocks; ++sub) {
    scale[sub] = FitSubBlock(x + sub * kSymmetric).scale;
    if (std::fabs(scale[sub]) > std::fabs(extreme)) extreme = scale[sub];
  }
  SymmetricBlock best;
  best.d = InHalf(extreme / -128.0f);
  if (best.d == 0) return best;  // all values are zero, or too small to say
  for (int sub = 0; sub < kSymmetricBlocks; ++sub) {
    const float code = scale[sub] * Inverse(best.d);
    best.code[sub] = code > -128 ? std::nearbyint(std::min(code, 127.0f)) : -128.0f;
  }
  double error = ChooseAllCodes(x, &best);
  for (int round = 0; round < kBlockRounds; ++round) {
    SymmetricBlock next = best;
    FitBlock(x, &next);
    const double next_error = ChooseAllCodes(x, &next);
    if (!(next_error < error)) break;
    best = next, error = next_error;
  }
  return best;
}

}  // namespace

void EncodeQ4_K(const float* values, uint8_t* block) {
  const AffineBlock b = EncodeAffine(values, 15);
  PutAffineHead(b, block);
  PutAffineLevels(b, block + 16);
}

void EncodeQ5_K(const float* values, uint8_t* block) {
  const AffineBlock b = EncodeAffine(values, 31);
  PutAffineHead(b, block);
  uint8_t* high = block + 16;  // bit `sub` of byte i % 32
  std::memset(high, 0, kAffine);
  for (int i = 0; i < kBlock; ++i) {
    high[i % kAffine] |= static_cast<uint8_t>((static_cast<uint8_t>(b.level[i]) >> 4) << (i / kAffine));
  }
  PutAffineLevels(b, block + 48);
}

void EncodeQ6_K(const float* values, uint8_t* block) {
  const SymmetricBlock b = EncodeSymmetric(values);
  std::memset(block, 0, 192);
  for (int i = 0; i < kBlock; ++i) {  // where a value's bits lie: DecodeQ6_K
    const int half = i / 128, k = i % 128 / 32, j = i % 32, level = static_cast<int>(b.level[i]) + 32;
    block[half * 64 + k % 2 * 32 + j] |= static_cast<uint8_t>((level & 15) << (k / 2 * 4));
    block[128 + half * 32 + j] |= static_cast<uint8_t>(level >> 4 << (k * 2));
  }
  for (int sub = 0; sub < kSymmetricBlocks; ++sub)
    block[192 + sub] = static_cast<uint8_t>(static_cast<int8_t>(b.code[sub]));
  PutHalf(block + 208, b.d);
}

}  // namespace hew
