// Checked unsigned arithmetic for every size, count and offset that comes from a file. An overflow sticks until ok()
// is asked, so that a formula can be written out and tested once at its end.
#pragma once

#include <concepts>
#include <cstdint>

namespace hew {

class CheckedU64 {
 public:
  constexpr CheckedU64() = default;
  template <std::integral T>
  constexpr CheckedU64(T value)  // NOLINT: implicit, so that formulas read as formulas
      : value_(static_cast<uint64_t>(value)), ok_(value >= 0) {}

  friend constexpr CheckedU64 operator+(CheckedU64 a, CheckedU64 b) {
    CheckedU64 r;
    r.ok_ = !__builtin_add_overflow(a.value_, b.value_, &r.value_) && a.ok_ && b.ok_;
    return r;
  }
  friend constexpr CheckedU64 operator-(CheckedU64 a, CheckedU64 b) {
    CheckedU64 r;
    r.ok_ = !__builtin_sub_overflow(a.value_, b.value_, &r.value_) && a.ok_ && b.ok_;
    return r;
  }
  friend constexpr CheckedU64 operator*(CheckedU64 a, CheckedU64 b) {
    CheckedU64 r;
    r.ok_ = !__builtin_mul_overflow(a.value_, b.value_, &r.value_) && a.ok_ && b.ok_;
    return r;
  }
  // Rounded up to a multiple of `alignment` (a power of two).
  constexpr CheckedU64 AlignUp(uint64_t alignment) const {
    CheckedU64 r = *this + (alignment - 1);
    r.value_ &= ~(alignment - 1);
    return r;
  }

  constexpr bool ok() const { return ok_; }
  // True if nothing overflowed and the value is at most `limit`.
  constexpr bool Within(uint64_t limit) const { return ok_ && value_ <= limit; }
  constexpr uint64_t value() const { return value_; }  // meaningful only if ok()

 private:
  uint64_t value_ = 0;
  bool ok_ = true;
};

}  // namespace hew
