// The row functions of ops_kernels.h for AVX-512.
#if defined(__x86_64__)
#define HEW_ISA_AVX512
#include "kernels/cpu/ops_kernels.inc"
#endif
