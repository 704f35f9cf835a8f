// Products of int8 activations for AVX2.
#if defined(__x86_64__)
#define HEW_LINEAR avx2_int8
#include "kernels/cpu/int8_vec_avx2.h"
#include "kernels/cpu/linear_int8.inc"
#endif
