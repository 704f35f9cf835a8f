// Views of activations: row-major matrices of fp32 or bf16, not owned. Which of the two is a property of the run
// (Runtime::bf16()), so kernels ask the view, not a template parameter.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/dtype.h"
#include "tensor/buffer.h"

namespace hew {

struct ConstMatrixView {
  const void* data = nullptr;
  DType dtype = DType::kF32;  // kF32 or kBF16
  int64_t rows = 0, cols = 0;
  int64_t stride = 0;  // elements from one row to the next

  const float* f32(int64_t row = 0) const { return static_cast<const float*>(data) + row * stride; }
  const uint16_t* bf16(int64_t row = 0) const { return static_cast<const uint16_t*>(data) + row * stride; }
};

struct MatrixView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0, cols = 0;
  int64_t stride = 0;

  operator ConstMatrixView() const { return {data, dtype, rows, cols, stride}; }  // NOLINT: a view only loses rights
  float* f32(int64_t row = 0) const { return static_cast<float*>(data) + row * stride; }
  uint16_t* bf16(int64_t row = 0) const { return static_cast<uint16_t*>(data) + row * stride; }
  int64_t element_bytes() const { return dtype == DType::kBF16 ? 2 : 4; }
  // Rows [begin, begin + count), columns [col, col + width).
  MatrixView Block(int64_t begin, int64_t count, int64_t col, int64_t width) const {
    HEW_CHECK(begin >= 0 && begin + count <= rows && col >= 0 && col + width <= cols);
    return {static_cast<std::byte*>(data) + (begin * stride + col) * element_bytes(), dtype, count, width, stride};
  }
  MatrixView Rows(int64_t begin, int64_t count) const { return Block(begin, count, 0, cols); }
};

inline MatrixView F32View(float* data, int64_t rows, int64_t cols) { return {data, DType::kF32, rows, cols, cols}; }
inline ConstMatrixView F32View(const float* data, int64_t rows, int64_t cols) { return {data, DType::kF32, rows, cols, cols}; }

// An owned matrix of activations.
class Matrix {
 public:
  Matrix() = default;
  Matrix(DType dtype, int64_t rows, int64_t cols)
      : buffer_(static_cast<size_t>(rows * cols * (dtype == DType::kBF16 ? 2 : 4))), dtype_(dtype), rows_(rows), cols_(cols) {
    HEW_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
  }
  MatrixView view() { return {buffer_.data(), dtype_, rows_, cols_, cols_}; }
  ConstMatrixView view() const { return {buffer_.data(), dtype_, rows_, cols_, cols_}; }
  MatrixView rows(int64_t begin, int64_t count) { return view().Rows(begin, count); }
  int64_t row_count() const { return rows_; }
  size_t bytes() const { return buffer_.size(); }

 private:
  Buffer buffer_;
  DType dtype_ = DType::kF32;
  int64_t rows_ = 0, cols_ = 0;
};

}  // namespace hew
