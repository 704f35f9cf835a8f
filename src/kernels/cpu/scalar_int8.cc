#define HEW_LINEAR scalar_int8
#include "kernels/cpu/int8_vec_scalar.h"
#include "kernels/cpu/linear_int8.inc"
