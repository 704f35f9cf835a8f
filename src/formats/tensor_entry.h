#pragma once

#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/shape.h"

namespace hew {

// One tensor of a file. `shape` is row-major (the reverse of GGUF's ne); `bytes` points into the mapped file and holds
// exactly the rows of `dtype`, checked when the file was opened.
struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::string_view bytes;
};

}  // namespace hew
