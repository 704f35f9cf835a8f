// From views and a Runtime to row functions: which table, which row, and whether threads are worth waking.
#pragma once

#include <algorithm>

#include "base/runtime.h"
#include "kernels/cpu/ops_kernels.h"
#include "tensor/view.h"

namespace hew {

const OpsKernels& OpsKernelsFor(Isa isa);

inline ConstRow RowOf(ConstMatrixView m, int64_t row, int64_t col = 0) {
  if (m.dtype == DType::kBF16) return {m.bf16(row) + col, true};
  return {m.f32(row) + col, false};
}
inline Row RowOf(MatrixView m, int64_t row, int64_t col = 0) {
  if (m.dtype == DType::kBF16) return {m.bf16(row) + col, true};
  return {m.f32(row) + col, false};
}

// Calls fn(begin, end) over all rows, on the pool's threads where the work pays for waking them: about 16 thousand
// element operations, a few microseconds. `cost` is the element operations of one row.
template <typename Fn>
void ForRows(const Runtime& rt, int64_t rows, int64_t cost, const Fn& fn) {
  constexpr int64_t kWorthwhile = 32768;
  const int64_t grain = kWorthwhile / 2 / std::max<int64_t>(cost, 1) + 1;
  if (rows <= 0) return;
  if (!rt.pool || rt.pool->threads() == 1 || rows * cost < kWorthwhile) {
    fn(int64_t{0}, rows);
  } else {
    rt.pool->ParallelFor(rows, grain, fn);
  }
}

}  // namespace hew
