#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_set>

#include "base/json.h"
#include "formats/safetensors.h"

namespace hew {
namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// A shard is a file of this very folder: a name without any separator, so no path can lead out of it.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// Tensor name -> shard, in the order of the index.
Result<std::vector<std::pair<std::string, std::string>>> ReadIndex(const std::string& path) {
  HEW_ASSIGN(const std::string text, ReadFile(path, kMaxIndexBytes));
  HEW_ASSIGN(const Json index, ParseJson(text, path));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object()) {
    return BadInput("{}: expected an object with an object \"weight_map\", found none", path);
  }
  std::vector<std::pair<std::string, std::string>> places;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) {
      return BadInput("{}: weight_map {}: expected a file name, found {}", path, Shown(tensor), shard.type_name());
    }
    const auto& name = shard.get_ref<const std::string&>();
    if (!IsPlainName(name)) {
      return BadInput("{}: weight_map {}: expected the name of a file in this folder, found {}", path, Shown(tensor),
                      Shown(name));
    }
    places.emplace_back(tensor, name);
  }
  return places;
}

uint64_t BytesOf(const SafetensorsSource& tensor) {
  return static_cast<uint64_t>(RowBytes(tensor.dtype, ElementCount(tensor.shape)));
}

// Consecutive tensors of at most `max_bytes` together; at least one in each.
std::vector<std::vector<SafetensorsSource>> Shards(const std::vector<SafetensorsSource>& tensors, uint64_t max_bytes) {
  std::vector<std::vector<SafetensorsSource>> shards;
  uint64_t left = 0;
  for (const SafetensorsSource& tensor : tensors) {
    const uint64_t bytes = BytesOf(tensor);
    if (shards.empty() || bytes > left) {
      shards.emplace_back();
      left = std::max(max_bytes, bytes);
    }
    shards.back().push_back(tensor);
    left -= bytes;
  }
  return shards;
}

}  // namespace

Status WriteSafetensorsFolder(const std::string& folder, const std::map<std::string, std::string>& metadata,
                              const std::vector<SafetensorsSource>& tensors, uint64_t max_shard_bytes) {
  const std::filesystem::path base(folder);
  const auto shards = Shards(tensors, max_shard_bytes);
  if (shards.size() <= 1) return WriteSafetensors((base / kSingle).string(), metadata, tensors);
  Json places = Json::object();
  uint64_t total_bytes = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    HEW_RETURN_IF_ERROR(WriteSafetensors((base / name).string(), metadata, shards[i]));
    for (const SafetensorsSource& tensor : shards[i]) {
      places[tensor.name] = name;
      total_bytes += BytesOf(tensor);
    }
  }
  const Json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", places}};
  return WriteFileAtomically((base / kIndex).string(), DumpJson(index, 2) + "\n");
}

Result<SafetensorsFolder> SafetensorsFolder::Open(const std::string& folder) {
  const std::filesystem::path base(folder);
  const std::string single = (base / kSingle).string(), index_path = (base / kIndex).string();
  SafetensorsFolder out;
  std::error_code ignored;
  if (std::filesystem::exists(single, ignored) || !std::filesystem::exists(index_path, ignored)) {
    HEW_ASSIGN(SafetensorsFile file, SafetensorsFile::Open(single));
    out.files_.push_back(std::move(file));
    return out;
  }
  HEW_ASSIGN(const auto places, ReadIndex(index_path));
  std::set<std::string> names;
  for (const auto& [tensor, shard] : places) names.insert(shard);
  std::unordered_map<std::string, size_t> shards;
  for (const std::string& name : names) {
    HEW_ASSIGN(SafetensorsFile file, SafetensorsFile::Open((base / name).string()));
    shards.emplace(name, out.files_.size());
    out.files_.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : places) {
    if (!out.files_[shards.at(shard)].Find(tensor)) {
      return BadInput("{}: weight_map {}: expected it in {}, found no such tensor there", index_path, Shown(tensor),
                      shard);
    }
  }
  std::unordered_set<std::string_view> seen;
  for (const SafetensorsFile& file : out.files_) {
    for (const TensorEntry& entry : file.tensors()) {
      if (!seen.insert(entry.name).second) {
        return BadInput("{}: tensor {}: expected in one shard, found in two", file.path(), Shown(entry.name));
      }
    }
  }
  return out;
}

const TensorEntry* SafetensorsFolder::Find(std::string_view name) const {
  for (const SafetensorsFile& file : files_) {
    if (const TensorEntry* entry = file.Find(name)) return entry;
  }
  return nullptr;
}

std::vector<const TensorEntry*> SafetensorsFolder::tensors() const {
  std::vector<const TensorEntry*> out;
  for (const SafetensorsFile& file : files_) {
    for (const TensorEntry& entry : file.tensors()) out.push_back(&entry);
  }
  return out;
}

uint64_t SafetensorsFolder::file_bytes() const {
  uint64_t bytes = 0;
  for (const SafetensorsFile& file : files_) bytes += file.file_bytes();
  return bytes;
}

}  // namespace hew
