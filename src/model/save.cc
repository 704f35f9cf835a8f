#include "model/save.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "model/save_metadata.h"
#include "model/save_tensors.h"
#include "model/save_tokenizer.h"
#include "tensor/codec.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGgufSuffix = ".gguf";

// What a folder base has beside config.json and weights, and its copy keeps.
constexpr const char* kCompanions[] = {"tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       "merges.txt",
                                       "tokenizer.model",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "generation_config.json"};

Status CheckType(std::optional<FileType> type, bool gguf) {
  if (!type) return {};
  const bool plain = *type == DType::kF32 || *type == DType::kF16 || *type == DType::kBF16;
  if (plain || (gguf && CanEncode(type->main))) return {};
  return BadInput("type: expected {} for a {}, found {}", gguf ? KnownFileTypes() : "F32, F16 or BF16",
                  gguf ? "GGUF file" : "folder", NameOf(*type));
}

// Counts what is written over all tensors, and says so.
class Progressed {
 public:
  explicit Progressed(const SaveOptions& options) : options_(options) {}
  void Expect(DType type, const Shape& shape) { total_ += static_cast<uint64_t>(RowBytes(type, ElementCount(shape))); }
  ByteSink Sink(const ByteSink& write) {
    if (!options_.progress) return write;
    return [this, &write](std::string_view bytes) -> Status {
      HEW_RETURN_IF_ERROR(write(bytes));
      done_ += bytes.size();
      return options_.progress(done_, total_);
    };
  }

 private:
  const SaveOptions& options_;
  uint64_t done_ = 0, total_ = 0;
};

// One source per tensor of the file for either writer, which have the same fields; the slices of one, which follow one
// another, are written so.
template <typename Source>
Result<std::vector<Source>> Sources(const TensorSaver& saver, const std::vector<SavedTensor>& tensors,
                                    const SaveOptions& options, Progressed& progressed,
                                    std::string SavedTensor::*name) {
  std::vector<Source> sources;
  for (size_t i = 0, count; i < tensors.size(); i += count) {
    const SavedTensor& tensor = tensors[i];
    for (count = 1; i + count < tensors.size() && tensors[i + count].*name == tensor.*name;) ++count;
    HEW_ASSIGN(const DType type, saver.TypeOf(tensor, options.type));
    const Shape shape = saver.FileShape(tensor);
    progressed.Expect(type, shape);
    const auto slices = std::span(tensors).subspan(i, count);
    sources.push_back({tensor.*name, type, shape, [&saver, slices, &progressed, type](const ByteSink& write) -> Status {
                         for (const SavedTensor& slice : slices)
                           HEW_RETURN_IF_ERROR(saver.Write(slice, type, progressed.Sink(write)));
                         return {};
                       }});
  }
  return sources;
}

// The type most of the file is in: that of the first projection.
template <typename Source>
DType MainType(const std::vector<SavedTensor>& tensors, const std::vector<Source>& sources) {
  // No tensor before it has slices: attention comes first.
  const auto first =
      std::find_if(tensors.begin(), tensors.end(), [](const SavedTensor& t) { return t.IsProjection(); });
  return sources[static_cast<size_t>(first - tensors.begin())].dtype;
}

Status SaveGguf(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                const std::string& path, const SaveOptions& options) {
  HEW_ASSIGN(const ModelSource source, ModelSource::Open(base));
  const TensorSaver saver(rt, base, adapters, source, true);
  const auto tensors = TensorsToSave(base, true);
  Progressed progressed(options);
  HEW_ASSIGN(const auto sources,
             Sources<GgufTensorSource>(saver, tensors, options, progressed, &SavedTensor::gguf_name));
  HEW_ASSIGN(const std::string lineage, LineageLine(base, adapters));
  HEW_ASSIGN(const auto metadata,
             MetadataToSave(base, source.gguf(), options.type, MainType(tensors, sources), lineage));
  return WriteGguf(path, metadata, sources);
}

Status FillFolder(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                  const std::string& folder, const SaveOptions& options) {
  HEW_ASSIGN(const ModelSource source, ModelSource::Open(base));
  const TensorSaver saver(rt, base, adapters, source, false);
  const auto tensors = TensorsToSave(base, false);
  Progressed progressed(options);
  HEW_ASSIGN(const auto sources,
             Sources<SafetensorsSource>(saver, tensors, options, progressed, &SavedTensor::hf_name));
  HEW_RETURN_IF_ERROR(WriteTokenizerFiles(base.source_path, folder));
  HEW_ASSIGN(const std::string config, ConfigJsonToSave(base, source.gguf(), MainType(tensors, sources)));
  HEW_RETURN_IF_ERROR(WriteFileAtomically(folder + "/config.json", config));
  HEW_ASSIGN(const std::string lineage, LineageLine(base, adapters));
  return WriteSafetensorsFolder(folder, {{"format", "pt"}, {std::string(kLineageKey), lineage}}, sources,
                                options.max_shard_bytes);
}

// A folder is filled under another name and appears whole.
Status SaveFolder(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters, std::string path,
                  const SaveOptions& options) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  std::error_code error;
  HEW_RETURN_IF_ERROR(MakeFolder(temporary));
  Status status = FillFolder(rt, base, adapters, temporary, options);
  if (status) status = RenamePath(temporary, path);
  if (!status) fs::remove_all(temporary, error);
  return status;
}

}  // namespace

Status WriteTokenizerFiles(const std::string& source_path, const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(source_path, ignored)) {
    HEW_ASSIGN(const GgufFile gguf, GgufFile::Open(source_path));
    HEW_ASSIGN(const auto files, TokenizerFilesFromGguf(gguf.metadata(), source_path));
    for (const NamedFile& file : files)
      HEW_RETURN_IF_ERROR(WriteFileAtomically(folder + "/" + file.name, file.content));
    return {};
  }
  for (const char* name : kCompanions) {
    const std::string from = source_path + "/" + name;
    if (!fs::exists(from, ignored)) continue;
    HEW_ASSIGN(const std::string content, ReadFile(from));
    HEW_RETURN_IF_ERROR(WriteFileAtomically(folder + "/" + name, content));
  }
  return {};
}

Status CheckSaveTarget(const Model& base, const std::string& path) {
  const bool gguf = path.ends_with(kGgufSuffix);
  std::error_code ignored;
  if (fs::equivalent(path, base.source_path, ignored))
    return BadInput("{}: expected a path other than the base's own", path);
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty() && !fs::is_directory(parent, ignored))
    return BadInput("{}: expected an existing folder to write in", parent.string());
  const bool folder = fs::is_directory(path, ignored);
  if (gguf && folder) return BadInput("{}: expected a file to write, found a folder", path);
  if (gguf || !fs::exists(path, ignored)) return {};
  if (!folder) return BadInput("{}: expected a folder to write (or a name ending in .gguf), found a file", path);
  if (fs::is_empty(path, ignored)) return {};
  return BadInput("{}: expected a new or empty folder to write, found one with files in it", path);
}

Result<int64_t> SavedBytes(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                           const std::string& path, const SaveOptions& options) {
  const bool gguf = path.ends_with(kGgufSuffix);
  HEW_RETURN_IF_ERROR(CheckType(options.type, gguf));
  HEW_ASSIGN(const ModelSource source, ModelSource::Open(base));
  const TensorSaver saver(rt, base, adapters, source, gguf);
  int64_t bytes = 0;
  for (const SavedTensor& tensor : TensorsToSave(base, gguf)) {
    HEW_ASSIGN(const DType type, saver.TypeOf(tensor, options.type));
    bytes += RowBytes(type, ElementCount(tensor.shape));
  }
  return bytes;
}

Status SaveModel(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                 const std::string& path, const SaveOptions& options) {
  const bool gguf = path.ends_with(kGgufSuffix);
  HEW_RETURN_IF_ERROR(CheckSaveTarget(base, path));
  HEW_RETURN_IF_ERROR(CheckType(options.type, gguf));
  return gguf ? SaveGguf(rt, base, adapters, path, options) : SaveFolder(rt, base, adapters, path, options);
}

}  // namespace hew
