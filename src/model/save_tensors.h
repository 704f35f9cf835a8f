// What SaveModel writes, tensor by tensor: names in both formats, values with the adapters added, types.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/file_type.h"
#include "model/lora.h"
#include "model/model.h"
#include "model/tensors.h"

namespace hew {

// A tensor to write; `values`, where there are any, are no part of the model but follow from its configuration.
struct SavedTensor : StoredTensor {
  std::vector<float> values;

  bool IsProjection() const { return matrix() && parts[0].projection.has_value(); }
};

// Every tensor of the model's file in one of the formats, in the order of the forward pass.
std::vector<SavedTensor> TensorsToSave(const Model& model, bool gguf);

// The file or folder a model came from, open.
class ModelSource {
 public:
  static Result<ModelSource> Open(const Model& model);
  const GgufFile* gguf() const { return gguf_ ? &*gguf_ : nullptr; }
  const TensorEntry* Find(const SavedTensor& tensor) const {
    return gguf_ ? gguf_->Find(tensor.gguf_name) : FindInFolder(*folder_, tensor.hf_name);
  }
  // Of a tensor that Find finds.
  std::string_view BytesOf(const SavedTensor& tensor) const {
    const TensorEntry& entry = *Find(tensor);
    return gguf_ && tensor.gguf_slices > 0 ? SliceOf(entry, tensor) : entry.bytes;
  }

 private:
  std::optional<GgufFile> gguf_;
  std::optional<SafetensorsFolder> folder_;
};

using ByteSink = std::function<Status(std::string_view)>;

class TensorSaver {
 public:
  // All arguments outlive the saver.
  TensorSaver(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
              const ModelSource& source, bool to_gguf)
      : rt_(rt), base_(base), adapters_(adapters), source_(source), to_gguf_(to_gguf) {}

  // The type a tensor is written in. Error: one that cannot be encoded and is not simply carried over.
  Result<DType> TypeOf(const SavedTensor& tensor, std::optional<FileType> wanted) const;
  Shape FileShape(const SavedTensor& tensor) const;  // of a sliced tensor in GGUF: of all slices
  // Its bytes in that type, rows in the order of the format.
  Status Write(const SavedTensor& tensor, DType type, const ByteSink& write) const;

 private:
  DType WantedType(const SavedTensor& tensor, FileType wanted) const;
  bool IsAdapted(const SavedTensor& tensor) const;
  bool CarriesOver(const SavedTensor& tensor, DType type) const;
  // [cols, rows] in the file to be written.
  bool WritesTransposed(const SavedTensor& tensor) const { return !to_gguf_ && tensor.hf_transposed; }
  // Row of memory -> row of a file, and the inverse for the file to be written.
  int64_t FileRow(const SavedTensor& tensor, bool gguf, int64_t row) const;
  std::vector<int64_t> RowsInFileOrder(const SavedTensor& tensor, int64_t rows) const;
  Status CopyRows(const SavedTensor& tensor, const ByteSink& write) const;
  Status WriteVector(const SavedTensor& tensor, DType type, const ByteSink& write) const;
  Status WriteMatrix(const SavedTensor& tensor, DType type, const ByteSink& write) const;
  Status WriteTransposed(const SavedTensor& tensor, DType type, const ByteSink& write) const;
  // Row `row` of W + sum of the adapters, [in].
  void MergedRow(const SavedTensor& tensor, int64_t row, std::span<float> out) const;

  const Runtime& rt_;
  const Model& base_;
  std::span<const LoraAdapter* const> adapters_;
  const ModelSource& source_;
  bool to_gguf_;
};

}  // namespace hew
