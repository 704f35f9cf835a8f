// Reads GGUF: the header's fixed part, the tensors, and where their bytes are. All sizes are CheckedU64.
#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/checked.h"
#include "base/shown.h"
#include "formats/gguf.h"
#include "formats/gguf_cursor.h"
#include "formats/gguf_types.h"

namespace hew {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is little-endian and is read as it lies");

constexpr uint64_t kMaxInt64 = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
constexpr uint64_t kMaxNameBytes = 1024;
constexpr uint32_t kMaxAlignment = 65536;
// The fewest bytes an entry takes: length, one character, type, one byte; length, one character, dimension count, type,
// offset.
constexpr uint64_t kLeastKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

using gguf::Cursor;

Result<uint32_t> ReadVersion(Cursor& in) {
  HEW_ASSIGN(const uint32_t version, in.Number<uint32_t>("version"));
  if (version == 2 || version == 3) return version;
  if (version == 2u << 24 || version == 3u << 24) {
    return BadInput("version at byte 4: expected 2 or 3, found a big-endian file's");
  }
  return BadInput("version at byte 4: expected 2 or 3, found {}", version);
}

Result<uint32_t> AlignmentOf(const GgufMetadata& metadata) {
  const GgufValue* value = metadata.Find(gguf::kAlignmentKey);
  if (!value) return gguf::kDefaultAlignment;
  const auto* alignment = std::get_if<uint32_t>(value);
  if (!alignment) {
    return BadInput("metadata {}: expected u32, found {}", gguf::kAlignmentKey,
                    gguf::ValueTypeName(static_cast<uint32_t>(value->index())));
  }
  if (!std::has_single_bit(*alignment) || *alignment > kMaxAlignment) {
    return BadInput("metadata {}: expected a power of two up to {}, found {}", gguf::kAlignmentKey, kMaxAlignment,
                    *alignment);
  }
  return *alignment;
}

// The tokenizer's lists describe the same tokens, so they are as long as one another.
Status CheckVocabulary(const GgufMetadata& metadata) {
  HEW_ASSIGN(const auto* tokens, metadata.GetArray<std::string>("tokenizer.ggml.tokens"));
  HEW_ASSIGN(const auto* scores, metadata.GetArray<float>("tokenizer.ggml.scores"));
  HEW_ASSIGN(const auto* types, metadata.GetArray<int32_t>("tokenizer.ggml.token_type"));
  const size_t count = tokens ? tokens->size() : 0;
  if (scores && scores->size() != count) {
    return BadInput("metadata tokenizer.ggml.scores: expected {} values, one for each token, found {}", count,
                    scores->size());
  }
  if (types && types->size() != count) {
    return BadInput("metadata tokenizer.ggml.token_type: expected {} values, one for each token, found {}", count,
                    types->size());
  }
  return {};
}

// A tensor whose bytes are still an offset from the start of the data.
struct PlacedTensor {
  TensorEntry entry;
  uint64_t offset = 0, bytes = 0;
};

Result<Shape> ReadShape(Cursor& in, std::string_view field) {
  const uint64_t start = in.offset();
  HEW_ASSIGN(const uint32_t dimensions, in.Number<uint32_t>(field));
  if (dimensions > gguf::kMaxDimensions) {
    return BadInput("{} at byte {}: expected at most {} dimensions, found {}", field, start, gguf::kMaxDimensions,
                    dimensions);
  }
  Shape shape(dimensions);
  CheckedU64 elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const uint64_t at = in.offset();
    HEW_ASSIGN(const int64_t size, in.Number<int64_t>(field));
    if (size < 1) return BadInput("{} at byte {}: expected a dimension of at least 1, found {}", field, at, size);
    shape[dimensions - 1 - i] = size;  // the file has the innermost first
    elements = elements * size;
  }
  if (!elements.Within(kMaxInt64)) {
    return BadInput("{} at byte {}: expected at most 2^63 - 1 elements, found shape {}", field, start, ToString(shape));
  }
  return shape;
}

Result<PlacedTensor> ReadTensor(Cursor& in, uint64_t number, uint32_t alignment) {
  PlacedTensor tensor;
  const std::string label = fmt::format("name of tensor {}", number);
  const uint64_t start = in.offset();
  HEW_ASSIGN(const std::string_view name, in.Text(label, kMaxNameBytes));
  HEW_RETURN_IF_ERROR(gguf::CheckName(label, start, name));
  tensor.entry.name = name;
  const std::string field = fmt::format("tensor {}", Shown(name));
  HEW_ASSIGN(tensor.entry.shape, ReadShape(in, field));

  const uint64_t type_at = in.offset();
  HEW_ASSIGN(const uint32_t number_of_type, in.Number<uint32_t>(field));
  const auto type = gguf::TensorType(number_of_type);
  if (!type) {
    return BadInput(
        "{} at byte {}: expected a type that Hew reads (F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K), found {}", field,
        type_at, gguf::UnknownTensorType(number_of_type));
  }
  tensor.entry.dtype = *type;
  const DTypeInfo& info = InfoOf(*type);
  const int64_t row = tensor.entry.shape.empty() ? 1 : tensor.entry.shape.back();
  if (row % info.block_elements != 0) {
    return BadInput("{}: expected rows of a multiple of {} values for {}, found {}", field, info.block_elements,
                    info.name, row);
  }
  const CheckedU64 bytes = CheckedU64(ElementCount(tensor.entry.shape) / info.block_elements) * info.block_bytes;
  if (!bytes.AlignUp(alignment).Within(kMaxInt64)) {
    return BadInput("{}: expected at most 2^63 - 1 bytes, found shape {} of {}", field, ToString(tensor.entry.shape),
                    info.name);
  }
  tensor.bytes = bytes.value();

  const uint64_t offset_at = in.offset();
  HEW_ASSIGN(tensor.offset, in.Number<uint64_t>(field));
  if (tensor.offset % alignment != 0) {
    return BadInput("{} at byte {}: expected an offset that is a multiple of {}, found {}", field, offset_at, alignment,
                    tensor.offset);
  }
  return tensor;
}

// Points each tensor at its bytes; refuses any that leave the file or touch another's.
Status PlaceTensors(std::string_view file, uint64_t header_end, uint32_t alignment,
                    std::vector<PlacedTensor>& tensors) {
  const CheckedU64 data_start = CheckedU64(header_end).AlignUp(alignment);
  for (PlacedTensor& tensor : tensors) {
    const CheckedU64 begin = data_start + tensor.offset, end = begin + tensor.bytes;
    if (!end.Within(file.size())) {
      return BadInput("tensor {}: expected {} bytes at offset {} of the data, found a file that ends before them",
                      Shown(tensor.entry.name), tensor.bytes, tensor.offset);
    }
    tensor.entry.bytes = file.substr(begin.value(), tensor.bytes);
  }
  std::vector<const PlacedTensor*> order;
  for (const PlacedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const PlacedTensor &before = *order[i - 1], &after = *order[i];
    if (!(CheckedU64(before.offset) + before.bytes).Within(after.offset)) {
      return BadInput("tensor {}: expected bytes of its own, found an overlap with tensor {}", Shown(after.entry.name),
                      Shown(before.entry.name));
    }
  }
  return {};
}

Result<std::vector<PlacedTensor>> ReadTensors(Cursor& in, uint64_t count, uint32_t alignment) {
  std::vector<PlacedTensor> tensors;
  for (uint64_t i = 0; i < count; ++i) {
    HEW_ASSIGN(PlacedTensor tensor, ReadTensor(in, i, alignment));
    tensors.push_back(std::move(tensor));
  }
  std::unordered_set<std::string_view> names;
  for (const PlacedTensor& tensor : tensors) {
    if (!names.insert(tensor.entry.name).second) {
      return BadInput("tensor {}: expected once, found twice", Shown(tensor.entry.name));
    }
  }
  return tensors;
}

struct Header {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<PlacedTensor> tensors;
};

Result<Header> ReadHeader(std::string_view bytes) {
  if (!GgufFile::Looks(bytes)) {
    return BadInput(
        "magic at byte 0: expected \"GGUF\", found {}",
        bytes.size() < gguf::kMagic.size() ? fmt::format("a file of {} bytes", bytes.size()) : "other bytes");
  }
  Cursor in(bytes);
  HEW_RETURN_IF_ERROR(in.Bytes("magic", gguf::kMagic.size()));
  Header header;
  HEW_ASSIGN(header.version, ReadVersion(in));
  HEW_ASSIGN(const uint64_t tensor_count, in.Count("tensor count", kLeastTensorBytes));
  HEW_ASSIGN(const uint64_t metadata_count, in.Count("metadata count", kLeastKeyValueBytes));
  HEW_ASSIGN(header.metadata, gguf::ReadMetadata(in, metadata_count));
  HEW_ASSIGN(const uint32_t alignment, AlignmentOf(header.metadata));
  HEW_RETURN_IF_ERROR(CheckVocabulary(header.metadata));
  HEW_ASSIGN(header.tensors, ReadTensors(in, tensor_count, alignment));
  HEW_RETURN_IF_ERROR(PlaceTensors(bytes, in.offset(), alignment, header.tensors));
  return header;
}

}  // namespace

bool GgufFile::Looks(std::string_view bytes) { return bytes.starts_with(gguf::kMagic); }

Result<GgufFile> GgufFile::Open(const std::string& path) {
  HEW_ASSIGN(MappedFile bytes, MappedFile::Open(path));
  return Read(std::move(bytes));
}

Result<GgufFile> GgufFile::Read(MappedFile bytes) {
  GgufFile file;
  file.file_ = std::move(bytes);
  auto header = ReadHeader(file.file_.bytes());
  if (!header) return Annotate(file.path(), std::move(header).error());
  file.version_ = header->version;
  file.metadata_ = std::move(header->metadata);
  file.tensors_.reserve(header->tensors.size());
  for (PlacedTensor& tensor : header->tensors) {
    file.index_.emplace(tensor.entry.name, file.tensors_.size());
    file.tensors_.push_back(std::move(tensor.entry));
  }
  return file;
}

const TensorEntry* GgufFile::Find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace hew
