// A model out of a GGUF file or a Hugging Face folder: one loader over two sources that differ in names, in the order
// of Q and K rows and in where the configuration stands.
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>

#include "base/file.h"
#include "base/shown.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "model/names.h"
#include "model/packed_copy.h"
#include "model/rope.h"
#include "model/tensors.h"
#include "tensor/codec.h"

namespace hew {
namespace {

struct TensorSource {
  std::string path;  // for messages
  bool gguf = false;
  std::function<const TensorEntry*(const std::string&)> find;
};

// [rows, cols] of `width` bytes an element, from [cols, rows].
std::string Transposed(std::string_view bytes, int64_t rows, int64_t cols, int64_t width) {
  std::string out(bytes.size(), '\0');
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c)
      std::memcpy(out.data() + (r * cols + c) * width, bytes.data() + (c * rows + r) * width,
                  static_cast<size_t>(width));
  }
  return out;
}

class Loader {
 public:
  Loader(const Runtime& rt, const TensorSource& source, std::shared_ptr<PackedCopy> packed, Model* model)
      : rt_(rt), source_(source), packed_(std::move(packed)), model_(*model) {}

  // Everything, or, if `outline_bytes` is not null, the configuration and how many bytes the rest would take.
  Status Load(int64_t* outline_bytes) {
    ModelConfig& config = model_.config;
    FindBiases();
    FindSparseLayers();
    HEW_RETURN_IF_ERROR(ReadDivisors());
    if (auto complete = CompleteConfig(&config); !complete) return Annotate(source_.path, std::move(complete).error());
    if (outline_bytes) return Outline(outline_bytes);
    model_.layers.resize(static_cast<size_t>(config.num_hidden_layers));
    for (const StoredTensor& tensor : TensorsOf(config)) {
      HEW_RETURN_IF_ERROR(tensor.matrix() ? ReadMatrix(tensor) : ReadVector(tensor));
    }
    model_.packed = packed_ && packed_->all_taken();
    for (const RopeConfig& rope : config.ropes) model_.ropes.push_back(MakeRopeTable(*rt_.pool, config, rope));
    return {};
  }

  const std::set<std::string>& used() const { return used_; }

 private:
  const std::string& NameOf(const StoredTensor& tensor) const {
    return source_.gguf ? tensor.gguf_name : tensor.hf_name;
  }

  Status Outline(int64_t* bytes) {
    *bytes = 0;
    for (const StoredTensor& tensor : TensorsOf(model_.config)) {
      HEW_ASSIGN(const TensorEntry* entry, EntryOf(tensor));
      for (const ModelPart& part : tensor.parts) {
        const int64_t tiles = (part.rows + kTileRows - 1) / kTileRows;
        *bytes += tensor.matrix() ? tiles * kTileRows * RowBytes(entry->dtype, tensor.shape[1])
                                  : part.rows * static_cast<int64_t>(sizeof(float));
      }
    }
    for (const RopeConfig& rope : model_.config.ropes) *bytes += RopeTableBytes(model_.config, rope);
    return {};
  }

  // What the first layer has, every layer must have.
  void FindBiases() {
    const FileLayout& layout = *ArchitectureOf(model_.config).layout;
    for (const StoredModule& m : layout.modules) {
      if (!source_.find(source_.gguf ? GgufTensorName(m, 0, "bias") : HfTensorName(layout, m, 0, "bias"))) continue;
      for (Projection p : m.projections()) model_.config.has_bias[static_cast<size_t>(p)] = true;
    }
  }

  // A GGUF file does not say otherwise which layers have experts.
  void FindSparseLayers() {
    ModelConfig& config = model_.config;
    if (!source_.gguf || config.num_experts == 0) return;
    const FileLayout& layout = *ArchitectureOf(config).layout;
    for (size_t l = 0; l < config.layers.size(); ++l) {
      const auto router = GgufTensorName(layout, ModelTensor::kRouter, static_cast<int64_t>(l));
      const auto dense = GgufTensorName(ModuleOf(layout, Projection::kDown), static_cast<int64_t>(l), "weight");
      config.layers[l].sparse = source_.find(router) || !source_.find(dense);
    }
  }

  // What a GGUF file divides the rotary frequencies by stands among its tensors.
  Status ReadDivisors() {
    if (!source_.gguf || model_.config.ropes.empty()) return {};
    RopeConfig& rope = model_.config.ropes[0];
    const auto read = [&](const char* name, std::vector<double>* out) -> Status {
      const int64_t size = model_.config.rotary_dim / 2;
      HEW_ASSIGN(const TensorEntry* entry, Require(name, {size}));
      HEW_ASSIGN(const std::vector<float> values, Decode(*entry, size));
      out->assign(values.begin(), values.end());
      return {};
    };
    if (rope.scaling == RopeScaling::kLongRope || source_.find("rope_factors_short.weight")) {
      rope.scaling = RopeScaling::kLongRope;  // not every file says so itself
      HEW_RETURN_IF_ERROR(read("rope_factors_short.weight", &rope.divisors));
      return read("rope_factors_long.weight", &rope.long_divisors);
    }
    if (rope.scaling != RopeScaling::kNone || !source_.find("rope_freqs.weight")) return {};
    rope.scaling = RopeScaling::kLlama3;
    return read("rope_freqs.weight", &rope.divisors);
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
      return BadInput("{}: tensor {}: cannot read elements of type {}", source_.path, name, hew::NameOf(entry->dtype));
    }
    used_.insert(entry->name);
    return entry;
  }

  bool ReadsTransposed(const StoredTensor& tensor) const { return !source_.gguf && tensor.hf_transposed; }
  bool ReadsSlice(const StoredTensor& tensor) const { return source_.gguf && tensor.gguf_slices > 0; }
  Result<const TensorEntry*> EntryOf(const StoredTensor& tensor) {
    Shape shape = tensor.shape;
    if (tensor.matrix() && ReadsTransposed(tensor)) std::swap(shape[0], shape[1]);
    if (ReadsSlice(tensor)) shape.insert(shape.begin(), tensor.gguf_slices);
    return Require(NameOf(tensor), shape);
  }

  // Row of a part in memory -> row of the part in the file; null when they are the same.
  std::function<int64_t(int64_t)> RowMap(const ModelPart& part) const {
    if (!source_.gguf || !part.projection || !GgufPermutesRows(model_.config, *part.projection)) return nullptr;
    return [this, p = *part.projection](int64_t row) { return GgufRowOf(model_.config, p, row); };
  }

  Status ReadMatrix(const StoredTensor& tensor) {
    const std::string& name = NameOf(tensor);
    const int64_t cols = tensor.shape[1];
    HEW_ASSIGN(const TensorEntry* entry, EntryOf(tensor));
    const auto wrong = [&](Error error) {
      return Annotate(fmt::format("{}: tensor {}", source_.path, name), std::move(error));
    };
    std::string_view bytes = ReadsSlice(tensor) ? SliceOf(*entry, tensor) : entry->bytes;
    const std::string_view read = bytes;
    std::string turned;
    if (ReadsTransposed(tensor)) {
      if (InfoOf(entry->dtype).block_elements != 1)
        return wrong(BadInput("expected plain elements, found {}", hew::NameOf(entry->dtype)).value());
      turned = Transposed(bytes, tensor.shape[0], cols, RowBytes(entry->dtype, 1));
      bytes = turned;
    }
    const size_t row_bytes = bytes.size() / static_cast<size_t>(tensor.shape[0]);
    for (const ModelPart& part : tensor.parts) {
      const size_t size = static_cast<size_t>(part.rows) * row_bytes;
      if (packed_) {
        if (auto weight = packed_->Next(entry->dtype, part.rows, cols)) {
          MatrixOf(model_, part) = *std::move(weight);
          bytes.remove_prefix(size);
          continue;
        }
        packed_.reset();  // not of this model after all
      }
      auto weight = MakeWeight(*rt_.pool, entry->dtype, part.rows, cols, bytes.substr(0, size), RowMap(part), &arena_);
      if (!weight) return wrong(std::move(weight).error());
      MatrixOf(model_, part) = *std::move(weight);
      bytes.remove_prefix(size);
    }
    ForgetMapped(read);  // the weights are in memory once, not twice
    return {};
  }

  Result<std::vector<float>> Decode(const TensorEntry& entry, int64_t size) {
    const int64_t block = InfoOf(entry.dtype).block_elements;
    if (size % block != 0) {
      return BadInput("{}: tensor {}: expected a multiple of {} elements, found {}", source_.path, entry.name, block,
                      size);
    }
    std::vector<float> values(static_cast<size_t>(size));
    DecodeRow(entry.dtype, entry.bytes, values);
    return values;
  }

  Status ReadVector(const StoredTensor& tensor) {
    HEW_ASSIGN(const TensorEntry* entry, EntryOf(tensor));
    HEW_ASSIGN(std::vector<float> values, Decode(*entry, tensor.shape[0]));
    if (!source_.gguf && tensor.hf_offset != 0) {
      for (float& v : values) v += tensor.hf_offset;
    }
    size_t begin = 0;
    for (const ModelPart& part : tensor.parts) {
      const auto row_map = RowMap(part);
      std::vector<float>& out = VectorOf(model_, part);
      out.resize(static_cast<size_t>(part.rows));
      for (int64_t i = 0; i < part.rows; ++i)
        out[static_cast<size_t>(i)] = values[begin + static_cast<size_t>(row_map ? row_map(i) : i)];
      begin += out.size();
    }
    return {};
  }

  const Runtime& rt_;
  const TensorSource& source_;
  std::shared_ptr<PackedCopy> packed_;  // null: every weight is made
  Model& model_;
  BufferArena arena_;
  std::set<std::string> used_;
};

// Buffers that old writers stored beside the weights: masks and frequencies that follow from the configuration.
bool IsStoredBuffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

// A tensor that nothing read belongs to an arithmetic that this program would silently leave out.
Status RefuseUnused(const std::string& path, const std::string& name, const std::set<std::string>& used) {
  if (used.contains(name)) return {};
  return BadInput("{}: tensor {}: not part of a model of this architecture", path, Shown(name));
}

Status LoadGguf(const Runtime& rt, const std::string& path, std::shared_ptr<PackedCopy> packed, int64_t* outline_bytes,
                Model* model) {
  HEW_ASSIGN(const GgufFile file, GgufFile::Open(path));
  HEW_ASSIGN(model->config, ConfigFromGguf(file.metadata(), path));
  const FileLayout& layout = *ArchitectureOf(model->config).layout;
  const TensorSource source{path, true, [&](const std::string& name) { return file.Find(name); }};
  model->config.tie_word_embeddings = file.Find(GgufTensorName(layout, ModelTensor::kLmHead)) == nullptr;
  Loader loader(rt, source, std::move(packed), model);
  HEW_RETURN_IF_ERROR(loader.Load(outline_bytes));
  for (const TensorEntry& entry : file.tensors()) HEW_RETURN_IF_ERROR(RefuseUnused(path, entry.name, loader.used()));
  return {};
}

Status LoadFolder(const Runtime& rt, const std::string& path, std::shared_ptr<PackedCopy> packed,
                  int64_t* outline_bytes, Model* model) {
  const std::string config_path = path + "/config.json";
  HEW_ASSIGN(const std::string config_json, ReadFile(config_path, uint64_t{1} << 24));
  HEW_ASSIGN(model->config, ConfigFromJson(config_json, config_path));
  HEW_ASSIGN(const SafetensorsFolder folder, SafetensorsFolder::Open(path));
  const TensorSource source{path, false, [&](const std::string& name) { return FindInFolder(folder, name); }};
  Loader loader(rt, source, std::move(packed), model);
  HEW_RETURN_IF_ERROR(loader.Load(outline_bytes));
  std::set<std::string> used = loader.used();
  // Some writers store the tied head a second time.
  if (model->config.tie_word_embeddings)
    used.insert(HfTensorName(*ArchitectureOf(model->config).layout, ModelTensor::kLmHead));
  for (const TensorEntry* entry : folder.tensors()) {
    if (!IsStoredBuffer(entry->name)) HEW_RETURN_IF_ERROR(RefuseUnused(path, entry->name, used));
  }
  return {};
}

Status LoadEither(const Runtime& rt, const std::string& path, std::shared_ptr<PackedCopy> packed,
                  int64_t* outline_bytes, Model* model) {
  model->source_path = path;
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  return (folder ? LoadFolder : LoadGguf)(rt, path, std::move(packed), outline_bytes, model);
}

}  // namespace

Result<std::shared_ptr<const Model>> LoadModel(const Runtime& rt, const std::string& path, const PackedCache& cache) {
  auto model = std::make_shared<Model>();
  if (!cache.folder.empty()) model->packed_identity = PackedIdentity(path);
  auto packed = PackedCopy::Open(cache, path, model->packed_identity);
  HEW_RETURN_IF_ERROR(LoadEither(rt, path, std::move(packed), nullptr, model.get()));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<ModelOutline> OutlineModel(const Runtime& rt, const std::string& path) {
  Model model;
  ModelOutline outline;
  HEW_RETURN_IF_ERROR(LoadEither(rt, path, nullptr, &outline.memory_bytes, &model));
  outline.config = std::move(model.config);
  return outline;
}

}  // namespace hew
