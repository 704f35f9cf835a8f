#pragma once

#include "tensor/view.h"

namespace hew {

// Memory for a matrix that is made again and again: it grows when it must and is otherwise reused, so that a steady
// state allocates nothing. Views of one shape are the same memory, holding what was last written; another shape
// invalidates them.
class Scratch {
 public:
  MatrixView View(DType dtype, int64_t rows, int64_t cols) {
    HEW_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
    const auto bytes = static_cast<size_t>(rows * cols * (dtype == DType::kBF16 ? 2 : 4));
    if (bytes > buffer_.size()) {
      buffer_ = Buffer();  // the old memory goes first: never both at once
      buffer_ = Buffer(bytes);
    }
    return {buffer_.data(), dtype, rows, cols, cols};
  }
  size_t bytes() const { return buffer_.size(); }

 private:
  Buffer buffer_;
};

}  // namespace hew
