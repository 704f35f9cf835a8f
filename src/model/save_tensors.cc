#include "model/save_tensors.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "model/rope.h"
#include "tensor/codec.h"

namespace hew {
namespace {

constexpr int64_t kBlockValues = 1 << 20;  // values merged and encoded before they are written

// What a GGUF file divides the rotary frequencies by.
SavedTensor Divisors(const char* name, const std::vector<double>& divisors) {
  SavedTensor tensor;
  tensor.gguf_name = name;
  tensor.shape = {static_cast<int64_t>(divisors.size())};
  tensor.values.assign(divisors.begin(), divisors.end());
  return tensor;
}

// The part of a fused module that a row belongs to, and the row in it.
std::pair<const ModelPart*, int64_t> PartOf(const SavedTensor& tensor, int64_t row) {
  for (const ModelPart& part : tensor.parts) {
    if (row < part.rows) return {&part, row};
    row -= part.rows;
  }
  HEW_CHECK(false);
}

// Encodes one row; false when a value is no finite number of that type.
bool EncodeChecked(DType type, std::span<const float> values, std::span<char> out) {
  constexpr float kLargestHalf = 65504, kLargestScale = kLargestHalf;  // quantised types have fp16 scales
  const float limit = type == DType::kF32 || type == DType::kBF16 ? INFINITY
                      : IsQuantized(type)                         ? kLargestScale
                                                                  : kLargestHalf;
  for (float v : values) {
    if (!std::isfinite(v) || std::abs(v) > limit) return false;
  }
  EncodeRow(type, values, out);
  return true;
}

tl::unexpected<Error> DoesNotFit(const SavedTensor& tensor, DType type) {
  return BadInput("tensor {}: expected finite numbers that fit {}, found one that does not", tensor.gguf_name,
                  NameOf(type));
}

}  // namespace

std::vector<SavedTensor> TensorsToSave(const Model& model, bool gguf) {
  std::vector<SavedTensor> list;
  for (StoredTensor& tensor : TensorsOf(model.config)) list.push_back({std::move(tensor), {}});
  if (!gguf || model.config.ropes.empty()) return list;
  const RopeConfig& rope = model.config.ropes[0];
  if (rope.scaling == RopeScaling::kLlama3) {
    list.push_back(Divisors("rope_freqs.weight",
                            rope.divisors.empty() ? Llama3Divisors(rope, model.config.rotary_dim) : rope.divisors));
  } else if (rope.scaling == RopeScaling::kLongRope) {
    list.push_back(Divisors("rope_factors_long.weight", rope.long_divisors));
    list.push_back(Divisors("rope_factors_short.weight", rope.divisors));
  }
  return list;
}

Result<ModelSource> ModelSource::Open(const Model& model) {
  ModelSource source;
  if (std::filesystem::is_directory(model.source_path)) {
    HEW_ASSIGN(source.folder_, SafetensorsFolder::Open(model.source_path));
  } else {
    HEW_ASSIGN(source.gguf_, GgufFile::Open(model.source_path));
  }
  return source;
}

bool TensorSaver::IsAdapted(const SavedTensor& tensor) const {
  if (!tensor.IsProjection()) return false;
  return std::any_of(adapters_.begin(), adapters_.end(), [&](const LoraAdapter* adapter) {
    return std::any_of(tensor.parts.begin(), tensor.parts.end(),
                       [&](const ModelPart& part) { return adapter->Find(part.layer, *part.projection) != nullptr; });
  });
}

bool TensorSaver::CarriesOver(const SavedTensor& tensor, DType type) const {
  const TensorEntry* entry = source_.Find(tensor);
  const bool other_format = (source_.gguf() != nullptr) != to_gguf_;
  if (other_format && (tensor.hf_transposed || tensor.hf_offset != 0)) return false;
  return entry && entry->dtype == type && !IsAdapted(tensor);
}

DType TensorSaver::WantedType(const SavedTensor& tensor, FileType wanted) const {
  if (tensor.values.empty() && tensor.matrix()) {
    const ModelPart& part = tensor.parts[0];
    if (part.projection) {
      // A fused module takes the type of its parts that suffers most.
      const bool value = tensor.parts.size() == 3;
      return ProjectionType(wanted, value ? Projection::kV : *part.projection, part.layer,
                            base_.config.num_hidden_layers);
    }
    if (&MatrixOf(base_, part) == &base_.head()) return HeadType(wanted);
  }
  return wanted.main;
}

Result<DType> TensorSaver::TypeOf(const SavedTensor& tensor, std::optional<FileType> wanted) const {
  const TensorEntry* entry = source_.Find(tensor);
  DType type = wanted ? WantedType(tensor, *wanted) : entry ? entry->dtype : DType::kF32;
  if (to_gguf_) {
    const bool plain =
        tensor.matrix() && !tensor.parts[0].projection &&
        (tensor.parts[0].tensor == ModelTensor::kEmbedPositions || tensor.parts[0].tensor == ModelTensor::kRouter);
    if (!tensor.matrix() || plain) return DType::kF32;
    type = TypeForRow(type, tensor.shape[1]);
  } else if (!wanted && source_.gguf()) {
    // A folder has one type for all: that of the matrices, and F16 where those are quantised.
    const FileLayout& layout = *ArchitectureOf(base_.config).layout;
    const TensorEntry* first = source_.gguf()->Find(GgufTensorName(ModuleOf(layout, Projection::kQ), 0, "weight"));
    type = first && (first->dtype == DType::kF32 || first->dtype == DType::kBF16) ? first->dtype : DType::kF16;
  }
  if (!CarriesOver(tensor, type) && !CanEncode(type)) {
    return BadInput("tensor {}: cannot write elements of type {}; say another with --type, for example Q8_0",
                    tensor.gguf_name, NameOf(type));
  }
  return type;
}

int64_t TensorSaver::FileRow(const SavedTensor& tensor, bool gguf, int64_t row) const {
  const bool permuted = gguf && tensor.parts.size() == 1 && tensor.parts[0].projection;
  return permuted ? GgufRowOf(base_.config, *tensor.parts[0].projection, row) : row;
}

std::vector<int64_t> TensorSaver::RowsInFileOrder(const SavedTensor& tensor, int64_t rows) const {
  std::vector<int64_t> order(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) order[static_cast<size_t>(FileRow(tensor, to_gguf_, row))] = row;
  return order;
}

Status TensorSaver::CopyRows(const SavedTensor& tensor, const ByteSink& write) const {
  const std::string_view bytes = source_.BytesOf(tensor);
  const bool from_gguf = source_.gguf() != nullptr;
  if (from_gguf == to_gguf_ || tensor.parts.empty() || !tensor.parts[0].projection) return write(bytes);
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const size_t row_bytes = bytes.size() / rows;
  for (int64_t row : RowsInFileOrder(tensor, tensor.shape[0])) {
    const auto at = static_cast<size_t>(FileRow(tensor, from_gguf, row));
    HEW_RETURN_IF_ERROR(write(bytes.substr(at * row_bytes, row_bytes)));
  }
  return {};
}

Status TensorSaver::WriteVector(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  std::vector<float> memory = tensor.values, values;
  for (const ModelPart& part : tensor.parts) {
    const std::vector<float>& v = VectorOf(base_, part);
    memory.insert(memory.end(), v.begin(), v.end());
  }
  for (int64_t row : RowsInFileOrder(tensor, tensor.shape[0])) {
    values.push_back(memory[static_cast<size_t>(row)] - (to_gguf_ ? 0 : tensor.hf_offset));
  }
  std::string bytes(static_cast<size_t>(RowBytes(type, tensor.shape[0])), '\0');
  if (!EncodeChecked(type, values, bytes)) return DoesNotFit(tensor, type);
  return write(bytes);
}

void TensorSaver::MergedRow(const SavedTensor& tensor, int64_t tensor_row, std::span<float> out) const {
  const auto [part, row] = PartOf(tensor, tensor_row);
  const Weight& weight = MatrixOf(base_, *part);
  ReadWeightRow(weight, row, out.data());
  if (!part->projection) return;
  std::vector<float> base, delta(out.size());
  for (const LoraAdapter* adapter : adapters_) {
    const LoraModule* m = adapter->Find(part->layer, *part->projection);
    if (!m) continue;
    if (adapter->config.dora && base.empty()) {
      base.resize(out.size());
      ReadWeightRow(weight, row, base.data());
    }
    std::fill(delta.begin(), delta.end(), 0.0f);
    const float* a = adapter->parameters.data() + m->a_offset;
    const float* b = adapter->parameters.data() + m->b_offset + static_cast<size_t>(row * m->rank);
    const float scale = m->scale * adapter->user_scale;
    for (int64_t i = 0; i < m->rank; ++i) {
      const float factor = scale * b[i];
      for (size_t c = 0; c < delta.size(); ++c) delta[c] += factor * a[static_cast<size_t>(i * m->in) + c];
    }
    if (adapter->config.dora) {  // what it adds to W: c (W + sBA) - W
      const float c = m->column_scale[static_cast<size_t>(row)];
      for (size_t k = 0; k < delta.size(); ++k) delta[k] = c * (base[k] + delta[k]) - base[k];
    }
    for (size_t k = 0; k < delta.size(); ++k) out[k] += delta[k];
  }
}

Status TensorSaver::WriteMatrix(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  const int64_t rows = tensor.shape[0], cols = tensor.shape[1], row_bytes = RowBytes(type, cols);
  const std::vector<int64_t> order = RowsInFileOrder(tensor, rows);
  const int64_t block = std::max<int64_t>(1, kBlockValues / cols);
  std::string bytes(static_cast<size_t>(std::min(block, rows) * row_bytes), '\0');
  std::vector<char> fits(static_cast<size_t>(std::min(block, rows)));
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t count = std::min(block, rows - first);
    rt_.pool->ParallelFor(count, 4, [&](int64_t begin, int64_t end) {
      std::vector<float> values(static_cast<size_t>(cols));
      for (int64_t i = begin; i < end; ++i) {
        MergedRow(tensor, order[static_cast<size_t>(first + i)], values);
        const std::span<char> out(bytes.data() + i * row_bytes, static_cast<size_t>(row_bytes));
        fits[static_cast<size_t>(i)] = EncodeChecked(type, values, out);
      }
    });
    if (std::find(fits.begin(), fits.begin() + count, 0) != fits.begin() + count) return DoesNotFit(tensor, type);
    HEW_RETURN_IF_ERROR(write(std::string_view(bytes).substr(0, static_cast<size_t>(count * row_bytes))));
  }
  return {};
}

// The whole matrix in memory: only GPT-2's are stored so, and those are small.
Status TensorSaver::WriteTransposed(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  const int64_t rows = tensor.shape[0], cols = tensor.shape[1];
  std::vector<float> turned(static_cast<size_t>(rows * cols)), row(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    MergedRow(tensor, r, row);
    for (int64_t c = 0; c < cols; ++c) turned[static_cast<size_t>(c * rows + r)] = row[static_cast<size_t>(c)];
  }
  std::string bytes(static_cast<size_t>(RowBytes(type, rows * cols)), '\0');
  if (!EncodeChecked(type, turned, bytes)) return DoesNotFit(tensor, type);
  return write(bytes);
}

Status TensorSaver::Write(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  if (CarriesOver(tensor, type)) return CopyRows(tensor, write);
  if (!tensor.matrix()) return WriteVector(tensor, type, write);
  return WritesTransposed(tensor) ? WriteTransposed(tensor, type, write) : WriteMatrix(tensor, type, write);
}

Shape TensorSaver::FileShape(const SavedTensor& tensor) const {
  if (to_gguf_ && tensor.gguf_slices > 0) return {tensor.gguf_slices, tensor.shape[0], tensor.shape[1]};
  return WritesTransposed(tensor) ? Shape{tensor.shape[1], tensor.shape[0]} : tensor.shape;
}

}  // namespace hew
