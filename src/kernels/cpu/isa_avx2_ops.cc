// The row functions of ops_kernels.h for AVX2.
#if defined(__x86_64__)
#define HEW_ISA_AVX2
#include "kernels/cpu/ops_kernels.inc"
#endif
