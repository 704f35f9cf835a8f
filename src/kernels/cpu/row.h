// A row of fp32 or bf16 values as a plain pointer, for sources that are compiled for one instruction set.
#pragma once

namespace hew {

struct ConstRow {
  const void* p;
  bool bf16;
};
struct Row {
  void* p;
  bool bf16;
  operator ConstRow() const { return {p, bf16}; }  // NOLINT: only loses rights
};

}  // namespace hew
