#include "model/model.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"

namespace hew {

std::pair<int64_t, int64_t> ProjectionShape(const ModelConfig& config, Projection p) {
  switch (p) {
    case Projection::kQ:
      return {config.query_size(), config.hidden_size};
    case Projection::kK:
    case Projection::kV:
      return {config.key_value_size(), config.hidden_size};
    case Projection::kO:
      return {config.hidden_size, config.query_size()};
    case Projection::kGate:
    case Projection::kUp:
      return {config.intermediate_size, config.hidden_size};
    case Projection::kDown:
      return {config.hidden_size, config.intermediate_size};
  }
  HEW_CHECK(false);
}

int64_t Model::memory_bytes() const {
  size_t bytes = embed_tokens.data.size() + lm_head.data.size() + final_norm.size() * sizeof(float);
  bytes += (rope.cos.size() + rope.sin.size()) * sizeof(float);
  for (const LayerWeights& layer : layers) {
    for (const Weight& w : layer.projections) bytes += w.data.size();
    for (const auto& bias : layer.biases) bytes += bias.size() * sizeof(float);
    bytes += (layer.input_norm.size() + layer.post_attention_norm.size()) * sizeof(float);
  }
  return static_cast<int64_t>(bytes);
}

int64_t Model::parameter_count() const {
  const auto size = [](const auto& v) { return static_cast<int64_t>(v.size()); };
  int64_t count = embed_tokens.rows * embed_tokens.cols + lm_head.rows * lm_head.cols + size(final_norm);
  for (const LayerWeights& layer : layers) {
    for (const Weight& w : layer.projections) count += w.rows * w.cols;
    for (const auto& bias : layer.biases) count += size(bias);
    count += size(layer.input_norm) + size(layer.post_attention_norm);
  }
  return count;
}

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
