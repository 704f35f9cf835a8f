#include "model/save_tensors.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tensor/codec.h"

namespace hew {
namespace {

constexpr int64_t kBlockValues = 1 << 20;  // values merged and encoded before they are written

SavedTensor MatrixTensor(const Weight& w, std::string gguf_name, std::string hf_name) {
  SavedTensor tensor;
  tensor.gguf_name = std::move(gguf_name);
  tensor.hf_name = std::move(hf_name);
  tensor.shape = {w.rows, w.cols};
  tensor.matrix = &w;
  return tensor;
}

SavedTensor VectorTensor(const std::vector<float>& v, std::string gguf_name, std::string hf_name) {
  SavedTensor tensor;
  tensor.gguf_name = std::move(gguf_name);
  tensor.hf_name = std::move(hf_name);
  tensor.shape = {static_cast<int64_t>(v.size())};
  tensor.vector = &v;
  return tensor;
}

SavedTensor Named(ModelTensor t, int64_t layer, const std::vector<float>& v) {
  return VectorTensor(v, GgufTensorName(t, layer), HfTensorName(t, layer));
}

SavedTensor Vocabulary(ModelTensor t, const Weight& w) {
  SavedTensor tensor = MatrixTensor(w, GgufTensorName(t), HfTensorName(t));
  tensor.vocabulary = true;
  return tensor;
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

std::vector<SavedTensor> TensorsOf(const Model& model) {
  std::vector<SavedTensor> list;
  list.push_back(Vocabulary(ModelTensor::kEmbedTokens, model.embed_tokens));
  for (size_t l = 0; l < model.layers.size(); ++l) {
    const auto layer = static_cast<int64_t>(l);
    const LayerWeights& weights = model.layers[l];
    list.push_back(Named(ModelTensor::kInputNorm, layer, weights.input_norm));
    for (Projection p : kProjections) {
      if (p == Projection::kGate)
        list.push_back(Named(ModelTensor::kPostAttentionNorm, layer, weights.post_attention_norm));
      SavedTensor matrix = MatrixTensor(weights[p], GgufTensorName(p, layer), HfTensorName(p, layer));
      matrix.projection = LayerProjection{layer, p};
      list.push_back(std::move(matrix));
      const auto& bias = weights.biases[static_cast<size_t>(p)];
      if (bias.empty()) continue;
      SavedTensor vector = VectorTensor(bias, GgufTensorName(p, layer, "bias"), HfTensorName(p, layer, "bias"));
      vector.projection = LayerProjection{layer, p};
      list.push_back(std::move(vector));
    }
  }
  list.push_back(Named(ModelTensor::kFinalNorm, 0, model.final_norm));
  if (!model.lm_head.empty()) list.push_back(Vocabulary(ModelTensor::kLmHead, model.lm_head));
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
  return tensor.matrix && tensor.projection &&
         std::any_of(adapters_.begin(), adapters_.end(), [&](const LoraAdapter* adapter) {
           return adapter->Find(tensor.projection->layer, tensor.projection->projection) != nullptr;
         });
}

bool TensorSaver::CarriesOver(const SavedTensor& tensor, DType type) const {
  const TensorEntry* entry = source_.Find(tensor);
  return entry && entry->dtype == type && entry->shape == tensor.shape && !IsAdapted(tensor);
}

DType TensorSaver::WantedType(const SavedTensor& tensor, FileType wanted) const {
  if (tensor.projection) {
    return ProjectionType(wanted, tensor.projection->projection, tensor.projection->layer,
                          base_.config.num_hidden_layers);
  }
  return tensor.matrix == &base_.head() ? HeadType(wanted) : wanted.main;
}

Result<DType> TensorSaver::TypeOf(const SavedTensor& tensor, std::optional<FileType> wanted) const {
  const TensorEntry* entry = source_.Find(tensor);
  DType type = wanted ? WantedType(tensor, *wanted) : entry ? entry->dtype : DType::kF32;
  if (to_gguf_) {
    if (tensor.vector) return DType::kF32;
    type = TypeForRow(type, tensor.shape[1]);
  } else if (!wanted && source_.gguf()) {
    // A folder has one type for all: that of the matrices, and F16 where those are quantised.
    const TensorEntry* first = source_.gguf()->Find(GgufTensorName(Projection::kQ, 0));
    type = first && (first->dtype == DType::kF32 || first->dtype == DType::kBF16) ? first->dtype : DType::kF16;
  }
  if (!CarriesOver(tensor, type) && !CanEncode(type)) {
    return BadInput("tensor {}: cannot write elements of type {}; say another with --type, for example Q8_0",
                    tensor.gguf_name, NameOf(type));
  }
  return type;
}

int64_t TensorSaver::FileRow(const SavedTensor& tensor, bool gguf, int64_t row) const {
  return gguf && tensor.projection ? GgufRowOf(base_.config, tensor.projection->projection, row) : row;
}

std::vector<int64_t> TensorSaver::RowsInFileOrder(const SavedTensor& tensor, int64_t rows) const {
  std::vector<int64_t> order(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) order[static_cast<size_t>(FileRow(tensor, to_gguf_, row))] = row;
  return order;
}

Status TensorSaver::CopyRows(const SavedTensor& tensor, const ByteSink& write) const {
  const std::string_view bytes = source_.Find(tensor)->bytes;
  const bool from_gguf = source_.gguf() != nullptr;
  if (from_gguf == to_gguf_ || !tensor.projection) return write(bytes);
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const size_t row_bytes = bytes.size() / rows;
  for (int64_t row : RowsInFileOrder(tensor, tensor.shape[0])) {
    const auto at = static_cast<size_t>(FileRow(tensor, from_gguf, row));
    HEW_RETURN_IF_ERROR(write(bytes.substr(at * row_bytes, row_bytes)));
  }
  return {};
}

Status TensorSaver::WriteVector(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  std::vector<float> values;
  for (int64_t row : RowsInFileOrder(tensor, tensor.shape[0]))
    values.push_back((*tensor.vector)[static_cast<size_t>(row)]);
  std::string bytes(static_cast<size_t>(RowBytes(type, tensor.shape[0])), '\0');
  if (!EncodeChecked(type, values, bytes)) return DoesNotFit(tensor, type);
  return write(bytes);
}

void TensorSaver::MergedRow(const SavedTensor& tensor, int64_t row, std::span<float> out) const {
  ReadWeightRow(*tensor.matrix, row, out.data());
  if (!tensor.projection) return;
  std::vector<float> base, delta(out.size());
  for (const LoraAdapter* adapter : adapters_) {
    const LoraModule* m = adapter->Find(tensor.projection->layer, tensor.projection->projection);
    if (!m) continue;
    if (adapter->config.dora && base.empty()) {
      base.resize(out.size());
      ReadWeightRow(*tensor.matrix, row, base.data());
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

Status TensorSaver::Write(const SavedTensor& tensor, DType type, const ByteSink& write) const {
  if (CarriesOver(tensor, type)) return CopyRows(tensor, write);
  return tensor.matrix ? WriteMatrix(tensor, type, write) : WriteVector(tensor, type, write);
}

}  // namespace hew
