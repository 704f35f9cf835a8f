#include "train/text_files.h"

#include "train/data_file.h"

namespace hew {
namespace {

bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

// Calls take(document) for the pieces of a plain text, without the line feeds around them.
template <typename Take>
void SplitText(std::string_view text, DocumentSplit split, Take take) {
  if (split == DocumentSplit::kFile) return take(text);
  size_t begin = 0, end = 0;  // of the document so far
  for (size_t at = 0; at < text.size();) {
    const size_t feed = std::min(text.find('\n', at), text.size());
    const bool blank = IsBlank(text.substr(at, feed - at));
    if (blank || split == DocumentSplit::kLines) {
      if (end > begin) take(text.substr(begin, end - begin));
      begin = end = blank ? feed + 1 : at;
    }
    if (!blank) end = feed;
    at = feed + 1;
  }
  if (end > begin) take(text.substr(begin, end - begin));
}

}  // namespace

std::optional<DocumentSplit> DocumentSplitFromName(std::string_view name) {
  if (name == "blank-lines") return DocumentSplit::kBlankLines;
  if (name == "lines") return DocumentSplit::kLines;
  if (name == "file") return DocumentSplit::kFile;
  return std::nullopt;
}

Status TextFiles::Add(const std::string& path, DocumentSplit split) {
  HEW_ASSIGN(auto file, MappedFile::Open(path));
  std::string_view bytes = mapped_.emplace_back(std::move(file)).bytes();
  if (bytes.starts_with("\x1F\x8B")) {
    HEW_ASSIGN(auto inflated, Gunzip(bytes, path));
    bytes = owned_.emplace_back(std::move(inflated));
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const auto take = [&](std::string_view document) {
    if (document.empty()) return;
    documents_.push_back(document);
    bytes_ += document.size();
  };
  if (IsPlainText(bytes, path)) {
    SplitText(bytes, split, take);
    return {};
  }
  return ReadDataBytes(bytes, path, [&](DataRow&& row) -> Status {
    const auto text = row.object.find("text");
    if (text == row.object.end() || !text->is_string())
      return BadInput("{}: text: expected a string, found {}", row.where,
                      text == row.object.end() ? "none" : text->type_name());
    take(owned_.emplace_back(text->get<std::string>()));
    return {};
  });
}

Result<TextFiles> TextFiles::Open(const std::vector<std::string>& paths, DocumentSplit split) {
  TextFiles files;
  for (const auto& path : paths) HEW_RETURN_IF_ERROR(files.Add(path, split));
  if (files.documents_.empty()) return BadInput("{}: expected text, found none", paths.empty() ? "data" : paths[0]);
  return files;
}

}  // namespace hew
