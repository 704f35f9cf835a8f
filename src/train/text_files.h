// Files of text for pretraining, as documents: mapped where they are plain, in memory where they are compressed or
// JSON.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace hew {

// What is one document of a plain text file. A row {"text": "..."} of a JSON file is one in any case.
enum class DocumentSplit { kBlankLines, kLines, kFile };

std::optional<DocumentSplit> DocumentSplitFromName(std::string_view name);  // "blank-lines", "lines", "file"

class TextFiles {
 public:
  // Plain text, JSON Lines or a JSON array with `text` in each row; any of them compressed with gzip.
  // Errors: a file that cannot be read; a row without text; no text at all. Bytes that are no UTF-8 stay as they are.
  static Result<TextFiles> Open(const std::vector<std::string>& paths, DocumentSplit split);

  const std::vector<std::string_view>& documents() const {
    return documents_;
  }                                          // none empty, in the order of the files
  uint64_t bytes() const { return bytes_; }  // of all documents

 private:
  Status Add(const std::string& path, DocumentSplit split);

  std::deque<MappedFile> mapped_;
  std::deque<std::string> owned_;  // a deque: what the views point to stays where it is
  std::vector<std::string_view> documents_;
  uint64_t bytes_ = 0;
};

}  // namespace hew
