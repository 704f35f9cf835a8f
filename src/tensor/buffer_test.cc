#include "tensor/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace hew {
namespace {

bool AllZero(const Buffer& buffer) {
  return std::all_of(buffer.data(), buffer.data() + buffer.size(), [](std::byte b) { return b == std::byte{0}; });
}

TEST(Buffer, IsAlignedZeroAndWritableAtEverySize) {
  const size_t mib = size_t{1} << 20;
  for (size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{4096}, 3 * mib, 4 * mib - 1, 4 * mib,
                       4 * mib + 1, 9 * mib + 5}) {
    Buffer buffer(bytes);
    ASSERT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u) << bytes;
    EXPECT_TRUE(AllZero(buffer)) << bytes;
    std::fill(buffer.data(), buffer.data() + bytes, std::byte{0xA5});
    EXPECT_EQ(buffer.data()[bytes - 1], std::byte{0xA5});
  }
}

TEST(Buffer, EmptyHasNoMemory) {
  EXPECT_EQ(Buffer().data(), nullptr);
  EXPECT_EQ(Buffer(0).data(), nullptr);
}

TEST(Buffer, MovingCarriesTheMemory) {
  for (size_t bytes : {size_t{100}, size_t{5} << 20}) {
    Buffer from(bytes);
    from.as<int>()[7] = 42;
    const std::byte* memory = from.data();
    Buffer to = std::move(from);
    EXPECT_EQ(to.data(), memory);
    EXPECT_EQ(to.as<int>()[7], 42);
    to = Buffer(10);  // frees the first
    EXPECT_EQ(to.size(), 10u);
  }
}

}  // namespace
}  // namespace hew
