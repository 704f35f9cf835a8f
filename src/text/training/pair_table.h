// A map from two token numbers to an index, by open addressing; nothing is ever removed.
#pragma once

#include <cstdint>
#include <vector>

namespace hew {

class PairTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t Find(uint32_t left, uint32_t right) const {
    if (slots_.empty()) return kNone;
    const uint64_t key = Key(left, right);
    for (size_t at = Place(key);; at = (at + 1) & mask_) {
      if (slots_[at].index == kNone) return kNone;
      if (slots_[at].key == key) return slots_[at].index;
    }
  }
  // The pair's index; `fresh` if it had none before.
  uint32_t FindOrAdd(uint32_t left, uint32_t right, uint32_t fresh) {
    if (used_ * 2 >= slots_.size()) Grow();
    const uint64_t key = Key(left, right);
    for (size_t at = Place(key);; at = (at + 1) & mask_) {
      if (slots_[at].index == kNone) {
        slots_[at] = {key, fresh};
        ++used_;
        return fresh;
      }
      if (slots_[at].key == key) return slots_[at].index;
    }
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t index = kNone;
  };
  static uint64_t Key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }
  size_t Place(uint64_t key) const { return (key * 0x9E3779B97F4A7C15u >> 20) & mask_; }
  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 1 << 17 : slots_.size() * 2);
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.index == kNone) continue;
      size_t at = Place(slot.key);
      while (slots_[at].index != kNone) at = (at + 1) & mask_;
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t used_ = 0, mask_ = 0;
};

}  // namespace hew
