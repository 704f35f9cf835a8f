// Products of bf16 with fp32 sums for AVX-512 with BF16: the default mode.
#if defined(__x86_64__)
#define HEW_LINEAR avx512_bf16
#define HEW_LINEAR_BF16
#include "kernels/cpu/linear_vec_avx512.h"
#include "kernels/cpu/linear_kernels.inc"
#endif
