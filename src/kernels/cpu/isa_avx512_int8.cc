// Products of int8 activations for AVX-512 with VNNI.
#if defined(__x86_64__)
#define HEW_LINEAR avx512_int8
#include "kernels/cpu/int8_vec_avx512.h"
#include "kernels/cpu/linear_int8.inc"
#endif
