// The inner loops of attention_kernels.h for AVX-512.
#if defined(__x86_64__)
#define HEW_ISA_AVX512
#include "kernels/cpu/attention_kernels.inc"
#endif
