// Loops written out by the compiler, in the namespace HEW_LINEAR of the including source.
#pragma once

#define HEW_LINEAR_INLINE static inline __attribute__((always_inline))
#define HEW_LINEAR_LAMBDA __attribute__((always_inline))
#define HEW_LINEAR_INLINE_MEMBER inline __attribute__((always_inline))

namespace hew::HEW_LINEAR {
namespace {

template <int n>
struct Index {
  static constexpr int value = n;
};

// fn(Index<0>), ..., fn(Index<count - 1>): shifts need constants, and arrays of registers need constant indices.
template <int count, int i = 0, typename Fn>
HEW_LINEAR_INLINE void Each(const Fn& fn) {
  if constexpr (i < count) {
    fn(Index<i>{});
    Each<count, i + 1>(fn);
  }
}

}  // namespace
}  // namespace hew::HEW_LINEAR
