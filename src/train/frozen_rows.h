// What the layers below the lowest adapted one give, kept by example across epochs: they are frozen, and a row depends on nothing
// but the tokens before it, so that it is the same whatever batch it stands in.
#pragma once

#include <unordered_map>
#include <vector>

#include "model/decoder.h"

namespace hew {

class FrozenRows : public FrozenStream {
 public:
  bool Load(const PackedBatch& batch, MatrixView stream) const override;
  void Save(const PackedBatch& batch, ConstMatrixView stream) override;

 private:
  std::unordered_map<int64_t, std::vector<float>> rows_;  // by example: [tokens, hidden_size]
};

}  // namespace hew
