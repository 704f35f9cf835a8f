#include "formats/tensor_writer.h"

#include "base/checked.h"

namespace hew {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

}  // namespace

Status BlockWriter::Write(std::string_view bytes) {
  if (block_.size() + bytes.size() > kBlockBytes) HEW_RETURN_IF_ERROR(Flush());
  if (bytes.size() >= kBlockBytes) return file_.Write(bytes);
  block_.append(bytes);
  return {};
}

Status BlockWriter::Pad(uint64_t alignment) {
  const uint64_t target = CheckedU64(size()).AlignUp(alignment).value();
  block_.append(target - size(), '\0');
  return {};
}

Status BlockWriter::Flush() {
  HEW_RETURN_IF_ERROR(file_.Write(block_));
  block_.clear();
  return {};
}

Status WriteTensorBytes(BlockWriter& out, const std::string& name, uint64_t expected,
                        const std::function<Status(const std::function<Status(std::string_view)>&)>& fill) {
  uint64_t written = 0;
  HEW_RETURN_IF_ERROR(fill([&](std::string_view bytes) -> Status {
    if (bytes.size() > expected - written) {
      return BadInput("tensor {}: expected {} bytes, found more", name, expected);
    }
    written += bytes.size();
    return out.Write(bytes);
  }));
  if (written != expected) return BadInput("tensor {}: expected {} bytes, found {}", name, expected, written);
  return {};
}

}  // namespace hew
