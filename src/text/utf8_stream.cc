#include <utility>

#include "text/tokenizer.h"

namespace hew {
namespace {

// Bytes at the end of `text` that begin a character which is not yet whole and still can become one.
size_t IncompleteTail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation: look for its lead
    const size_t length = byte >= 0xF0 && byte <= 0xF4  ? 4
                          : byte >= 0xE0 && byte < 0xF0 ? 3
                          : byte >= 0xC2 && byte < 0xE0 ? 2
                                                        : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string Utf8Stream::Push(std::string_view bytes) {
  tail_ += bytes;
  const size_t keep = IncompleteTail(tail_);
  std::string whole = tail_.substr(0, tail_.size() - keep);
  tail_.erase(0, whole.size());
  return whole;
}

std::string Utf8Stream::Flush() { return std::exchange(tail_, {}); }

}  // namespace hew
