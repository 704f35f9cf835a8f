// What the tests of this layer share: a tokenizer of bytes, a template of turns, a tiny random model.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/random.h"
#include "kernels/ops.h"
#include "model/model.h"
#include "model/rope.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hew {

// Bytes are ids 0 to 255, then the tokens below, longest match first.
class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(bool with_bos = false) {
    eos_ = 257;
    end_ids_ = {257};
    bos_ = 258;
    add_bos_ = with_bos;
  }
  std::vector<int32_t> Encode(std::string_view text, EncodeOptions options = {}) const override {
    std::vector<int32_t> ids;
    if (options.add_special && add_bos_) ids.push_back(*bos_);
    for (size_t at = 0; !text.empty();) {
      int32_t id = static_cast<unsigned char>(text[0]);
      size_t length = 1;
      for (int32_t i = 0; i < kExtra; ++i) {
        const bool control = options.parse_special && !Touches(options.data, at, at + kSpelling[i].size());
        if ((i < 3 && !control) || kSpelling[i].size() <= length || !text.starts_with(kSpelling[i])) continue;
        id = 256 + i;
        length = kSpelling[i].size();
      }
      ids.push_back(id);
      text.remove_prefix(length);
      at += length;
    }
    return ids;
  }
  std::string TokenBytes(int32_t id, bool special = false) const override {
    if (id < 256) return std::string(1, static_cast<char>(id));
    return IsSpecial(id) && !special ? "" : std::string(kSpelling[id - 256]);
  }
  int64_t vocab_size() const override { return 256 + kExtra; }
  std::string_view kind() const override { return "bpe"; }
  bool IsSpecial(int32_t id) const override { return id >= 256 && id < 259; }
  std::optional<int32_t> TokenId(std::string_view token) const override {
    for (int32_t i = 0; i < kExtra; ++i) {
      if (kSpelling[i] == token) return 256 + i;
    }
    return std::nullopt;
  }

 private:
  static constexpr int32_t kExtra = 6;
  static constexpr std::string_view kSpelling[kExtra] = {"<|im_start|>", "<|im_end|>", "<s>", "th", "ing", "?y"};
};

inline constexpr const char* kTurnsTemplate =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

inline Weight RandomWeight(const ThreadPool& pool, int64_t rows, int64_t cols, Random* random) {
  std::vector<float> values(static_cast<size_t>(rows * cols));
  for (auto& v : values) v = random->Normal() * 0.5f / std::sqrt(static_cast<float>(cols));
  Weight w;
  SetWeightFromF32(pool, DType::kF32, rows, cols, values.data(), 1, &w);
  return w;
}

// Two layers, 262 tokens, 32 wide: small enough to train in a test.
inline std::shared_ptr<const Model> TinyModel(const Runtime& rt, uint64_t seed = 1) {
  auto model = std::make_shared<Model>();
  auto& c = model->config;
  c.architecture = "llama";
  c.vocab_size = 262;
  c.hidden_size = 32;
  c.intermediate_size = 64;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.max_position_embeddings = 256;
  c.tie_word_embeddings = true;
  c.ropes = {RopeConfig{}};
  HEW_CHECK(CompleteConfig(&c).has_value());
  Random random{seed, 77, 0};
  model->embed_tokens = RandomWeight(*rt.pool, c.vocab_size, c.hidden_size, &random);
  model->final_norm.weight.assign(static_cast<size_t>(c.hidden_size), 1.0f);
  model->layers.resize(static_cast<size_t>(c.num_hidden_layers));
  for (auto& layer : model->layers) {
    layer.input_norm = layer.feed_forward_norm = model->final_norm;
    for (const Projection p : kProjections) {
      const auto [out, in] = ProjectionShape(c, p);
      layer.projections[static_cast<size_t>(p)] = RandomWeight(*rt.pool, out, in, &random);
    }
  }
  model->ropes = {MakeRopeTable(*rt.pool, c, c.ropes[0])};
  return model;
}

// A folder of its own for a test, emptied.
inline std::string TestFolder(const std::string& name) {
  const auto path = std::filesystem::temp_directory_path() / ("hew_train_" + name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.string();
}

inline std::string WriteTestFile(const std::string& folder, const std::string& name, const std::string& bytes) {
  const std::string path = folder + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

}  // namespace hew
