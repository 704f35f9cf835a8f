#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "base/checked.h"
#include "base/json.h"
#include "base/shown.h"
#include "formats/safetensors.h"
#include "formats/tensor_writer.h"

namespace hew {
namespace {

constexpr size_t kHeaderAlignment = 8;

Result<std::string> Quoted(const std::string& text) {
  if (FindInvalidUtf8(text) != std::string::npos) return BadInput("header: expected UTF-8 in names, found other bytes");
  return DumpJson(Json(text));
}

Result<uint64_t> BytesOf(const SafetensorsSource& tensor) {
  if (IsQuantized(tensor.dtype)) {
    return BadInput("tensor {}: expected a type that safetensors has, found {}", tensor.name, NameOf(tensor.dtype));
  }
  CheckedU64 bytes = InfoOf(tensor.dtype).block_bytes;
  for (int64_t dim : tensor.shape) bytes = bytes * dim;
  if (!bytes.Within(std::numeric_limits<int64_t>::max())) {
    return BadInput("tensor {}: expected dimensions from 0 whose product fits, found {}", tensor.name,
                    ToString(tensor.shape));
  }
  return bytes.value();
}

Result<std::string> Header(const std::map<std::string, std::string>& metadata,
                           const std::vector<const SafetensorsSource*>& tensors) {
  std::vector<std::string> members;
  if (!metadata.empty()) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : metadata) {
      HEW_ASSIGN(const std::string quoted_key, Quoted(key));
      HEW_ASSIGN(const std::string quoted_value, Quoted(value));
      texts.push_back(quoted_key + ":" + quoted_value);
    }
    members.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(texts, ",")));
  }
  std::unordered_set<std::string_view> names = {"__metadata__"};
  CheckedU64 begin = 0;
  for (const SafetensorsSource* tensor : tensors) {
    if (!names.insert(tensor->name).second) return BadInput("tensor {}: expected once, found twice", tensor->name);
    HEW_ASSIGN(const std::string name, Quoted(tensor->name));
    HEW_ASSIGN(const uint64_t bytes, BytesOf(*tensor));
    const CheckedU64 end = begin + bytes;
    if (!end.ok()) return BadInput("tensor {}: expected an end below 2^64, found more", tensor->name);
    members.push_back(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", name,
                                  NameOf(tensor->dtype), fmt::join(tensor->shape, ","), begin.value(), end.value()));
    begin = end;
  }
  std::string header = fmt::format("{{{}}}", fmt::join(members, ","));
  header.append((kHeaderAlignment - header.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return header;
}

Status WriteAll(BlockWriter& out, const std::map<std::string, std::string>& metadata,
                const std::vector<const SafetensorsSource*>& tensors) {
  HEW_ASSIGN(const std::string header, Header(metadata, tensors));
  const uint64_t length = header.size();
  char raw[sizeof length];
  std::memcpy(raw, &length, sizeof length);
  HEW_RETURN_IF_ERROR(out.Write({raw, sizeof raw}));
  HEW_RETURN_IF_ERROR(out.Write(header));
  for (const SafetensorsSource* tensor : tensors) {
    HEW_ASSIGN(const uint64_t bytes, BytesOf(*tensor));
    HEW_RETURN_IF_ERROR(WriteTensorBytes(out, tensor->name, bytes, tensor->fill));
  }
  return out.Flush();
}

}  // namespace

Status WriteSafetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                        const std::vector<SafetensorsSource>& tensors) {
  // Holes are not allowed, so wide elements come first: then each tensor starts at a multiple of its element's size.
  std::vector<const SafetensorsSource*> order;
  for (const SafetensorsSource& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return InfoOf(a->dtype).block_bytes > InfoOf(b->dtype).block_bytes;
  });
  HEW_ASSIGN(auto file, AtomicFile::Create(path));
  BlockWriter out(file);
  if (auto status = WriteAll(out, metadata, order); !status) return Annotate(path, std::move(status).error());
  return file.Commit();
}

}  // namespace hew
