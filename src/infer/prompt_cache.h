// Keys and values of sequences that have ended, for prompts that begin as they did. What was computed under one adapter
// is never given to another: entries are found by the adapter's key and the tokens themselves.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "infer/prompts.h"

namespace hew {

class PromptCache {
 public:
  struct Entry {
    std::string adapter_key;
    std::vector<int32_t> ids;  // what the cache holds
    std::unique_ptr<KvCache> cache;
  };

  // Remembers a sequence; what it makes superfluous (the same key, a beginning of its ids) is forgotten.
  void Put(Entry entry);
  // The entry of this key that has most in common with `ids`, or null; it counts as used now.
  Entry* Find(const std::string& adapter_key, IdSpan ids);
  // Takes the entry's cache out.
  std::unique_ptr<KvCache> Take(Entry* entry);
  // Forgets what was used longest ago until at most `bytes` are held.
  void Shrink(size_t bytes);
  size_t bytes() const { return bytes_; }

 private:
  void Remove(std::list<Entry>::iterator at);

  std::list<Entry> entries_;  // the one used last first
  size_t bytes_ = 0;
};

}  // namespace hew
