// Rows of a file's element type to fp32 and back: the one place where GGUF's block formats are spelled out.
// Plain and scalar: loading, exporting and tests use it; the fast paths of kernels/ are tested against it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace hew {

// Decodes `out.size()` values (a multiple of the type's block) from `bytes`. Types: F32, F16, BF16, Q4_0, Q4_1, Q5_0,
// Q5_1, Q8_0, Q2_K .. Q6_K. Values as ggml's dequantize_row_* gives them (scale * code + min in fp32).
void DecodeRow(DType type, std::string_view bytes, std::span<float> out);
bool CanDecode(DType type);

// Encodes values as ggml's reference quantisers do. Types: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
void EncodeRow(DType type, std::span<const float> values, std::span<char> out);
bool CanEncode(DType type);

}  // namespace hew
