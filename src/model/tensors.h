// Every tensor of a model's file, in the order of the forward pass: what each format calls it and which parts of the
// model it holds. The loader fills the parts, the saver writes them.
#pragma once

#include <string>
#include <vector>

#include "base/shape.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "model/names.h"

namespace hew {

// A matrix of the model, or a vector of it.
struct ModelPart {
  std::optional<Projection> projection;  // a projection's weight, or its bias
  ModelTensor tensor = ModelTensor::kEmbedTokens;
  int64_t layer = 0;
  bool bias = false;
  int64_t rows = 0;            // of the file's tensor that it takes
  int64_t expert = kNoExpert;  // whose projection it is

  static constexpr int64_t kNoExpert = -1;
};

struct StoredTensor {
  std::string gguf_name, hf_name;
  Shape shape;                   // [rows, cols] or [rows]
  std::vector<ModelPart> parts;  // rows after rows; more than one in a fused module
  bool hf_transposed = false;    // [cols, rows] in a folder
  float hf_offset = 0;           // memory and GGUF have the folder's values plus this
  int64_t gguf_slices = 0,
          gguf_slice = 0;  // > 0: in GGUF one of so many matrices of a tensor [slices, rows, cols], and which

  bool matrix() const { return shape.size() == 2; }
  bool vocabulary() const {  // embedding or head
    return !parts[0].projection &&
           (parts[0].tensor == ModelTensor::kEmbedTokens || parts[0].tensor == ModelTensor::kLmHead);
  }
};

// The slices of one GGUF tensor follow one another.
std::vector<StoredTensor> TensorsOf(const ModelConfig& config);

int64_t ParameterCount(const ModelConfig& config);  // tied weights once
// Numbers that one token goes through: all but those of the experts that it does not see.
int64_t ActiveParameterCount(const ModelConfig& config);

// A tensor of a folder by its full name. Some files leave out the first word of every name ("h.0.ln_1.weight").
const TensorEntry* FindInFolder(const SafetensorsFolder& folder, const std::string& name);

// The bytes of a GGUF tensor that belong to `tensor`, one of its slices.
std::string_view SliceOf(const TensorEntry& entry, const StoredTensor& tensor);

// The model's memory for a part.
const Weight& MatrixOf(const Model& model, const ModelPart& part);
const std::vector<float>& VectorOf(const Model& model, const ModelPart& part);
Weight& MatrixOf(Model& model, const ModelPart& part);
std::vector<float>& VectorOf(Model& model, const ModelPart& part);

}  // namespace hew
