// Products in plain C++.
#define HEW_LINEAR scalar
#include "kernels/cpu/linear_vec_scalar.h"
#include "kernels/cpu/linear_kernels.inc"
