// Products in fp32 for AVX2 with FMA and F16C.
#if defined(__x86_64__)
#define HEW_LINEAR avx2
#include "kernels/cpu/linear_vec_avx2.h"
#include "kernels/cpu/linear_kernels.inc"
#endif
