#include "model/adapter_parts.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "base/shown.h"
#include "model/names.h"
#include "tensor/codec.h"

namespace hew {
namespace {

Status CheckTensorShape(const std::string& path, const TensorEntry& tensor, const Shape& expected) {
  if (tensor.shape == expected) return {};
  return BadInput("{}: tensor {}: expected shape {} for this base, found {}", path, tensor.name, ToString(expected),
                  ToString(tensor.shape));
}

std::string NameOf(int64_t layer, const StoredModule& module) { return fmt::format("layers.{}.{}", layer, module.hf); }

// B's rows [out, rank] from GGUF's order to that of memory.
void RestoreRows(const ModelConfig& config, const LoraModule& m, float* b) {
  if (!GgufPermutesRows(config, m.projection)) return;
  const std::vector<float> file(b, b + m.out * m.rank);
  for (int64_t row = 0; row < m.out; ++row) {
    std::copy_n(file.data() + GgufRowOf(config, m.projection, row) * m.rank, m.rank, b + row * m.rank);
  }
}

}  // namespace

tl::unexpected<Error> VocabularyRefused(const std::string& path, const std::string& tensor) {
  return BadInput(
      "{}: tensor {}: expected an adapter of the layers' linear modules alone, found one that changes the embedding or "
      "the head (not supported; merge it into its base with PEFT's merge_and_unload first)",
      path, Shown(tensor));
}

Result<std::vector<float>> ReadPlainTensor(const std::string& path, const TensorEntry& tensor) {
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16) {
    return BadInput("{}: tensor {}: expected F32, F16 or BF16, found {}", path, tensor.name, NameOf(tensor.dtype));
  }
  std::vector<float> values(static_cast<size_t>(ElementCount(tensor.shape)));
  DecodeRow(tensor.dtype, tensor.bytes, values);
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != values.end()) {
    return BadInput("{}: tensor {}: expected finite numbers, found {} at {}", path, tensor.name, *bad,
                    bad - values.begin());
  }
  return values;
}

Status AdapterParts::Check(const LoraConfig& config) const {
  if (parts_.empty()) return BadInput("{}: expected at least one adapted layer, found none", path_);
  for (const auto& [key, part] : parts_) {
    const std::string module = NameOf(key.first, *part.module);
    if (!part.a || !part.b) {
      return BadInput("{}: {}: expected both A and B, found {}", path_, module,
                      part.a   ? "A only"
                      : part.b ? "B only"
                               : "neither");
    }
    if (config.dora != (part.magnitude != nullptr)) {
      return BadInput("{}: {}: expected {} magnitude vector, found {}", path_, module, config.dora ? "a" : "no",
                      config.dora ? "none" : "one");
    }
    const Shape& a = part.a->shape;
    const Shape& b = part.b->shape;
    if (a.size() != 2 || a[0] < 1)
      return BadInput("{}: tensor {}: expected shape [rank, in], found {}", path_, part.a->name, ToString(a));
    if (b.size() != 2 || b[1] != a[0]) {
      return BadInput("{}: tensor {}: expected shape [out, {}] as A's rank, found {}", path_, part.b->name, a[0],
                      ToString(b));
    }
    const double scale = config.Scale(a[0], part.alpha);
    if (!std::isfinite(static_cast<float>(scale)))
      return BadInput("{}: {}: expected a finite scale, found {}", path_, module, scale);
  }
  return {};
}

std::vector<Projection> AdapterParts::Targets() const {
  std::set<Projection> found;
  for (const auto& [key, part] : parts_)
    found.insert(part.module->projections().begin(), part.module->projections().end());
  return {found.begin(), found.end()};
}

Status AdapterParts::AddModules(const std::pair<int64_t, AdapterPart>& layer_part, const LoraConfig& config,
                                const Model& base, bool permuted, LoraAdapter* adapter) const {
  const auto& [layer, part] = layer_part;
  if (layer >= base.config.num_hidden_layers) {
    return BadInput("{}: {}: expected a layer below {} (the base's), found {}", path_, part.a->name,
                    base.config.num_hidden_layers, layer);
  }
  const int64_t rank = part.a->shape[0];
  int64_t out = 0, in = 0;
  for (Projection p : part.module->projections()) {
    if (!base.config.Has(p, layer)) {
      return BadInput("{}: {}: expected a layer that the base has, found {}", path_, part.a->name,
                      NameOf(layer, *part.module));
    }
    out += ProjectionShape(base.config, p).first;
    in = ProjectionShape(base.config, p).second;
  }
  HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.a, {rank, in}));
  HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.b, {out, rank}));
  HEW_ASSIGN(const std::vector<float> a, ReadPlainTensor(path_, *part.a));
  HEW_ASSIGN(const std::vector<float> b, ReadPlainTensor(path_, *part.b));
  std::vector<float> magnitude;
  if (part.magnitude) {
    HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.magnitude, {out}));
    HEW_ASSIGN(magnitude, ReadPlainTensor(path_, *part.magnitude));
  }
  int64_t first = 0;  // row of B and of m
  for (Projection p : part.module->projections()) {
    LoraModule m;
    m.layer = layer;
    m.projection = p;
    std::tie(m.out, m.in) = ProjectionShape(base.config, p);
    m.rank = rank;
    m.scale = static_cast<float>(config.Scale(rank, part.alpha));
    for (const LoraModule& other : adapter->modules) {
      if (other.layer != layer || other.projection != p) continue;
      return BadInput("{}: {}: expected each layer once, found {} twice", path_, part.a->name, ModuleName(p));
    }
    std::vector<float>& parameters = adapter->parameters;
    m.a_offset = parameters.size();
    parameters.insert(parameters.end(), a.begin(), a.end());
    m.b_offset = parameters.size();
    parameters.insert(parameters.end(), b.begin() + first * rank, b.begin() + (first + m.out) * rank);
    if (permuted) RestoreRows(base.config, m, parameters.data() + m.b_offset);
    if (part.magnitude) {
      m.magnitude_offset = parameters.size();
      parameters.insert(parameters.end(), magnitude.begin() + first, magnitude.begin() + first + m.out);
    }
    first += m.out;
    adapter->modules.push_back(std::move(m));
  }
  return {};
}

Result<LoraAdapter> AdapterParts::Build(const Runtime& rt, LoraConfig config, const Model& base, bool permuted,
                                        float user_scale) const {
  HEW_RETURN_IF_ERROR(Check(config));
  LoraAdapter adapter;
  adapter.user_scale = user_scale;
  for (const auto& [key, part] : parts_) {
    HEW_RETURN_IF_ERROR(AddModules({key.first, part}, config, base, permuted, &adapter));
  }
  config.targets = Targets();
  adapter.config = std::move(config);
  adapter.Pack(rt, base);
  return adapter;
}

}  // namespace hew
