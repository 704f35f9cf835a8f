#include "kernels/machine_peak.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

TEST(MachinePeak, MeasuresWhatTheInstructionSetHas) {
  const ThreadPool pool(2);
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (!IsaAvailable(isa)) continue;
    const MachinePeak peak = MeasureMachine({&pool, isa, Precision::kDefault});
    EXPECT_GT(peak.fp32_gflops, 0);
    EXPECT_GT(peak.read_gbps, 0);
    EXPECT_EQ(peak.bf16_gflops > 0, isa == Isa::kAvx512);
    EXPECT_EQ(peak.int8_gops > 0, isa != Isa::kScalar);
  }
}

}  // namespace
}  // namespace hew
