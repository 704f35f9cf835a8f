// GGUF LoRA: llama.cpp's adapter file. Layout and traps: docs/formats.md.
#include <cmath>
#include <filesystem>

#include "base/shown.h"
#include "formats/gguf.h"
#include "model/adapter_io.h"
#include "model/adapter_parts.h"
#include "model/names.h"
#include "tensor/codec.h"

namespace hew {
namespace {

constexpr std::string_view kTailA = ".weight.lora_a", kTailB = ".weight.lora_b";

Result<double> ReadAlpha(const GgufFile& file) {
  const auto expect = [&](const char* key, const std::string& expected) -> Status {
    HEW_ASSIGN(const std::string found, file.metadata().GetString(key));
    if (found == expected) return {};
    return BadInput("{}: expected '{}', found '{}'", key, expected, Shown(found));
  };
  HEW_RETURN_IF_ERROR(expect("general.type", "adapter"));
  HEW_RETURN_IF_ERROR(expect("adapter.type", "lora"));
  HEW_ASSIGN(const double alpha, file.metadata().GetFloat("adapter.lora.alpha"));
  if (!std::isfinite(alpha)) return BadInput("adapter.lora.alpha: expected a finite number, found {}", alpha);
  return alpha;
}

// B's rows in GGUF's order, times `factor`, from those of memory.
std::vector<float> FileRowsOfB(const JoinedModule& m, const ModelConfig& config, float factor) {
  std::vector<float> rows(m.b.size());
  for (int64_t row = 0; row < m.out; ++row) {
    const int64_t at = m.module->count == 1 ? GgufRowOf(config, m.module->parts[0], row) : row;
    for (int64_t i = 0; i < m.rank; ++i)
      rows[static_cast<size_t>(at * m.rank + i)] = m.b[static_cast<size_t>(row * m.rank + i)] * factor;
  }
  return rows;
}

}  // namespace

Result<AdapterFile> ReadGgufAdapterParts(const GgufFile& file) {
  const std::string& path = file.path();
  auto alpha = ReadAlpha(file);
  if (!alpha) return Annotate(path, std::move(alpha).error());
  // Of an unknown family, names are read as most have them.
  auto architecture = file.metadata().GetStringOr("general.architecture", "");
  if (!architecture) return Annotate(path, std::move(architecture).error());
  const Architecture* known = FindArchitecture(*architecture);
  const FileLayout& layout = *(known ? known : &Architectures().front())->layout;
  AdapterParts parts(path);
  LoraConfig config;
  config.rank = 0;
  for (const TensorEntry& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (name.starts_with("token_embd.") || name.starts_with("output.")) return VocabularyRefused(path, tensor.name);
    const bool is_a = name.ends_with(kTailA), is_b = name.ends_with(kTailB);
    const std::string_view module = name.substr(0, name.size() - (is_a || is_b ? kTailA.size() : 0));
    const auto where = ParseGgufModule(layout, module);
    if (!(is_a || is_b) || !where) {
      return BadInput("{}: tensor {}: expected blk.N.MODULE.weight.lora_a or .lora_b, found another name", path,
                      Shown(tensor.name));
    }
    AdapterPart& part = parts.At(*where);
    (is_a ? part.a : part.b) = &tensor;
    if (is_a && !tensor.shape.empty()) {
      part.alpha = *alpha == 0 ? static_cast<double>(tensor.shape[0]) : *alpha;  // alpha 0 means scale 1
      config.rank = std::max(config.rank, tensor.shape[0]);
    }
  }
  config.alpha = *alpha == 0 ? static_cast<double>(config.rank) : *alpha;
  config.targets = parts.Targets();
  HEW_RETURN_IF_ERROR(parts.Check(config));
  return AdapterFile(std::move(config), std::move(parts));
}

Result<LoraAdapter> LoadGgufAdapter(const Runtime& rt, const std::string& path, const Model& base, float user_scale) {
  HEW_ASSIGN(const auto file, GgufFile::Open(path));
  auto architecture = file.metadata().GetStringOr("general.architecture", base.config.architecture);
  if (!architecture) return Annotate(path, std::move(architecture).error());
  if (*architecture != base.config.architecture) {
    return BadInput("{}: general.architecture: expected {} (the base's), found {}", path, base.config.architecture,
                    Shown(*architecture));
  }
  HEW_ASSIGN(const AdapterFile adapter, ReadGgufAdapterParts(file));
  return adapter.second.Build(rt, adapter.first, base, true, user_scale);
}

Result<LoraAdapter> LoadAdapter(const Runtime& rt, const std::string& path, const Model& base, float user_scale) {
  if (std::filesystem::is_directory(path)) return LoadPeftAdapter(rt, path, base, user_scale);
  return LoadGgufAdapter(rt, path, base, user_scale);
}

Status SaveGgufAdapter(const LoraAdapter& adapter, const Model& base, const std::string& path) {
  if (adapter.config.dora)
    return BadInput("{}: a DoRA adapter has no GGUF form; merge it into its base instead (hew merge)", path);
  // One alpha for the file, scale = alpha / rank per module: what that does not express goes into B.
  const double alpha = adapter.config.rslora
                           ? adapter.config.alpha * std::sqrt(static_cast<double>(adapter.config.rank))
                           : adapter.config.alpha;
  GgufMetadata metadata;
  metadata.Set("general.type", std::string("adapter"));
  metadata.Set("general.architecture", base.config.architecture);
  metadata.Set("general.name", std::string("hew adapter"));
  metadata.Set("adapter.type", std::string("lora"));
  metadata.Set("adapter.lora.alpha", static_cast<float>(alpha));
  std::vector<GgufTensorSource> tensors;
  const std::vector<JoinedModule> modules = JoinModules(adapter, base);
  for (const JoinedModule& m : modules) {
    const std::string name = GgufTensorName(*m.module, m.layer, "weight");
    const double expressed = alpha / static_cast<double>(m.rank);
    float factor = static_cast<float>(m.scale / expressed);
    if (std::abs(factor - 1) < 1e-6f) factor = 1;  // what rounding the scale to fp32 left over
    tensors.push_back({name + ".lora_a", DType::kF32, {m.rank, m.in}, [&m](const auto& write) {
                         return write(AsBytes(m.a.data(), m.a.size()));
                       }});
    tensors.push_back({name + ".lora_b", DType::kF32, {m.out, m.rank}, [&m, &base, factor](const auto& write) {
                         const auto rows = FileRowsOfB(m, base.config, factor);
                         return write(AsBytes(rows.data(), rows.size()));
                       }});
  }
  return WriteGguf(path, metadata, tensors);
}

}  // namespace hew
