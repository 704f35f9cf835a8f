#include "model/kv_cache.h"

#include <algorithm>

#include "model/rope.h"

namespace hew {

KvCache::KvCache(const Runtime& rt, const ModelConfig& config, int64_t capacity, int64_t context)
    : capacity_(capacity), long_sequence_(IsLongSequence(config, std::max(capacity, context))) {
  HEW_CHECK(capacity > 0);
  const DType type = rt.bf16() ? DType::kBF16 : DType::kF32;
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    keys_.emplace_back(type, capacity, config.key_value_size());
    values_.emplace_back(type, capacity, config.key_value_size());
  }
}

size_t KvCache::bytes() const {
  size_t sum = 0;
  for (const Matrix& m : keys_) sum += m.bytes();
  for (const Matrix& m : values_) sum += m.bytes();
  return sum;
}

}  // namespace hew
