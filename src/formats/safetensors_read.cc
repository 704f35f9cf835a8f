#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/checked.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace hew {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian and is read as it lies");

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxDimensions = 16;
constexpr int kHeaderDepth = 3;  // the header, a tensor, its shape
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr uint64_t kMaxInt64 = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

struct Range {
  uint64_t begin = 0, end = 0;  // within the data
};

// The member `key` of a tensor's description; null when there is none.
const Json* Member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// What an error shows of a value that has the wrong type; never more than its kind, so that no file fills a screen.
std::string KindOf(const Json* value) {
  if (!value) return "none";
  if (value->is_number()) return value->dump();
  return value->type_name();
}

Result<DType> ReadDType(const std::string& field, const Json* value) {
  if (!value || !value->is_string()) return BadInput("{}: expected a text \"dtype\", found {}", field, KindOf(value));
  const auto& name = value->get_ref<const std::string&>();
  const auto type = DTypeFromName(name);
  if (!type || IsQuantized(*type) || NameOf(*type) != name) {
    return BadInput("{}: expected a dtype that Hew reads (F32, F16, BF16, F64, BOOL, I8 to I64, U8 to U64), found {}",
                    field, Shown(name));
  }
  return *type;
}

Result<Shape> ReadShape(const std::string& field, const Json* value) {
  if (!value || !value->is_array()) return BadInput("{}: expected a list \"shape\", found {}", field, KindOf(value));
  if (value->size() > kMaxDimensions) {
    return BadInput("{}: expected at most {} dimensions, found {}", field, kMaxDimensions, value->size());
  }
  Shape shape;
  CheckedU64 elements = 1;
  for (const Json& dim : *value) {
    if (!dim.is_number_unsigned() || dim.get<uint64_t>() > kMaxInt64) {
      return BadInput("{}: expected whole numbers from 0 in \"shape\", found {}", field, KindOf(&dim));
    }
    shape.push_back(dim.get<int64_t>());
    elements = elements * shape.back();
  }
  if (!elements.Within(kMaxInt64)) {
    return BadInput("{}: expected at most 2^63 - 1 elements, found more in its \"shape\"", field);
  }
  return shape;
}

Result<Range> ReadRange(const std::string& field, const Json* value) {
  if (!value || !value->is_array() || value->size() != 2) {
    return BadInput("{}: expected \"data_offsets\" with a begin and an end, found {}", field, KindOf(value));
  }
  for (const Json& offset : *value) {
    if (!offset.is_number_unsigned()) {
      return BadInput("{}: expected whole numbers from 0 in \"data_offsets\", found {}", field, KindOf(&offset));
    }
  }
  const Range range{(*value)[0].get<uint64_t>(), (*value)[1].get<uint64_t>()};
  if (range.begin > range.end) {
    return BadInput("{}: expected \"data_offsets\" that begin before they end, found [{}, {}]", field, range.begin,
                    range.end);
  }
  return range;
}

Result<std::map<std::string, std::string>> ReadMetadata(const Json& value) {
  if (!value.is_object()) return BadInput("{}: expected an object of texts, found {}", kMetadataKey, KindOf(&value));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return BadInput("{}: expected a text for {}, found {}", kMetadataKey, Shown(key), KindOf(&text));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

Result<TensorEntry> ReadTensor(const std::string& name, const Json& value, std::string_view data, Range* range) {
  const std::string field = fmt::format("tensor {}", Shown(name));
  if (!value.is_object()) return BadInput("{}: expected an object, found {}", field, KindOf(&value));
  TensorEntry entry;
  entry.name = name;
  HEW_ASSIGN(entry.dtype, ReadDType(field, Member(value, "dtype")));
  HEW_ASSIGN(entry.shape, ReadShape(field, Member(value, "shape")));
  HEW_ASSIGN(*range, ReadRange(field, Member(value, "data_offsets")));
  if (range->end > data.size()) {
    return BadInput("{}: expected \"data_offsets\" within {} bytes of data, found end {}", field, data.size(),
                    range->end);
  }
  const CheckedU64 bytes = CheckedU64(ElementCount(entry.shape)) * InfoOf(entry.dtype).block_bytes;
  if (!bytes.ok() || bytes.value() != range->end - range->begin) {
    return BadInput("{}: expected {} bytes for shape {} of {}, found {}", field,
                    bytes.ok() ? std::to_string(bytes.value()) : "more than 2^64", ToString(entry.shape),
                    NameOf(entry.dtype), range->end - range->begin);
  }
  entry.bytes = data.substr(range->begin, bytes.value());
  return entry;
}

// The ranges must follow one another from the first byte of the data to the last.
Status CheckRanges(const std::vector<TensorEntry>& tensors, const std::vector<Range>& ranges, uint64_t data_bytes) {
  std::vector<size_t> order(ranges.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(ranges[a].begin, ranges[a].end) < std::pair(ranges[b].begin, ranges[b].end);
  });
  uint64_t end = 0;
  for (size_t i : order) {
    if (ranges[i].begin != end) {
      return BadInput("tensor {}: expected \"data_offsets\" to begin at {}, found {}: {}", Shown(tensors[i].name), end,
                      ranges[i].begin, ranges[i].begin < end ? "an overlap" : "a hole");
    }
    end = ranges[i].end;
  }
  if (end != data_bytes) return BadInput("data: expected {} bytes, found {}", end, data_bytes);
  return {};
}

// The header's text, checked for size.
Result<std::string_view> HeaderText(std::string_view file) {
  if (file.size() < kLengthBytes) {
    return BadInput("header length at byte 0: expected {} bytes, found {}", kLengthBytes, file.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeaderBytes) {
    return BadInput("header length at byte 0: expected at most {}, found {}", kMaxHeaderBytes, length);
  }
  if (length > file.size() - kLengthBytes) {
    return BadInput("header length at byte 0: expected at most the {} bytes that follow, found {}",
                    file.size() - kLengthBytes, length);
  }
  const std::string_view text = file.substr(kLengthBytes, length);
  if (!text.starts_with('{')) return BadInput("header at byte 8: expected '{{', found other bytes");
  return text;
}

struct Contents {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;
};

Result<Contents> ReadContents(std::string_view file) {
  HEW_ASSIGN(const std::string_view text, HeaderText(file));
  HEW_ASSIGN(const Json header, ParseJson(text, "header", {.max_depth = kHeaderDepth}));
  const std::string_view data = file.substr(kLengthBytes + text.size());
  Contents contents;
  std::vector<Range> ranges;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      HEW_ASSIGN(contents.metadata, ReadMetadata(value));
      continue;
    }
    HEW_ASSIGN(TensorEntry entry, ReadTensor(name, value, data, &ranges.emplace_back()));
    contents.tensors.push_back(std::move(entry));
  }
  HEW_RETURN_IF_ERROR(CheckRanges(contents.tensors, ranges, data.size()));
  return contents;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  HEW_ASSIGN(MappedFile bytes, MappedFile::Open(path));
  return Read(std::move(bytes));
}

Result<SafetensorsFile> SafetensorsFile::Read(MappedFile bytes) {
  SafetensorsFile file;
  file.file_ = std::move(bytes);
  auto contents = ReadContents(file.file_.bytes());
  if (!contents) return Annotate(file.path(), std::move(contents).error());
  file.metadata_ = std::move(contents->metadata);
  file.tensors_ = std::move(contents->tensors);
  for (size_t i = 0; i < file.tensors_.size(); ++i) file.index_.emplace(file.tensors_[i].name, i);
  return file;
}

const TensorEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace hew
