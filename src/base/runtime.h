// What a computation runs on, handed down as an argument: threads, instruction set, numeric precision.
#pragma once

#include <optional>
#include <string_view>

#include "base/thread_pool.h"

namespace hew {

enum class Isa { kScalar, kAvx2, kAvx512 };  // kAvx512 needs F, BW, VL, DQ, BF16 and VNNI; kAvx2 needs FMA and F16C

// kDefault: bf16 products with fp32 sums where the instruction set has them (kAvx512), fp32 elsewhere.
// kFp32: weights dequantised, everything in fp32: the reference.
// kInt8: as kDefault, but activations rounded to int8 in groups of 32 before products with quantised weights. Not for training.
enum class Precision { kDefault, kFp32, kInt8 };

struct Runtime {
  const ThreadPool* pool = nullptr;
  Isa isa = Isa::kScalar;
  Precision precision = Precision::kDefault;

  bool bf16() const { return isa == Isa::kAvx512 && precision != Precision::kFp32; }
};

Isa BestIsa();              // the best this processor and operating system offer
bool IsaAvailable(Isa isa);
std::string_view NameOf(Isa isa);  // "scalar", "avx2", "avx512"
std::string_view NameOf(Precision precision);  // "default", "fp32", "int8"
std::optional<Precision> PrecisionFromName(std::string_view name);
std::optional<Isa> IsaFromName(std::string_view name);

}  // namespace hew
