#include "kernels/cpu/ops_dispatch.h"

namespace hew {

const OpsKernels& OpsKernelsFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512::kOpsKernels;
  if (isa == Isa::kAvx2) return avx2::kOpsKernels;
#endif
  HEW_CHECK(isa == Isa::kScalar);
  return scalar::kOpsKernels;
}

}  // namespace hew
