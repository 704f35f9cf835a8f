#include "tensor/buffer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace hew {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

// From this size on, memory comes straight from the kernel: zero without being touched (a cache of keys and values is
// mostly empty), given back when freed. AddressSanitizer watches only the heap, so under it everything stays there.
#if !defined(__has_feature)  // clang's; g++ defines a macro
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr size_t kMapFrom = SIZE_MAX;
#else
constexpr size_t kMapFrom = size_t{256} << 10;
#endif
// From this size on it is made of huge pages, where the kernel has them.
constexpr size_t kHugeFrom = 2 * kHugePage;

size_t RoundUp(size_t bytes, size_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

std::byte* Map(size_t bytes) {
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(mapped);
}

// Maps `bytes` (a multiple of a huge page) on a huge page's boundary: one page more, with both loose ends given back.
std::byte* MapAligned(size_t bytes) {
  std::byte* start = Map(bytes + kHugePage);
  const size_t head = RoundUp(reinterpret_cast<uintptr_t>(start), kHugePage) - reinterpret_cast<uintptr_t>(start);
  if (head > 0) ::munmap(start, head);
  if (kHugePage > head) ::munmap(start + head + bytes, kHugePage - head);
  ::madvise(start + head, bytes, MADV_HUGEPAGE);  // a wish: without huge pages the memory is as good, only slower
  return start + head;
}

}  // namespace

void BufferFree::operator()(std::byte* p) const {
  if (owner) return;
  if (mapped_bytes > 0) {
    ::munmap(p, mapped_bytes);
  } else {
    std::free(p);
  }
}

Buffer::Buffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  if (bytes >= kMapFrom && bytes < kHugeFrom) {
    data_ = {Map(bytes), BufferFree{bytes, nullptr}};
    return;
  }
  if (bytes >= kMapFrom) {
    const size_t mapped = RoundUp(bytes, kHugePage);
    data_ = {MapAligned(mapped), BufferFree{mapped, nullptr}};
    return;
  }
  const size_t rounded = RoundUp(bytes, kAlignment);
  auto* p = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (!p) throw std::bad_alloc();
  std::memset(p, 0, rounded);
  data_ = {p, BufferFree{}};
}

Buffer Buffer::OfFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return {};
  Buffer out;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    // Address space for it and one huge page more; the file replaces the aligned part.
    const size_t bytes = static_cast<size_t>(info.st_size), mapped = RoundUp(bytes, kHugePage);
    std::byte* place = MapAligned(mapped);
    if (::mmap(place, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
      ::munmap(place, mapped);
    } else {
      ::madvise(place, bytes, MADV_HUGEPAGE);
      ::madvise(place, bytes, MADV_WILLNEED);
      out.data_ = {place, BufferFree{mapped, nullptr}};
      out.size_ = bytes;
    }
  }
  ::close(fd);
  return out;
}

Buffer BufferArena::Take(size_t bytes) {
  constexpr size_t kStretch = size_t{64} << 20, kLargest = kStretch / 4;
  if (bytes == 0 || bytes > kLargest || kStretch < kMapFrom) return Buffer(bytes);
  if (!stretch_ || used_ + bytes > stretch_->size()) {
    stretch_ = std::make_shared<Buffer>(kStretch);
    used_ = 0;
  }
  std::byte* data = stretch_->data() + used_;
  used_ += RoundUp(bytes, kAlignment);
  return {data, bytes, stretch_};
}

}  // namespace hew
