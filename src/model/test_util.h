// What the tests of model/ share: runtimes of every kind this machine has, and small random models of mixed types.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "model/decoder.h"
#include "model/rope.h"
#include "model/tensors.h"
#include "tensor/codec.h"

namespace hew::test {

// Every instruction set and precision of this machine.
inline std::vector<Runtime> AllRuntimes(const ThreadPool& pool) {
  std::vector<Runtime> list;
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (!IsaAvailable(isa)) continue;
    list.push_back({&pool, isa, Precision::kFp32});
    if (list.back().isa == Isa::kAvx512) list.push_back({&pool, isa, Precision::kDefault});
  }
  return list;
}

inline std::string Describe(const Runtime& rt) {
  return std::string(NameOf(rt.isa)) + (rt.bf16() ? " bf16, " : " fp32, ") + std::to_string(rt.pool->threads()) +
         " threads";
}

inline std::vector<float> RandomValues(Random& random, int64_t count, float mean, float spread) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = mean + spread * random.Normal();
  return values;
}

inline Weight RandomWeight(const ThreadPool& pool, Random& random, DType type, int64_t rows, int64_t cols,
                           float spread) {
  std::string bytes;
  for (int64_t i = 0; i < rows; ++i) {
    std::string row(static_cast<size_t>(RowBytes(type, cols)), '\0');
    EncodeRow(type, RandomValues(random, cols, 0, spread), row);
    bytes += row;
  }
  auto weight = MakeWeight(pool, type, rows, cols, bytes);
  EXPECT_TRUE(weight) << weight.error().message;
  return *std::move(weight);
}

// Two layers, four heads on two, weights of `types` by turns, some biases; logits of a useful size. `change` makes
// another architecture of it.
inline Model TinyModel(const ThreadPool& pool, const std::vector<DType>& types, uint64_t seed = 3,
                       const std::function<void(ModelConfig&)>& change = nullptr) {
  Model model;
  ModelConfig& c = model.config;
  c.architecture = "llama";
  c.vocab_size = 70;
  c.hidden_size = 64;
  c.intermediate_size = 96;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 16;
  c.max_position_embeddings = 512;
  c.tie_word_embeddings = true;
  c.ropes = {RopeConfig{}};
  for (Projection p : {Projection::kQ, Projection::kK, Projection::kV}) c.has_bias[static_cast<size_t>(p)] = true;
  if (change) change(c);
  EXPECT_TRUE(CompleteConfig(&c));
  Random random{seed, 0, 0};
  size_t turn = 0;
  model.layers.resize(static_cast<size_t>(c.num_hidden_layers));
  for (const StoredTensor& tensor : TensorsOf(c)) {
    for (const ModelPart& part : tensor.parts) {
      if (tensor.matrix()) {
        MatrixOf(model, part) = RandomWeight(pool, random, types[turn++ % types.size()], part.rows, tensor.shape[1],
                                             part.projection ? 0.15f : 0.3f);
      } else {
        const bool gain = !part.projection && !part.bias;
        VectorOf(model, part) = RandomValues(random, part.rows, gain ? 1 : 0, 0.1f);
      }
    }
  }
  for (const RopeConfig& rope : c.ropes) model.ropes.push_back(MakeRopeTable(pool, c, rope));
  return model;
}

// What the families differ in, two or three things at a time: each a change of TinyModel.
struct Variation {
  const char* name;
  std::function<void(ModelConfig&)> change;
};
inline std::vector<Variation> Variations() {
  return {
      {"llama", nullptr},
      {"gemma2",
       [](ModelConfig& c) {
         c.architecture = "gemma2";
         c.output_norms = true;
         c.hidden_act = Activation::kGeluTanh;
         c.attention_softcap = 1.5f;
         c.logit_softcap = 4;
         c.embedding_scale = 2;
         c.attention_scale = 0.4f;
         c.layers = {{.window = 7}, {}};
       }},
      {"gemma3",
       [](ModelConfig& c) {
         c.architecture = "gemma3";
         c.output_norms = c.qk_norm = true;
         c.hidden_act = Activation::kGeluTanh;
         c.ropes = {{.theta = 1e6, .scaling = RopeScaling::kLinear, .factor = 8}, {}};
         c.layers = {{.window = 3, .rope = 1}, {}};
       }},
      {"phi3",
       [](ModelConfig& c) {
         c.architecture = "phi3";
         c.has_bias = {};
         c.rotary_dim = 8;
         c.tie_word_embeddings = false;
         c.layers = {{.window = 5}, {.rope = kNoRope}};
       }},
      {"qwen3moe",
       [](ModelConfig& c) {
         c.architecture = "qwen3moe";
         c.qk_norm = true;
         c.has_bias = {};
         c.num_experts = 7;
         c.num_experts_per_tok = 3;
         c.moe_intermediate_size = 64;
         c.norm_topk_prob = false;
         c.layers = {{}, {.sparse = true}};
       }},
      {"mixtral",
       [](ModelConfig& c) {
         c.model_type = "mixtral";
         c.has_bias = {};
         c.num_experts = 5;
         c.num_experts_per_tok = 2;
         c.moe_intermediate_size = c.intermediate_size;
         c.layers = {{.sparse = true}, {.sparse = true}};
       }},
      {"gpt2",
       [](ModelConfig& c) {
         c.architecture = "gpt2";
         c.norm = NormKind::kLayer;
         c.gated = false;
         c.learned_positions = true;
         c.hidden_act = Activation::kGeluTanh;
         c.ropes.clear();
         c.has_bias.fill(true);
       }},
  };
}

// Those all of whose weights can learn.
inline std::vector<Variation> DenseVariations() {
  std::vector<Variation> dense;
  for (Variation& variation : Variations()) {
    ModelConfig config;
    if (variation.change) variation.change(config);
    if (config.num_experts == 0) dense.push_back(std::move(variation));
  }
  return dense;
}

// An adapter whose B is not zero, so that it does something.
inline LoraAdapter RandomAdapter(const Runtime& rt, const LoraConfig& config, const Model& model, uint64_t seed) {
  auto adapter = LoraAdapter::Create(rt, config, model, seed);
  EXPECT_TRUE(adapter) << adapter.error().message;
  Random random{seed, 1000, 0};
  for (const LoraModule& m : adapter->modules) {
    for (int64_t i = 0; i < m.out * m.rank; ++i)
      adapter->parameters[m.b_offset + static_cast<size_t>(i)] = 0.2f * random.Normal();
    for (int64_t i = 0; config.dora && i < m.out; ++i) {
      adapter->parameters[m.magnitude_offset + static_cast<size_t>(i)] *= 1 + 0.2f * random.Normal();
    }
  }
  adapter->Pack(rt, model);
  return *std::move(adapter);
}

inline std::vector<int32_t> RandomIds(uint64_t seed, int64_t count, int64_t vocab) {
  Random random{seed, 7, 0};
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random.Below(static_cast<uint64_t>(vocab)));
  return ids;
}

// Logits [ids.size(), vocab_size] of one sequence, from an empty cache.
inline Matrix LogitsOf(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters,
                       std::span<const int32_t> ids) {
  KvCache cache(rt, model.config, static_cast<int64_t>(ids.size()));
  const SequenceRows rows{ids, &cache};
  const Matrix hidden = DecoderForward(rt, model, adapters, {&rows, 1});
  Matrix logits(DType::kF32, hidden.row_count(), model.config.vocab_size);
  ComputeLogits(rt, model, hidden.view(), logits.view());
  return logits;
}

// One document per list of ids, every row but the last learned.
inline PackedBatch PackDocuments(const std::vector<std::vector<int32_t>>& documents) {
  PackedBatch batch;
  for (const auto& ids : documents) {
    const auto begin = static_cast<int64_t>(batch.ids.size());
    batch.segments.push_back({begin, static_cast<int64_t>(ids.size()), 0, 0});
    for (size_t i = 0; i < ids.size(); ++i) {
      batch.ids.push_back(ids[i]);
      batch.positions.push_back(static_cast<int32_t>(i));
      if (i + 1 == ids.size()) continue;
      batch.learned_rows.push_back(static_cast<int32_t>(begin) + static_cast<int32_t>(i));
      batch.targets.push_back(ids[i + 1]);
      batch.weights.push_back(1);
    }
  }
  return batch;
}

// Sixty tokens, two merges, a control token, a user-defined one; ids 62 and 63 are rows of the embedding without a
// token.
inline Json SixtyTokens() {
  Json vocab = Json::object();
  for (int i = 0; i < 60; ++i) vocab["t" + std::to_string(i)] = i;
  Json json = Json::parse(R"({"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
    "added_tokens": [{"id": 60, "content": "<|end|>",
                      "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
                     {"id": 61, "content": "<tool>",
                      "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "byte_fallback": false, "ignore_merges": false}})");
  json["model"]["vocab"] = vocab;
  json["model"]["merges"] = {"t 1", "t 2"};
  return json;
}

}  // namespace hew::test
