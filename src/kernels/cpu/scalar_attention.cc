// The inner loops of attention_kernels.h on any processor.
#define HEW_ISA_SCALAR
#include "kernels/cpu/attention_kernels.inc"
