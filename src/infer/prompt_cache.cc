#include "infer/prompt_cache.h"

#include <algorithm>

namespace hew {

void PromptCache::Put(Entry entry) {
  if (entry.ids.empty()) return;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (at->adapter_key == entry.adapter_key) {
      const size_t common = CommonPrefix(at->ids, entry.ids);
      if (common == entry.ids.size()) {  // held already
        entries_.splice(entries_.begin(), entries_, at);
        return;
      }
      if (common == at->ids.size()) Remove(at);
    }
    at = next;
  }
  bytes_ += entry.cache->bytes();
  entries_.push_front(std::move(entry));
}

PromptCache::Entry* PromptCache::Find(const std::string& adapter_key, IdSpan ids) {
  auto best = entries_.end();
  size_t most = 0;
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    if (at->adapter_key != adapter_key) continue;
    const size_t common = CommonPrefix(at->ids, ids);
    if (common > most) most = common, best = at;
  }
  if (best == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, best);
  return &entries_.front();
}

std::unique_ptr<KvCache> PromptCache::Take(Entry* entry) {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return &e == entry; });
  bytes_ -= at->cache->bytes();
  std::unique_ptr<KvCache> cache = std::move(at->cache);
  entries_.erase(at);
  return cache;
}

void PromptCache::Shrink(size_t bytes) {
  while (bytes_ > bytes) Remove(std::prev(entries_.end()));
}

void PromptCache::Remove(std::list<Entry>::iterator at) {
  bytes_ -= at->cache->bytes();
  entries_.erase(at);
}

}  // namespace hew
