#include "studio/memory_plan.h"

#include <algorithm>
#include <filesystem>

#include "base/progress.h"
#include "infer/generator.h"

namespace hew {
namespace {

constexpr int64_t kProgramBytes = 40 << 20;  // code, stacks, kernels' scratch, tables, tokenizer (measured)

}  // namespace

int64_t LoadedBytes(const std::string& path) {
  std::error_code error;
  int64_t bytes = 0;
  if (!std::filesystem::is_directory(path, error)) {
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : kProgramBytes + static_cast<int64_t>(size);  // an absent file is for the reader to refuse
  }
  for (const auto& item : std::filesystem::directory_iterator(path, error)) {
    if (item.path().extension() == ".safetensors") bytes += static_cast<int64_t>(item.file_size(error));
  }
  return kProgramBytes + bytes;
}

int64_t ChatBytes(const ModelConfig& config, bool bf16, int64_t context) {
  const int64_t act = bf16 ? 2 : 4;
  const int64_t cache = config.num_hidden_layers * 2 * context * config.key_value_size() * act;
  const int64_t rows = std::min(context, kPromptSlice);
  // residual and hidden; normed, q, attention, gate, up; the products' packed copy of their widest input; the experts'
  // shares, inputs and outputs.
  const int64_t hidden = config.hidden_size, inner = config.widest_feed_forward();
  const int64_t widest = std::max({hidden, config.query_size(), inner});
  const int64_t experts = config.num_experts * 4 + config.num_experts_per_tok * hidden * (act + 4);
  const int64_t slice =
      rows * (2 * hidden * 4 + (hidden + 2 * config.query_size() + 2 * inner + widest) * act + experts);
  return cache + slice + config.vocab_size * 4 * 4;  // logits, and the sampler's candidates
}

int64_t CompareBytes(const ModelConfig& config, int64_t rows) {
  return 2 * rows * config.vocab_size * 4 + ChatBytes(config, false, rows);
}

int64_t TuneBytes(const ModelConfig& config, const LoraConfig& lora, bool bf16, int64_t rows) {
  return LearnedStateBytes(LoraParameterCount(config, lora), bf16) + TrainingBytes(config, lora, bf16, rows) +
         ProductBytes(config, bf16, rows);
}

Status CheckFits(const std::string& path, const std::string& purpose, int64_t needs, uint64_t has,
                 const std::string& advice) {
  if (needs <= 0 || static_cast<uint64_t>(needs) <= has) return {};
  return EnvironmentError("{}: needs {} of memory {}, has {}; {}", path, HumanBytes(static_cast<uint64_t>(needs)),
                          purpose, HumanBytes(has), advice);
}

}  // namespace hew
