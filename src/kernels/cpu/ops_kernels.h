// The row functions behind kernels/ops.h, one table per instruction set. Plain pointers only, so that the sources
// compiled for an instruction set see nothing else.
#pragma once

#include <stdint.h>

#include "kernels/cpu/row.h"

namespace hew {

enum class ActivationKind { kSilu, kGeluTanh, kGelu };

// Element i of a row is n = first + i of the whole matrix. Its draw is word (n / 16) % 4 of Philox(seed, stream,
// n / 64 * 16 + n % 16), so that 16 lanes and all four words serve 64 neighbours; kept if the draw >= threshold.
struct DropoutRow {
  uint64_t seed, stream, first;
  uint64_t threshold;  // p * 2^32
  float scale;         // 1 / (1 - p)
};

struct AdamWStep {
  float gradient_scale, decay, one_minus_beta1, beta2, one_minus_beta2;  // decay = 1 - lr * weight_decay
  float step_size, root_correction2, eps;                                // lr / (1 - beta1^t), sqrt(1 - beta2^t)
};

struct OpsKernels {
  // 1 / sqrt(mean(x^2) + eps) of a row.
  float (*inverse_rms)(ConstRow x, int64_t n, float eps);
  void (*rms_norm)(ConstRow x, const float* gain, float eps, int64_t n, Row y, bool accumulate);
  void (*rms_norm_backward)(ConstRow x, const float* gain, float inverse, ConstRow dy, int64_t n, Row dx,
                            bool accumulate);
  // gain += dy * x * inverse
  void (*add_gain_gradient)(ConstRow x, float inverse, ConstRow dy, int64_t n, float* gain);
  void (*layer_norm)(ConstRow x, const float* gain, const float* bias, float eps, int64_t n, Row y, bool accumulate);
  void (*layer_norm_backward)(ConstRow x, const float* gain, float eps, ConstRow dy, int64_t n, Row dx,
                              bool accumulate);
  // One head: x[0 .. 2 half); sign is +1, or -1 to rotate back.
  void (*rope_halves)(const float* cos, const float* sin, float sign, int64_t half, Row x);
  void (*rope_interleaved)(const float* cos, const float* sin, float sign, int64_t half, Row x);
  void (*gated)(ActivationKind act, ConstRow gate, ConstRow up, int64_t n, Row out);
  void (*gated_backward)(ActivationKind act, ConstRow gate, ConstRow up, ConstRow d_out, int64_t n, Row d_gate,
                         Row d_up);
  void (*activate)(ActivationKind act, ConstRow x, int64_t n, Row out);
  void (*activate_backward)(ActivationKind act, ConstRow x, ConstRow d_out, int64_t n, Row dx);
  void (*softcap)(float cap, int64_t n, Row x);
  // Highest value, and the sum of e^(x - highest).
  void (*max_and_sum)(const float* x, int64_t n, float* highest, double* sum);
  // y = scale * e^(x - origin) * (1 - (x * inverse_cap)^2)
  void (*softmax_gradient)(const float* x, int64_t n, float origin, float scale, float inverse_cap, Row y);
  void (*scale_columns)(ConstRow x, const float* scale, int64_t n, Row y, bool accumulate);
  void (*scale)(ConstRow x, float scale, int64_t n, Row y, bool accumulate);
  void (*dropout)(const DropoutRow& d, ConstRow x, int64_t n, Row y, bool accumulate);
  double (*sum_of_squares)(const float* x, int64_t n);
  void (*adamw)(const AdamWStep& s, const float* g, int64_t n, float* p, float* m, float* v);
};

namespace scalar {
extern const OpsKernels kOpsKernels;
}
namespace avx2 {
extern const OpsKernels kOpsKernels;
}
namespace avx512 {
extern const OpsKernels kOpsKernels;
}

}  // namespace hew
