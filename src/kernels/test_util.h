// What the kernels' tests share: instruction sets and precisions to try, random views, comparisons.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "base/runtime.h"
#include "kernels/ref/elements.h"

namespace hew {

struct Mode {
  Isa isa;
  Precision precision;
  const char* name;
};

// Every way this machine can compute.
inline std::vector<Mode> Modes() {
  std::vector<Mode> modes;
  for (const Mode& mode :
       {Mode{Isa::kScalar, Precision::kDefault, "scalar"}, Mode{Isa::kAvx2, Precision::kDefault, "avx2"},
        Mode{Isa::kAvx512, Precision::kDefault, "avx512 bf16"}, Mode{Isa::kAvx512, Precision::kFp32, "avx512 fp32"}}) {
    if (IsaAvailable(mode.isa)) modes.push_back(mode);
  }
  return modes;
}

// Normal values that bf16 holds exactly, so that the type of a view does not change its contents.
inline void Fill(MatrixView m, uint64_t seed, double spread = 1) {
  Random random{seed};
  for (int64_t r = 0; r < m.rows; ++r) {
    for (int64_t c = 0; c < m.cols; ++c) {
      ref::Set(m, r, c, BF16ToFloat(FloatToBF16(static_cast<float>(spread * random.Normal()))));
    }
  }
}

inline Matrix RandomMatrix(DType type, int64_t rows, int64_t cols, uint64_t seed, double spread = 1) {
  Matrix m(type, rows, cols);
  Fill(m.view(), seed, spread);
  return m;
}

inline Matrix CopyOf(ConstMatrixView x, DType type) {
  Matrix m(type, x.rows, x.cols);
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) ref::Set(m.view(), r, c, ref::Get(x, r, c));
  }
  return m;
}

// Root mean square of the difference, relative to b's and at least to `floor`: where values cancel, only the rounding
// of what they are made of would be compared. A value that is not finite counts as very far.
inline double Difference(ConstMatrixView a, ConstMatrixView b, double floor = 1e-30) {
  double sum = 0, size = 0;
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) {
      const double d = ref::Get(a, r, c) - ref::Get(b, r, c);
      sum += std::isfinite(d) ? d * d : 1e30;
      size += ref::Get(b, r, c) * ref::Get(b, r, c);
    }
  }
  return std::sqrt(sum / (size + floor * floor * static_cast<double>(a.rows * a.cols)));
}

inline bool SameBits(ConstMatrixView a, ConstMatrixView b) {
  const bool half = a.dtype == DType::kBF16;
  if (a.dtype != b.dtype || a.rows != b.rows || a.cols != b.cols) return false;
  for (int64_t r = 0; r < a.rows; ++r) {
    const void* x = half ? static_cast<const void*>(a.bf16(r)) : a.f32(r);
    const void* y = half ? static_cast<const void*>(b.bf16(r)) : b.f32(r);
    if (std::memcmp(x, y, static_cast<size_t>(a.cols) * (half ? 2 : 4)) != 0) return false;
  }
  return true;
}

}  // namespace hew
