#pragma once

#include <vector>

#include "base/runtime.h"
#include "model/config.h"
#include "tensor/view.h"

namespace hew {

// Keys and values of one sequence: per layer two matrices [capacity, key_value_size], bf16 or fp32 as the run says.
class KvCache {
 public:
  // `context`: the most tokens that any sequence of this run may hold, where that is more than this one's capacity. It
  // decides how a model with two sets of rotary positions (longrope) turns the keys, which is then the same for all.
  KvCache(const Runtime& rt, const ModelConfig& config, int64_t capacity, int64_t context = 0);

  // Room for `capacity` tokens, at least what it has; what it holds stays.
  void Reserve(int64_t capacity);

  int64_t length() const { return length_; }             // tokens held
  int64_t capacity() const { return capacity_; }         // the most it can hold now
  void Truncate(int64_t length) { length_ = length; }    // forget what came after
  bool long_sequence() const { return long_sequence_; }  // see IsLongSequence (rope.h)
  size_t bytes() const;
  static size_t BytesPerToken(const Runtime& rt, const ModelConfig& config);

  MatrixView keys(int64_t layer) { return keys_[layer].view(); }
  MatrixView values(int64_t layer) { return values_[layer].view(); }
  void Advance(int64_t rows) { length_ += rows; }  // by the decoder, after all layers wrote their rows

 private:
  int64_t length_ = 0, capacity_ = 0;
  bool long_sequence_ = false;
  std::vector<Matrix> keys_, values_;
};

}  // namespace hew
