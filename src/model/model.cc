#include "model/model.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "model/tensors.h"

namespace hew {

int64_t Model::memory_bytes() const {
  size_t bytes = 0;
  for (const StoredTensor& tensor : TensorsOf(config)) {
    for (const ModelPart& part : tensor.parts) {
      bytes += tensor.matrix() ? MatrixOf(*this, part).data.size() : VectorOf(*this, part).size() * sizeof(float);
    }
  }
  for (const RopeTable& rope : ropes) bytes += (rope.cos.size() + rope.sin.size()) * sizeof(float);
  return static_cast<int64_t>(bytes);
}

int64_t Model::parameter_count() const { return ParameterCount(config); }

Result<std::string> DigestOfModel(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error)) return Sha256OfFile(path);
  std::vector<std::string> names;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const fs::path& file = it->path();
    if (file.extension() == ".safetensors" || file.filename() == "config.json")
      names.push_back(file.filename().string());
  }
  if (error) return BadInput("{}: cannot read the folder: {}", path, error.message());
  std::sort(names.begin(), names.end());
  Sha256 all;
  for (const std::string& name : names) {
    HEW_ASSIGN(const std::string digest, Sha256OfFile(path + "/" + name));
    all.Update(name + " " + digest + "\n");
  }
  return all.HexDigest();
}

}  // namespace hew
