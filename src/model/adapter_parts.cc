#include "model/adapter_parts.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "model/names.h"
#include "tensor/codec.h"

namespace hew {
namespace {

Status CheckTensorShape(const std::string& path, const TensorEntry& tensor, const Shape& expected) {
  if (tensor.shape == expected) return {};
  return BadInput("{}: tensor {}: expected shape {} for this base, found {}", path, tensor.name, ToString(expected), ToString(tensor.shape));
}

Status Append(const std::string& path, const TensorEntry& tensor, std::vector<float>& parameters) {
  HEW_ASSIGN(const auto values, ReadPlainTensor(path, tensor));
  parameters.insert(parameters.end(), values.begin(), values.end());
  return {};
}

}  // namespace

Result<std::vector<float>> ReadPlainTensor(const std::string& path, const TensorEntry& tensor) {
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16) {
    return BadInput("{}: tensor {}: expected F32, F16 or BF16, found {}", path, tensor.name, NameOf(tensor.dtype));
  }
  std::vector<float> values(static_cast<size_t>(ElementCount(tensor.shape)));
  DecodeRow(tensor.dtype, tensor.bytes, values);
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != values.end()) {
    return BadInput("{}: tensor {}: expected finite numbers, found {} at {}", path, tensor.name, *bad, bad - values.begin());
  }
  return values;
}

Result<LoraAdapter> AdapterParts::Build(const Runtime& rt, LoraConfig config, const Model& base, bool permuted, float user_scale) const {
  LoraAdapter adapter;
  adapter.user_scale = user_scale;
  config.targets.clear();
  for (const auto& [key, part] : parts_) {
    const auto [layer, projection] = key;
    const std::string module = HfTensorName(projection, layer, "lora");
    if (layer < 0 || layer >= base.config.num_hidden_layers) {
      return BadInput("{}: {}: expected a layer below {} (the base's), found {}", path_, module, base.config.num_hidden_layers, layer);
    }
    if (!part.a || !part.b) return BadInput("{}: {}: expected both A and B, found {} only", path_, module, part.a ? "A" : "B");
    if (config.dora != (part.magnitude != nullptr)) {
      return BadInput("{}: {}: expected {} magnitude vector, found {}", path_, module, config.dora ? "a" : "no", config.dora ? "none" : "one");
    }
    LoraModule m;
    m.layer = layer;
    m.projection = projection;
    std::tie(m.out, m.in) = ProjectionShape(base.config, projection);
    if (part.a->shape.size() != 2 || part.a->shape[0] < 1) {
      return BadInput("{}: tensor {}: expected shape [rank, {}], found {}", path_, part.a->name, m.in, ToString(part.a->shape));
    }
    m.rank = part.a->shape[0];
    HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.a, {m.rank, m.in}));
    HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.b, {m.out, m.rank}));
    m.scale = static_cast<float>(config.Scale(m.rank, part.alpha));
    m.a_offset = adapter.parameters.size();
    HEW_RETURN_IF_ERROR(Append(path_, *part.a, adapter.parameters));
    m.b_offset = adapter.parameters.size();
    HEW_RETURN_IF_ERROR(Append(path_, *part.b, adapter.parameters));
    if (permuted && GgufPermutesRows(base.config, projection)) {
      const std::vector<float> file(adapter.parameters.begin() + static_cast<int64_t>(m.b_offset), adapter.parameters.end());
      for (int64_t row = 0; row < m.out; ++row) {
        std::copy_n(file.data() + GgufRowOf(base.config, projection, row) * m.rank, m.rank,
                    adapter.parameters.data() + m.b_offset + static_cast<size_t>(row * m.rank));
      }
    }
    if (part.magnitude) {
      HEW_RETURN_IF_ERROR(CheckTensorShape(path_, *part.magnitude, {m.out}));
      m.magnitude_offset = adapter.parameters.size();
      HEW_RETURN_IF_ERROR(Append(path_, *part.magnitude, adapter.parameters));
    }
    if (std::find(config.targets.begin(), config.targets.end(), projection) == config.targets.end()) config.targets.push_back(projection);
    adapter.modules.push_back(std::move(m));
  }
  if (adapter.modules.empty()) return BadInput("{}: expected at least one adapted layer, found none", path_);
  std::sort(config.targets.begin(), config.targets.end());
  adapter.config = std::move(config);
  adapter.Pack(rt, base);
  return adapter;
}

}  // namespace hew
