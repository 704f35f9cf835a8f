// A trained model as a new folder, from its master weights.
#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "model/config_write.h"
#include "model/trainable.h"
#include "tensor/codec.h"

namespace hew {
namespace {

constexpr uint64_t kMaxShardBytes = 5'000'000'000;

const char* TorchName(DType type) {
  return type == DType::kF32 ? "float32" : type == DType::kBF16 ? "bfloat16" : "float16";
}

// One tensor of the file: its parts' rows, one after the other.
struct StoredRows {
  StoredTensor stored;
  std::vector<const float*> rows;  // of parameters
  int64_t cols = 1;

  // As it stands in the file, row by row; `write` gets [size] numbers at a time.
  template <typename Write>
  Status ForFileRows(const Write& write) const {
    std::vector<float> line;
    if (!stored.hf_transposed) {
      for (const float* row : rows) {
        line.assign(row, row + cols);
        for (float& v : line) v -= stored.hf_offset;
        HEW_RETURN_IF_ERROR(write(line));
      }
      return {};
    }
    line.resize(rows.size());
    for (int64_t c = 0; c < cols; ++c) {
      for (size_t r = 0; r < rows.size(); ++r) line[r] = rows[r][c];
      HEW_RETURN_IF_ERROR(write(line));
    }
    return {};
  }
};

StoredRows RowsOf(const TrainableModel& trainable, const StoredTensor& stored) {
  StoredRows out{stored, {}, stored.matrix() ? stored.shape[1] : 1};
  for (const ModelPart& part : stored.parts) {
    const float* const values = trainable.parameters.data() + trainable.layout().At(part);
    for (int64_t r = 0; r < part.rows; ++r) out.rows.push_back(values + r * out.cols);
  }
  return out;
}

SafetensorsSource SourceOf(const TrainableModel& trainable, const StoredTensor& stored, DType type) {
  Shape shape = stored.shape;
  if (stored.hf_transposed) std::swap(shape[0], shape[1]);
  return {stored.hf_name, type, shape, [&trainable, stored, type](const auto& write) {
            std::string bytes;
            return RowsOf(trainable, stored).ForFileRows([&](const std::vector<float>& line) {
              bytes.resize(static_cast<size_t>(RowBytes(type, static_cast<int64_t>(line.size()))));
              EncodeRow(type, line, bytes);
              return write(bytes);
            });
          }};
}

}  // namespace

Status SaveTrainable(const TrainableModel& trainable, DType type, const std::map<std::string, int64_t>& token_ids,
                     const std::string& folder) {
  HEW_ASSIGN(Json config, ConfigToJson(trainable.model().config));
  config["torch_dtype"] = TorchName(type);
  for (const char* name : {"bos_token_id", "eos_token_id", "pad_token_id"}) config[name] = nullptr;  // no class's defaults
  for (const auto& [name, id] : token_ids) config[name] = id;
  std::vector<SafetensorsSource> sources;
  for (const StoredTensor& stored : TensorsOf(trainable.model().config))
    sources.push_back(SourceOf(trainable, stored, type));
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  HEW_RETURN_IF_ERROR(WriteSafetensorsFolder(folder, {{"format", "pt"}}, sources, kMaxShardBytes));
  return WriteFileAtomically(folder + "/config.json", DumpJson(config, 2) + "\n");
}

}  // namespace hew
