// For tests only: a tiny random Llama as a folder with a byte-level tokenizer, so that whole commands run on it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/test_folder.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "model/tensors.h"

namespace hew::test {

// The spelling of a byte in byte-level vocabularies: printable Latin-1 stands for itself, the rest from U+0100 on.
inline std::vector<std::string> ByteSpellings() {
  const auto utf8 = [](int c) {
    return c < 0x80 ? std::string(1, static_cast<char>(c))
                    : std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  };
  std::vector<std::string> spellings;
  int next = 0x100;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    spellings.push_back(utf8(printable ? b : next++));
  }
  return spellings;
}

inline std::string TokenizerJson() {
  Json vocab = Json::object();
  int id = 0;
  for (const std::string& token : ByteSpellings()) vocab[token] = id++;
  for (const char* token : {"th", "Ġa"}) vocab[token] = id++;
  Json added = Json::array();
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", id++},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return Json({{"version", "1.0"},
               {"added_tokens", added},
               {"normalizer", nullptr},
               {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {digits, bytes}}}},
               {"post_processor", nullptr},
               {"decoder", bytes},
               {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"t h", "Ġ a"}}}}})
      .dump();
}

inline void WriteTinyFolder(const TestFolder& folder, const std::string& name) {
  ASSERT_TRUE(MakeFolder(folder.Path(name)));
  const std::string config_json =
      R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 260, "hidden_size": 64,
          "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
          "tie_word_embeddings": true})";
  folder.Put(name + "/config.json", config_json);
  folder.Put(name + "/tokenizer.json", TokenizerJson());
  folder.Put(name + "/tokenizer_config.json",
             R"({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": "{{ messages }}"})");
  const auto config = ConfigFromJson(config_json, "config.json");
  ASSERT_TRUE(config) << config.error().message;
  std::vector<SafetensorsSource> sources;
  for (const StoredTensor& tensor : TensorsOf(*config)) {
    const bool norm = !tensor.matrix();
    sources.push_back({tensor.hf_name, DType::kF32, tensor.shape,
                       [=, i = sources.size(), count = ElementCount(tensor.shape)](const auto& write) {
                         Random random{9, i, 0};
                         std::vector<float> values(static_cast<size_t>(count));
                         for (float& v : values) v = (norm ? 1.0f : 0.0f) + (norm ? 0.1f : 0.15f) * random.Normal();
                         return write({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
                       }});
  }
  const auto written = WriteSafetensors(folder.Path(name) + "/model.safetensors", {{"format", "pt"}}, sources);
  ASSERT_TRUE(written) << written.error().message;
}

}  // namespace hew::test
