// Training files as rows: JSON Lines, one JSON array, or plain text; any of them compressed with gzip.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

inline constexpr uint64_t kMaxDataFileBytes = uint64_t{4} << 30;  // after decompression
inline constexpr size_t kMaxRowBytes = size_t{16} << 20;          // of one JSON row

struct DataRow {
  std::string where;              // "train.jsonl:3"
  int64_t line = 0;               // where the row begins, from 1
  bool plain = false;             // a piece of a plain text file, in `text`
  nlohmann::ordered_json object;  // else: always a JSON object
  std::string text;
};

// Calls `take` for each row in order; the first error ends it. A byte-order mark is skipped, and so are blank lines.
// A file is JSON if it begins with '{' or '[' or is called .json, .jsonl or .ndjson; .txt and .md are always text.
// Plain text gives one row per document: pieces parted by blank lines.
// Errors (kBadInput): "train.jsonl:3: ..." for anything that is not one whole JSON object of bounded size.
Status ReadDataFile(const std::string& path, const std::function<Status(DataRow&&)>& take);

// The same over bytes already in memory (decompressed), for tests.
Status ReadDataBytes(std::string_view bytes, const std::string& path, const std::function<Status(DataRow&&)>& take);

// Whether ReadDataBytes takes it for plain text and not for JSON rows.
bool IsPlainText(std::string_view bytes, std::string_view path);

// Inflates gzip data, also of several members one after the other; refuses more than max_bytes.
Result<std::string> Gunzip(std::string_view bytes, const std::string& name, uint64_t max_bytes = kMaxDataFileBytes);

}  // namespace hew
