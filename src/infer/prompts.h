// Many prompts at once: what they all begin with is run once, the rest of them together in one batch.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "infer/generator.h"
#include "model/kv_cache.h"

namespace hew {

using IdSpan = std::span<const int32_t>;

size_t CommonPrefix(IdSpan a, IdSpan b);

// `to` holds the first `rows` tokens of `from`, a cache of the same model, and nothing else.
void CopyPrefix(const Model& model, KvCache& from, int64_t rows, KvCache* to);

// Runs each prompt's ids behind its cache; gives the hidden state of each one's last row, [prompts, hidden_size]. With
// `all_rows`, of every row in order instead. The bits are those of each prompt alone. No prompt is empty.
Matrix RunTogether(const Engine& engine, std::span<const IdSpan> prompts, std::span<KvCache* const> caches,
                   bool all_rows = false);

// A cache of ids that many prompts begin with.
class PromptStem {
 public:
  explicit PromptStem(const Engine& engine) : engine_(engine) {}
  // Holds `ids` from now on; what it held in common with them is not run again.
  void Set(IdSpan ids);
  // A cache for `capacity` tokens that begins with the stem.
  std::unique_ptr<KvCache> Branch(int64_t capacity) const;
  int64_t length() const { return static_cast<int64_t>(ids_.size()); }

 private:
  const Engine& engine_;
  std::vector<int32_t> ids_;
  std::unique_ptr<KvCache> cache_;
};

}  // namespace hew
