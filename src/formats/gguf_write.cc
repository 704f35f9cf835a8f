#include <cstring>
#include <limits>
#include <type_traits>
#include <unordered_set>

#include "base/checked.h"
#include "formats/gguf.h"
#include "formats/gguf_types.h"
#include "formats/tensor_writer.h"

namespace hew {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kMaxNameBytes = 63;  // what llama.cpp's readers hold

template <typename T>
void PutNumber(std::string& out, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

void PutText(std::string& out, std::string_view text) {
  PutNumber<uint64_t>(out, text.size());
  out.append(text);
}

void PutArray(std::string& out, const GgufArray& array) {
  const size_t type = array.index() < gguf::kArray ? array.index() : array.index() + 1;
  PutNumber(out, static_cast<uint32_t>(type));
  std::visit(
      [&](const auto& values) {
        using T = typename std::decay_t<decltype(values)>::value_type;
        PutNumber<uint64_t>(out, values.size());
        for (const T& value : values) {
          if constexpr (std::is_same_v<T, std::string>) {
            PutText(out, value);
          } else if constexpr (std::is_same_v<T, bool>) {
            out.push_back(value ? 1 : 0);
          } else {
            PutNumber(out, value);
          }
        }
      },
      array);
}

void PutValue(std::string& out, const GgufValue& value) {
  PutNumber(out, static_cast<uint32_t>(value.index()));
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          PutText(out, v);
        } else if constexpr (std::is_same_v<T, GgufArray>) {
          PutArray(out, v);
        } else if constexpr (std::is_same_v<T, bool>) {
          out.push_back(v ? 1 : 0);
        } else {
          PutNumber(out, v);
        }
      },
      value);
}

Status CheckSource(const GgufTensorSource& tensor) {
  if (tensor.name.empty() || tensor.name.size() > kMaxNameBytes) {
    return BadInput("tensor \"{}\": expected a name of 1 to {} bytes, found {}", tensor.name, kMaxNameBytes,
                    tensor.name.size());
  }
  if (!gguf::TensorTypeNumber(tensor.dtype)) {
    return BadInput("tensor {}: expected a type that GGUF has, found {}", tensor.name, NameOf(tensor.dtype));
  }
  if (tensor.shape.size() > gguf::kMaxDimensions) {
    return BadInput("tensor {}: expected at most {} dimensions, found {}", tensor.name, gguf::kMaxDimensions,
                    tensor.shape.size());
  }
  const int64_t block = InfoOf(tensor.dtype).block_elements, row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % block != 0) {
    return BadInput("tensor {}: expected rows of a multiple of {} values for {}, found {}", tensor.name, block,
                    NameOf(tensor.dtype), row);
  }
  CheckedU64 bytes = InfoOf(tensor.dtype).block_bytes;
  for (int64_t dim : tensor.shape) bytes = bytes * (dim < 1 ? -1 : dim);
  if (!bytes.Within(std::numeric_limits<int64_t>::max())) {
    return BadInput("tensor {}: expected dimensions of at least 1 whose product fits, found {}", tensor.name,
                    ToString(tensor.shape));
  }
  return {};
}

uint64_t BytesOf(const GgufTensorSource& tensor) {
  return static_cast<uint64_t>(RowBytes(tensor.dtype, ElementCount(tensor.shape)));
}

Result<std::string> Header(const GgufMetadata& metadata, const std::vector<GgufTensorSource>& tensors) {
  std::string out(gguf::kMagic);
  PutNumber(out, kVersion);
  PutNumber<uint64_t>(out, tensors.size());
  PutNumber<uint64_t>(out, metadata.items().size());
  for (const auto& [key, value] : metadata.items()) {
    PutText(out, key);
    // The base's own alignment does not hold for this file.
    PutValue(out, key == gguf::kAlignmentKey ? GgufValue(gguf::kDefaultAlignment) : value);
  }
  std::unordered_set<std::string_view> names;
  CheckedU64 offset = 0;
  for (const GgufTensorSource& tensor : tensors) {
    HEW_RETURN_IF_ERROR(CheckSource(tensor));
    if (!names.insert(tensor.name).second) return BadInput("tensor {}: expected once, found twice", tensor.name);
    if (!offset.ok()) return BadInput("tensor {}: expected an offset below 2^64, found more", tensor.name);
    PutText(out, tensor.name);
    PutNumber(out, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) PutNumber(out, tensor.shape[i]);  // innermost first
    PutNumber(out, *gguf::TensorTypeNumber(tensor.dtype));
    PutNumber(out, offset.value());
    offset = (offset + BytesOf(tensor)).AlignUp(gguf::kDefaultAlignment);
  }
  return out;
}

Status WriteAll(BlockWriter& out, const GgufMetadata& metadata, const std::vector<GgufTensorSource>& tensors) {
  HEW_ASSIGN(const std::string header, Header(metadata, tensors));
  HEW_RETURN_IF_ERROR(out.Write(header));
  HEW_RETURN_IF_ERROR(out.Pad(gguf::kDefaultAlignment));
  for (const GgufTensorSource& tensor : tensors) {
    HEW_RETURN_IF_ERROR(WriteTensorBytes(out, tensor.name, BytesOf(tensor), tensor.fill));
    HEW_RETURN_IF_ERROR(out.Pad(gguf::kDefaultAlignment));
  }
  return out.Flush();
}

}  // namespace

Status WriteGguf(const std::string& path, const GgufMetadata& metadata, const std::vector<GgufTensorSource>& tensors) {
  HEW_ASSIGN(auto file, AtomicFile::Create(path));
  BlockWriter out(file);
  if (auto status = WriteAll(out, metadata, tensors); !status) return Annotate(path, std::move(status).error());
  return file.Commit();
}

}  // namespace hew
