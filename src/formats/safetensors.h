// safetensors: one file, or a folder's shards through model.safetensors.index.json. Layout: docs/formats.md.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "formats/tensor_entry.h"

namespace hew {

class SafetensorsFile {
 public:
  // Maps and checks the header wholly: size, UTF-8, JSON without duplicate names, dtypes, ranges that cover the data
  // without hole or overlap. Errors are prefixed with the path.
  static Result<SafetensorsFile> Open(const std::string& path);
  static Result<SafetensorsFile> Read(MappedFile bytes);  // the same of bytes that are there already

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  const TensorEntry* Find(std::string_view name) const;
  const std::string& path() const { return file_.path(); }
  uint64_t file_bytes() const { return file_.bytes().size(); }

 private:
  MappedFile file_;
  std::map<std::string, std::string> metadata_;
  std::vector<TensorEntry> tensors_;
  std::unordered_map<std::string, size_t> index_;
};

// model.safetensors, or all shards that model.safetensors.index.json names (no path outside the folder).
class SafetensorsFolder {
 public:
  static Result<SafetensorsFolder> Open(const std::string& folder);
  const TensorEntry* Find(std::string_view name) const;
  std::vector<const TensorEntry*> tensors() const;
  uint64_t file_bytes() const;

 private:
  std::vector<SafetensorsFile> files_;
};

struct SafetensorsSource {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::function<Status(const std::function<Status(std::string_view)>& write)> fill;
};

// Writes one file, atomically. Tensors lie in the given order, those of wide elements first, without holes: so each
// starts at a multiple of its element's size. `fill` is called once for each, in the order they lie.
Status WriteSafetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                        const std::vector<SafetensorsSource>& tensors);

// Writes a folder's weights: model.safetensors, or, where that would hold more than `max_shard_bytes`, shards
// model-00001-of-0000N.safetensors in the given order (a larger tensor has one alone) and then their index.
Status WriteSafetensorsFolder(const std::string& folder, const std::map<std::string, std::string>& metadata,
                              const std::vector<SafetensorsSource>& tensors, uint64_t max_shard_bytes);

}  // namespace hew
