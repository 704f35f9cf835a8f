// The row functions of ops_kernels.h on any processor.
#define HEW_ISA_SCALAR
#include "kernels/cpu/ops_kernels.inc"
