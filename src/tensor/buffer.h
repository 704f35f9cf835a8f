#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace hew {

struct BufferFree {
  size_t mapped_bytes = 0;      // > 0: from mmap, else from aligned_alloc
  std::shared_ptr<void> owner;  // set: part of memory that lives as long as any of its parts
  void operator()(std::byte* p) const;
};

// Zeroed memory aligned to 64 bytes (a cache line, and one 512-bit register), huge pages asked for where large.
// Move-only. Sizes are planned and checked before a run; where memory is short all the same,
// std::bad_alloc, as for a container.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);
  // A part of memory that `owner` keeps.
  Buffer(std::byte* data, size_t bytes, std::shared_ptr<void> owner) : data_(data, {0, std::move(owner)}), size_(bytes) {}

  // A file mapped whole, to be read only, on a huge page's boundary; empty if it cannot be.
  static Buffer OfFile(const std::string& path);

  size_t size() const { return size_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  template <typename T>
  T* as() { return reinterpret_cast<T*>(data_.get()); }
  template <typename T>
  const T* as() const { return reinterpret_cast<const T*>(data_.get()); }

 private:
  std::unique_ptr<std::byte[], BufferFree> data_;
  size_t size_ = 0;
};

// Hands out zeroed memory from large stretches of huge pages, for a model's many weights of less than such a page each: a
// stretch is given back when the last buffer in it dies. Not for several threads at once.
class BufferArena {
 public:
  Buffer Take(size_t bytes);

 private:
  std::shared_ptr<Buffer> stretch_;
  size_t used_ = 0;
};

}  // namespace hew
