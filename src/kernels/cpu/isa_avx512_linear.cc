// Products in fp32 for AVX-512: the reference mode on a machine that has it.
#if defined(__x86_64__)
#define HEW_LINEAR avx512
#include "kernels/cpu/linear_vec_avx512.h"
#include "kernels/cpu/linear_kernels.inc"
#endif
