// A model's weights as they lie in memory, kept in a file: the next start maps it instead of turning every row again.
// On a machine whose page cache has huge pages for it, it is read as fast as memory of one's own, and several programs
// share it.
//
//   bytes 0..7 "HEWPACK1", then the SHA-256 of the header (64 hexadecimal digits), its size (u64), the header (JSON):
//     {"identity", "sample", "weights": [{"type", "rows", "cols", "offset", "bytes"}, ...]}
//   the weights' tiles, each on a boundary of 64 bytes, in the order in which the loader asks for them
//
// A copy is used only if all of it fits: identity (layout, the source's files, their sizes and times), sizes, and a
// digest of both ends of every weight. Anything else is ignored, and made anew. What a weight holds cannot do harm:
// every bit pattern is a number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/model.h"

namespace hew {

// What a copy of the model at `path` must say; "" where its files cannot be looked at.
std::string PackedIdentity(const std::string& path);

class PackedCopy {
 public:
  // Of the model at `path`; null if there is none that fits.
  static std::shared_ptr<PackedCopy> Open(const PackedCache& cache, const std::string& path,
                                          const std::string& identity);

  // The next weight, if it is the one expected; nullopt and the same again otherwise. Its memory is the mapped file.
  std::optional<Weight> Next(DType type, int64_t rows, int64_t cols);
  bool all_taken() const { return next_ == entries_.size(); }

 private:
  struct Entry {
    DType type = DType::kF32;
    int64_t rows = 0, cols = 0;
    uint64_t offset = 0, bytes = 0;
  };
  bool Read(const std::string& path, const std::string& identity);

  std::shared_ptr<Buffer> file_;
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

}  // namespace hew
