#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace hew {

// Gathers small writes into large ones.
class BlockWriter {
 public:
  explicit BlockWriter(AtomicFile& file) : file_(file) {}
  Status Write(std::string_view bytes);
  Status Pad(uint64_t alignment);  // zero bytes up to the next multiple of `alignment`
  Status Flush();
  uint64_t size() const { return file_.size() + block_.size(); }

 private:
  AtomicFile& file_;
  std::string block_;
};

// Lets `fill` write a tensor's bytes through `out`. Errors: fill's own, or a count other than `expected`, before any
// byte too many is written.
Status WriteTensorBytes(BlockWriter& out, const std::string& name, uint64_t expected,
                        const std::function<Status(const std::function<Status(std::string_view)>&)>& fill);

}  // namespace hew
