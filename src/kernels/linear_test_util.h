// What the tests of products with weights share with their fuzz target: types and modes to try, random weights of file
// bytes, views whose surroundings are watched.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/float16.h"
#include "base/random.h"
#include "base/runtime.h"
#include "kernels/linear.h"
#include "tensor/weight.h"

namespace hew::test {

inline constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Every instruction set of this machine in both numeric modes.
inline std::vector<Runtime> Modes(const ThreadPool& pool) {
  std::vector<Runtime> modes;
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (!IsaAvailable(isa)) continue;
    modes.push_back({&pool, isa, Precision::kDefault});
    if (modes.back().bf16()) modes.push_back({&pool, isa, Precision::kFp32});
    modes.push_back({&pool, isa, Precision::kInt8});
  }
  return modes;
}

inline std::string Describe(const Runtime& rt) { return std::string(NameOf(rt.isa)) + (rt.bf16() ? " bf16 " : " fp32 ") + std::string(NameOf(rt.precision)); }

// A weight of random file bytes, with scales of a sensible size.
inline Weight RandomWeight(const ThreadPool& pool, DType type, int64_t rows, int64_t cols, Random& random) {
  std::string bytes(static_cast<size_t>(rows * RowBytes(type, cols)), '\0');
  const auto block = static_cast<size_t>(InfoOf(type).block_bytes);
  const auto put_half = [&](size_t at, float value) {
    const uint16_t half = type == DType::kBF16 ? FloatToBF16(value) : FloatToHalf(value);
    std::memcpy(&bytes[at], &half, 2);
  };
  for (char& c : bytes) c = static_cast<char>(random.Next32());
  for (size_t at = 0; at < bytes.size(); at += block) {
    const float d = random.Normal() * 0.02f, min = random.Normal() * 0.02f;
    switch (type) {
      case DType::kF32: std::memcpy(&bytes[at], &d, 4); break;
      case DType::kQ2_K: put_half(at + 80, d), put_half(at + 82, min); break;
      case DType::kQ3_K: put_half(at + 108, d); break;
      case DType::kQ6_K: put_half(at + 208, d); break;
      case DType::kQ4_1: case DType::kQ5_1: case DType::kQ4_K: case DType::kQ5_K: put_half(at, d), put_half(at + 2, min); break;
      default: put_half(at, d);
    }
  }
  auto w = MakeWeight(pool, type, rows, cols, bytes);
  HEW_CHECK(w.has_value());
  return *std::move(w);
}

// A random matrix inside a wider one, so that its stride is not its width and what lies beside it can be watched.
struct Padded {
  std::vector<float> f32;
  std::vector<uint16_t> bf16;
  MatrixView view;

  Padded(DType dtype, int64_t rows, int64_t cols, Random& random) {
    const int64_t stride = cols + 3;
    const auto size = static_cast<size_t>(rows * stride);
    for (size_t i = 0; i < size; ++i) f32.push_back(random.Normal());
    for (float v : f32) bf16.push_back(FloatToBF16(v));
    view = {dtype == DType::kBF16 ? static_cast<void*>(bf16.data()) : f32.data(), dtype, rows, cols, stride};
  }
  Padded(const Padded& other) : f32(other.f32), bf16(other.bf16), view(other.view) { Rebind(); }
  void Rebind() { view.data = view.dtype == DType::kBF16 ? static_cast<void*>(bf16.data()) : f32.data(); }
  float At(int64_t r, int64_t c) const {
    return view.dtype == DType::kBF16 ? BF16ToFloat(bf16[static_cast<size_t>(r * view.stride + c)])
                                      : f32[static_cast<size_t>(r * view.stride + c)];
  }
};

// The largest value of a weight.
inline double LargestOf(const Weight& w) {
  double largest = 0;
  std::vector<float> row(static_cast<size_t>(w.cols));
  for (int64_t r = 0; r < w.rows; ++r) {
    ReadWeightRow(w, r, row.data());
    for (float v : row) largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  return largest;
}

// Where the bf16 mode folds a minimum into one multiply-add (linear_formats.inc), a weight next to the middle of two bf16 values
// may be rounded to the other: a few of them in a sum.
inline double FlipUnit(const Runtime& rt, DType type, double largest, bool gradient) {
  const bool min = type == DType::kQ4_1 || type == DType::kQ5_1 || type == DType::kQ4_K || type == DType::kQ5_K;
  return rt.bf16() && (gradient || rt.precision == Precision::kDefault) && min ? largest / 32 : 0;
}

}  // namespace hew::test
