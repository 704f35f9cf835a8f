// The inner loops of attention_kernels.h for AVX2.
#if defined(__x86_64__)
#define HEW_ISA_AVX2
#include "kernels/cpu/attention_kernels.inc"
#endif
