#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

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

void KvCache::Reserve(int64_t capacity) {
  if (capacity <= capacity_) return;
  const auto grow = [&](Matrix& m) {  // one at a time: never the whole cache twice
    Matrix larger(m.view().dtype, capacity, m.view().cols);
    std::memcpy(larger.view().data, m.view().data,
                static_cast<size_t>(length_ * m.view().stride * m.view().element_bytes()));
    m = std::move(larger);
  };
  for (Matrix& m : keys_) grow(m);
  for (Matrix& m : values_) grow(m);
  capacity_ = capacity;
}

size_t KvCache::BytesPerToken(const Runtime& rt, const ModelConfig& config) {
  return static_cast<size_t>(2 * config.num_hidden_layers * config.key_value_size() * (rt.bf16() ? 2 : 4));
}

size_t KvCache::bytes() const {
  size_t sum = 0;
  for (const Matrix& m : keys_) sum += m.bytes();
  for (const Matrix& m : values_) sum += m.bytes();
  return sum;
}

}  // namespace hew
