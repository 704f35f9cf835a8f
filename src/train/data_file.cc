#include "train/data_file.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"

namespace hew {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kJsonSpace = " \t\r\n";
using Take = std::function<Status(DataRow&&)>;

bool EndsWith(std::string_view path, std::string_view suffix) {
  return path.size() >= suffix.size() && path.substr(path.size() - suffix.size()) == suffix;
}

std::string_view WithoutGz(std::string_view path) {
  return EndsWith(path, ".gz") ? path.substr(0, path.size() - 3) : path;
}

enum class Layout { kLines, kArray, kText };

Layout LayoutOf(std::string_view bytes, std::string_view path) {
  path = WithoutGz(path);
  if (EndsWith(path, ".txt") || EndsWith(path, ".md")) return Layout::kText;
  const size_t first = bytes.find_first_not_of(kJsonSpace);
  if (first != bytes.npos && bytes[first] == '[') return Layout::kArray;
  if (first != bytes.npos && bytes[first] == '{') return Layout::kLines;
  const bool named_json = EndsWith(path, ".json") || EndsWith(path, ".jsonl") || EndsWith(path, ".ndjson");
  return named_json ? Layout::kLines : Layout::kText;
}

// A row's own JSON error counts lines from the row's first; this gives the line of the file.
Error WithFileLine(Error error, const DataRow& row, const std::string& path) {
  const std::string prefix = row.where + ": line ";
  if (!error.message.starts_with(prefix)) return error;
  const size_t digits = prefix.size(), end = error.message.find_first_not_of("0123456789", digits);
  const int64_t inside = std::strtoll(error.message.c_str() + digits, nullptr, 10);
  error.message =
      fmt::format("{}:{}{}", path, row.line + inside - 1, error.message.substr(std::min(end, error.message.size())));
  return error;
}

Status TakeJson(std::string_view json, const std::string& path, int64_t line, const Take& take) {
  DataRow row;
  row.where = fmt::format("{}:{}", path, line);
  row.line = line;
  if (json.size() > kMaxRowBytes) {
    return BadInput("{}: expected a row of at most {} bytes, found {}", row.where, kMaxRowBytes, json.size());
  }
  auto parsed = ParseJson(json, row.where);
  if (!parsed) return tl::unexpected(WithFileLine(std::move(parsed).error(), row, path));
  row.object = *std::move(parsed);
  if (!row.object.is_object()) return BadInput("{}: expected an object, found {}", row.where, row.object.type_name());
  return take(std::move(row));
}

Status ReadLines(std::string_view bytes, const std::string& path, const Take& take) {
  for (int64_t line = 1; !bytes.empty(); ++line) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (text.find_first_not_of(kJsonSpace) == text.npos) continue;
    HEW_RETURN_IF_ERROR(TakeJson(text, path, line, take));
  }
  return {};
}

// Where the JSON value that begins at `at` ends: at a comma or closing bracket outside of it. Only finds the place;
// whether the value is JSON is for the parser to say.
size_t ValueEnd(std::string_view bytes, size_t at) {
  int64_t depth = 0;
  bool in_text = false;
  for (; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (in_text) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth-- == 0) return at;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return bytes.size();
}

Status ReadArray(std::string_view bytes, const std::string& path, const Take& take) {
  int64_t line = 1;
  size_t counted = 0;  // bytes whose newlines are in `line`
  const auto line_at = [&](size_t at) {
    line +=
        std::count(bytes.begin() + static_cast<ptrdiff_t>(counted), bytes.begin() + static_cast<ptrdiff_t>(at), '\n');
    counted = at;
    return line;
  };
  const auto skip_space = [&](size_t at) { return std::min(bytes.find_first_not_of(kJsonSpace, at), bytes.size()); };
  size_t at = skip_space(skip_space(0) + 1);
  if (at < bytes.size() && bytes[at] == ']') {
    ++at;
  } else {
    while (true) {
      at = skip_space(at);
      const size_t end = ValueEnd(bytes, at);
      if (end == bytes.size())
        return BadInput("{}:{}: expected ']' after the last row, found the end of the file", path, line_at(at));
      HEW_RETURN_IF_ERROR(TakeJson(bytes.substr(at, end - at), path, line_at(at), take));
      at = end + 1;
      if (bytes[end] != ',') break;
    }
  }
  at = skip_space(at);
  if (at < bytes.size())
    return BadInput("{}:{}: expected the end of the file after the array, found more", path, line_at(at));
  return {};
}

Status ReadText(std::string_view bytes, const std::string& path, const Take& take) {
  DataRow row;
  int64_t line = 1;
  const auto flush = [&]() -> Status {
    while (!row.text.empty() && row.text.back() == '\n') row.text.pop_back();
    if (row.text.empty()) return {};
    row.plain = true;
    row.where = fmt::format("{}:{}", path, row.line);
    auto status = take(std::move(row));
    row = DataRow();
    return status;
  };
  for (; !bytes.empty(); ++line) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (text.find_first_not_of(" \t\r") == text.npos) {
      HEW_RETURN_IF_ERROR(flush());
      continue;
    }
    if (EndsWith(text, "\r")) text.remove_suffix(1);
    if (row.text.empty()) row.line = line;
    row.text.append(text).push_back('\n');
  }
  return flush();
}

}  // namespace

bool IsPlainText(std::string_view bytes, std::string_view path) { return LayoutOf(bytes, path) == Layout::kText; }

Result<std::string> Gunzip(std::string_view bytes, const std::string& name, uint64_t max_bytes) {
  std::string out, block(1 << 18, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return EnvironmentError("{}: cannot start decompression", name);
  struct End {
    z_stream* s;
    ~End() { inflateEnd(s); }
  } end{&stream};
  int status = Z_OK;
  while (true) {
    if (stream.avail_in == 0 && !bytes.empty()) {
      const size_t piece = std::min<size_t>(bytes.size(), 1 << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream.avail_in = static_cast<uInt>(piece);
      bytes.remove_prefix(piece);
    }
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) {
      return BadInput("{}: gzip: expected whole compressed data, found damage or an early end after {} bytes", name,
                      out.size());
    }
    out.append(block, 0, block.size() - stream.avail_out);
    if (out.size() > max_bytes) return BadInput("{}: gzip: expected at most {} bytes, found more", name, max_bytes);
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0 && bytes.empty()) return out;
      inflateReset(&stream);
    }
  }
}

Status ReadDataBytes(std::string_view bytes, const std::string& path, const Take& take) {
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  switch (LayoutOf(bytes, path)) {
    case Layout::kLines:
      return ReadLines(bytes, path, take);
    case Layout::kArray:
      return ReadArray(bytes, path, take);
    case Layout::kText:
      return ReadText(bytes, path, take);
  }
  return {};
}

Status ReadDataFile(const std::string& path, const Take& take) {
  if (path == "-") {
    HEW_ASSIGN(const std::string bytes, ReadFile(path, kMaxDataFileBytes));
    return ReadDataBytes(bytes, "standard input", take);
  }
  HEW_ASSIGN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes().starts_with("\x1f\x8b")) {
    HEW_ASSIGN(const std::string bytes, Gunzip(file.bytes(), path));
    return ReadDataBytes(bytes, path, take);
  }
  return ReadDataBytes(file.bytes(), path, take);
}

}  // namespace hew
