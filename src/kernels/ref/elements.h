// Reads and writes one element of a view as double: what the reference kernels are written with.
#pragma once

#include "base/float16.h"
#include "tensor/view.h"

namespace hew::ref {

inline double Get(ConstMatrixView m, int64_t row, int64_t col) {
  return m.dtype == DType::kBF16 ? BF16ToFloat(m.bf16(row)[col]) : m.f32(row)[col];
}

inline void Set(MatrixView m, int64_t row, int64_t col, double value) {
  if (m.dtype == DType::kBF16) {
    m.bf16(row)[col] = FloatToBF16(static_cast<float>(value));
  } else {
    m.f32(row)[col] = static_cast<float>(value);
  }
}

// Overwrites, or adds to what is there.
inline void Put(MatrixView m, int64_t row, int64_t col, double value, bool accumulate) {
  Set(m, row, col, accumulate ? Get(m, row, col) + value : value);
}

}  // namespace hew::ref
