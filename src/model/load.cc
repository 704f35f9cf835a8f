// A model out of a GGUF file or a Hugging Face folder: one loader over two sources that differ in names, in the order
// of Q and K rows and in where the configuration stands.
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>

#include "base/file.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "model/names.h"
#include "tensor/codec.h"

namespace hew {
namespace {

struct TensorSource {
  std::string path;  // for messages
  std::function<const TensorEntry*(const std::string&)> find;
  std::function<std::string(Projection, int64_t, std::string_view)> projection_name;
  std::function<std::string(ModelTensor, int64_t)> tensor_name;
  bool gguf_rows = false;  // rows of Q and K stand in GGUF's order
};

class Loader {
 public:
  Loader(const Runtime& rt, const TensorSource& source, Model* model) : rt_(rt), source_(source), model_(*model) {}

  Status Load() {
    const ModelConfig& config = model_.config;
    const int64_t hidden = config.hidden_size;
    HEW_RETURN_IF_ERROR(ReadWeight(source_.tensor_name(ModelTensor::kEmbedTokens, 0), {config.vocab_size, hidden},
                                   nullptr, &model_.embed_tokens));
    if (!config.tie_word_embeddings) {
      HEW_RETURN_IF_ERROR(ReadWeight(source_.tensor_name(ModelTensor::kLmHead, 0), {config.vocab_size, hidden}, nullptr,
                                     &model_.lm_head));
    }
    HEW_RETURN_IF_ERROR(
        ReadVector(source_.tensor_name(ModelTensor::kFinalNorm, 0), hidden, nullptr, &model_.final_norm));
    model_.layers.resize(static_cast<size_t>(config.num_hidden_layers));
    for (int64_t l = 0; l < config.num_hidden_layers; ++l) HEW_RETURN_IF_ERROR(LoadLayer(l));
    model_.rope = MakeRopeTable(*rt_.pool, config);
    return {};
  }

  const std::set<std::string>& used() const { return used_; }

 private:
  Status LoadLayer(int64_t l) {
    LayerWeights& layer = model_.layers[static_cast<size_t>(l)];
    const int64_t hidden = model_.config.hidden_size;
    HEW_RETURN_IF_ERROR(
        ReadVector(source_.tensor_name(ModelTensor::kInputNorm, l), hidden, nullptr, &layer.input_norm));
    HEW_RETURN_IF_ERROR(ReadVector(source_.tensor_name(ModelTensor::kPostAttentionNorm, l), hidden, nullptr,
                                   &layer.post_attention_norm));
    for (Projection p : kProjections) {
      const auto i = static_cast<size_t>(p);
      const auto [out, in] = ProjectionShape(model_.config, p);
      std::function<int64_t(int64_t)> row_map;
      if (source_.gguf_rows && GgufPermutesRows(model_.config, p)) {
        row_map = [this, p = p](int64_t row) { return GgufRowOf(model_.config, p, row); };
      }
      HEW_RETURN_IF_ERROR(
          ReadWeight(source_.projection_name(p, l, "weight"), {out, in}, row_map, &layer.projections[i]));
      if (!HasBias(p)) continue;
      HEW_RETURN_IF_ERROR(ReadVector(source_.projection_name(p, l, "bias"), out, row_map, &layer.biases[i]));
    }
    return {};
  }

  // What the first layer has, every layer must have.
  bool HasBias(Projection p) const {
    const bool attention_input = p == Projection::kQ || p == Projection::kK || p == Projection::kV;
    if (model_.config.attention_bias && attention_input) return true;
    return source_.find(source_.projection_name(p, 0, "bias")) != nullptr;
  }

  Result<const TensorEntry*> Require(const std::string& name, const Shape& shape) {
    const TensorEntry* entry = source_.find(name);
    if (!entry)
      return BadInput("{}: tensor {}: expected shape {}, found no such tensor", source_.path, name, ToString(shape));
    if (entry->shape != shape) {
      return BadInput("{}: tensor {}: expected shape {}, found {}", source_.path, name, ToString(shape),
                      ToString(entry->shape));
    }
    if (!CanDecode(entry->dtype)) {
      return BadInput("{}: tensor {}: cannot read elements of type {}", source_.path, name, NameOf(entry->dtype));
    }
    used_.insert(name);
    return entry;
  }

  Status ReadWeight(const std::string& name, const Shape& shape, const std::function<int64_t(int64_t)>& row_map,
                    Weight* out) {
    HEW_ASSIGN(const TensorEntry* entry, Require(name, shape));
    auto weight = MakeWeight(*rt_.pool, entry->dtype, shape[0], shape[1], entry->bytes, row_map);
    if (!weight) return Annotate(fmt::format("{}: tensor {}", source_.path, name), std::move(weight).error());
    *out = *std::move(weight);
    return {};
  }

  Status ReadVector(const std::string& name, int64_t size, const std::function<int64_t(int64_t)>& row_map,
                    std::vector<float>* out) {
    HEW_ASSIGN(const TensorEntry* entry, Require(name, {size}));
    const int64_t block = InfoOf(entry->dtype).block_elements;
    if (size % block != 0) {
      return BadInput("{}: tensor {}: expected a multiple of {} elements, found {}", source_.path, name, block, size);
    }
    std::vector<float> values(static_cast<size_t>(size));
    DecodeRow(entry->dtype, entry->bytes, values);
    if (!row_map) {
      *out = std::move(values);
      return {};
    }
    out->resize(values.size());
    for (int64_t i = 0; i < size; ++i) (*out)[static_cast<size_t>(i)] = values[static_cast<size_t>(row_map(i))];
    return {};
  }

  const Runtime& rt_;
  const TensorSource& source_;
  Model& model_;
  std::set<std::string> used_;
};

// A tensor that nothing read belongs to an arithmetic that this program would silently leave out.
Status RefuseUnused(const std::string& path, const std::string& name, const std::set<std::string>& used,
                    const std::set<std::string>& harmless) {
  if (used.contains(name) || harmless.contains(name) || name.ends_with(".rotary_emb.inv_freq")) return {};
  return BadInput("{}: tensor {}: not part of a model of this architecture", path, name);
}

Status LoadGguf(const Runtime& rt, const std::string& path, Model* model) {
  HEW_ASSIGN(const GgufFile file, GgufFile::Open(path));
  HEW_ASSIGN(model->config, ConfigFromGguf(file.metadata(), path));
  TensorSource source;
  source.path = path;
  source.find = [&](const std::string& name) { return file.Find(name); };
  source.projection_name = [](Projection p, int64_t l, std::string_view suffix) {
    return GgufTensorName(p, l, suffix);
  };
  source.tensor_name = [](ModelTensor t, int64_t l) { return GgufTensorName(t, l); };
  source.gguf_rows = true;
  model->config.tie_word_embeddings = file.Find(GgufTensorName(ModelTensor::kLmHead)) == nullptr;
  model->config.attention_bias = file.Find(GgufTensorName(Projection::kQ, 0, "bias")) != nullptr;
  Loader loader(rt, source, model);
  HEW_RETURN_IF_ERROR(loader.Load());
  for (const TensorEntry& entry : file.tensors())
    HEW_RETURN_IF_ERROR(RefuseUnused(path, entry.name, loader.used(), {}));
  return {};
}

Status LoadFolder(const Runtime& rt, const std::string& path, Model* model) {
  const std::string config_path = path + "/config.json";
  HEW_ASSIGN(const std::string config_json, ReadFile(config_path, uint64_t{1} << 24));
  HEW_ASSIGN(model->config, ConfigFromJson(config_json, config_path));
  HEW_ASSIGN(const SafetensorsFolder folder, SafetensorsFolder::Open(path));
  TensorSource source;
  source.path = path;
  source.find = [&](const std::string& name) { return folder.Find(name); };
  source.projection_name = [](Projection p, int64_t l, std::string_view suffix) { return HfTensorName(p, l, suffix); };
  source.tensor_name = [](ModelTensor t, int64_t l) { return HfTensorName(t, l); };
  Loader loader(rt, source, model);
  HEW_RETURN_IF_ERROR(loader.Load());
  // Some writers store the tied head a second time.
  std::set<std::string> harmless;
  if (model->config.tie_word_embeddings) harmless.insert(HfTensorName(ModelTensor::kLmHead));
  for (const TensorEntry* entry : folder.tensors()) {
    HEW_RETURN_IF_ERROR(RefuseUnused(path, entry->name, loader.used(), harmless));
  }
  return {};
}

}  // namespace

RopeTable MakeRopeTable(const ThreadPool& pool, const ModelConfig& config) {
  RopeTable table;
  table.positions = config.max_position_embeddings;
  table.half = config.head_dim / 2;
  table.cos.resize(static_cast<size_t>(table.positions * table.half));
  table.sin.resize(table.cos.size());
  std::vector<double> frequency(static_cast<size_t>(table.half));
  for (int64_t i = 0; i < table.half; ++i) {
    frequency[static_cast<size_t>(i)] =
        std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
  }
  pool.ParallelFor(table.positions, 64, [&](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) {
      for (int64_t i = 0; i < table.half; ++i) {
        const double angle = static_cast<double>(position) * frequency[static_cast<size_t>(i)];
        const auto at = static_cast<size_t>(position * table.half + i);
        table.cos[at] = static_cast<float>(std::cos(angle));
        table.sin[at] = static_cast<float>(std::sin(angle));
      }
    }
  });
  return table;
}

Result<std::shared_ptr<const Model>> LoadModel(const Runtime& rt, const std::string& path) {
  auto model = std::make_shared<Model>();
  model->source_path = path;
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  HEW_RETURN_IF_ERROR(folder ? LoadFolder(rt, path, model.get()) : LoadGguf(rt, path, model.get()));
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace hew
