// A file that arrives bit by bit, perhaps over several runs of the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// PATH.part: what has arrived of a file so far. It outlives the program, so that a later one goes on where this one
// stopped; Install() makes it PATH. One writer at a time: a second Open() is refused while the first lives.
class PartialFile {
 public:
  static Result<PartialFile> Open(const std::string& path);  // creates it, or goes on behind what it holds
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();

  Status Write(std::string_view bytes);
  Status Restart();  // drops what is there
  Status Sync();
  Status Install();  // after Sync(): renames it to PATH and syncs the folder
  uint64_t size() const { return size_; }
  const std::string& partial_path() const { return partial_; }

 private:
  PartialFile() = default;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_, partial_;
};

}  // namespace hew
