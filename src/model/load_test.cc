// Loading: both formats give the same model, and what is wrong is refused in one line that names it.
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "formats/safetensors.h"
#include "model/tensors.h"
#include "model/test_util.h"

namespace hew {
namespace {

const std::string kFolder = HEW_SOURCE_DIR "/tests/golden/tiny_llama";

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() / fmt::format("hew_load_test_{}.gguf", ::getpid())).string();
    auto model = LoadModel(rt_, kFolder);
    ASSERT_TRUE(model) << model.error().message;
    model_ = *model;
    const ModelConfig& c = model_->config;
    metadata_.Set("general.architecture", std::string("llama"));
    metadata_.Set("llama.vocab_size", static_cast<uint32_t>(c.vocab_size));
    metadata_.Set("llama.context_length", static_cast<uint32_t>(c.max_position_embeddings));
    metadata_.Set("llama.embedding_length", static_cast<uint32_t>(c.hidden_size));
    metadata_.Set("llama.feed_forward_length", static_cast<uint32_t>(c.intermediate_size));
    metadata_.Set("llama.block_count", static_cast<uint32_t>(c.num_hidden_layers));
    metadata_.Set("llama.attention.head_count", static_cast<uint32_t>(c.num_attention_heads));
    metadata_.Set("llama.attention.head_count_kv", static_cast<uint32_t>(c.num_key_value_heads));
    metadata_.Set("llama.attention.layer_norm_rms_epsilon", c.norm_eps);
    MakeTensors();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // Rows [rows, cols] of fp32 as a tensor of the file, row i of memory at row `file_row(i)`.
  template <typename Row, typename FileRow>
  void Add(const std::string& name, Shape shape, int64_t rows, int64_t cols, const Row& row, const FileRow& file_row) {
    std::string bytes(static_cast<size_t>(rows * cols) * sizeof(float), '\0');
    std::vector<float> values(static_cast<size_t>(cols));
    for (int64_t i = 0; i < rows; ++i) {
      row(i, values.data());
      std::memcpy(bytes.data() + static_cast<size_t>(file_row(i) * cols) * sizeof(float), values.data(),
                  values.size() * sizeof(float));
    }
    tensors_.push_back({name, DType::kF32, std::move(shape), [bytes](const auto& write) { return write(bytes); }});
  }
  void AddWeight(const std::string& name, const Weight& w, const std::function<int64_t(int64_t)>& file_row) {
    Add(
        name, {w.rows, w.cols}, w.rows, w.cols, [&](int64_t i, float* out) { ReadWeightRow(w, i, out); }, file_row);
  }
  void AddVector(const std::string& name, const std::vector<float>& v,
                 const std::function<int64_t(int64_t)>& file_row) {
    const auto size = static_cast<int64_t>(v.size());
    Add(
        name, {size}, size, 1, [&](int64_t i, float* out) { *out = v[static_cast<size_t>(i)]; }, file_row);
  }
  void MakeTensors() {
    for (const StoredTensor& tensor : TensorsOf(model_->config)) {
      ASSERT_EQ(tensor.parts.size(), 1u);
      const ModelPart& part = tensor.parts[0];
      const auto file_row = [&](int64_t i) {
        return part.projection ? GgufRowOf(model_->config, *part.projection, i) : i;
      };
      if (tensor.matrix()) {
        AddWeight(tensor.gguf_name, MatrixOf(*model_, part), file_row);
      } else {
        AddVector(tensor.gguf_name, VectorOf(*model_, part), file_row);
      }
    }
  }
  GgufTensorSource* Tensor(const std::string& name) {
    for (GgufTensorSource& t : tensors_) {
      if (t.name == name) return &t;
    }
    return nullptr;
  }

  // What loading the file says; "" when it loads.
  std::string LoadError() {
    const Status written = WriteGguf(path_, metadata_, tensors_);
    EXPECT_TRUE(written);
    const auto model = LoadModel(rt_, path_);
    if (model) return "";
    EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
    return model.error().message;
  }
  void ExpectRefused(const std::string& part) {
    const std::string error = LoadError();
    EXPECT_NE(error.find(path_), std::string::npos) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }
  void ExpectRefusedWith(const std::string& key, GgufValue value, const std::string& part) {
    const GgufValue* old = metadata_.Find(key);
    const std::optional<GgufValue> before = old ? std::optional(*old) : std::nullopt;
    metadata_.Set(key, std::move(value));
    ExpectRefused(part);
    if (before) metadata_.Set(key, *before);
    if (!before) metadata_.Remove(key);
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kFp32};
  std::shared_ptr<const Model> model_;
  GgufMetadata metadata_;
  std::vector<GgufTensorSource> tensors_;
  std::string path_;
};

TEST_F(LoadTest, GgufAndFolderAreTheSameModel) {
  ASSERT_EQ(LoadError(), "");
  const auto gguf = LoadModel(rt_, path_);
  EXPECT_EQ((*gguf)->parameter_count(), model_->parameter_count());
  EXPECT_EQ((*gguf)->config.head_dim, 8);
  EXPECT_TRUE((*gguf)->config.HasBias(Projection::kQ));
  EXPECT_FALSE((*gguf)->config.tie_word_embeddings);
  const std::vector<int32_t> ids = test::RandomIds(1, 30, 64);
  const Matrix a = test::LogitsOf(rt_, *model_, {}, ids), b = test::LogitsOf(rt_, **gguf, {}, ids);
  EXPECT_EQ(std::memcmp(a.view().f32(), b.view().f32(), a.bytes()), 0);
}

TEST_F(LoadTest, HeadlessGgufIsTied) {
  std::erase_if(tensors_, [](const GgufTensorSource& t) { return t.name == "output.weight"; });
  ASSERT_EQ(LoadError(), "");
  const auto model = LoadModel(rt_, path_);
  EXPECT_TRUE((*model)->config.tie_word_embeddings);
  EXPECT_EQ(&(*model)->head(), &(*model)->embed_tokens);
}

TEST_F(LoadTest, WrongNumbersAreNamed) {
  ExpectRefusedWith("general.architecture", std::string("mamba"), "unknown architecture mamba; known: llama");
  ExpectRefusedWith("general.architecture", std::string("m\xff\n"), "unknown architecture m\\xff\\x0a; known");
  ExpectRefusedWith("llama.attention.head_count", uint32_t{0},
                    "llama.attention.head_count: expected a number from 1 to");
  ExpectRefusedWith("llama.attention.head_count", int32_t{-4}, "llama.attention.head_count: expected");
  ExpectRefusedWith("llama.attention.head_count_kv", uint32_t{0}, "llama.attention.head_count_kv: expected");
  ExpectRefusedWith("llama.attention.head_count_kv", uint32_t{3}, "multiple of the 3 key/value heads, found 4");
  ExpectRefusedWith("llama.embedding_length", uint32_t{30}, "multiple of the 4 attention heads, found 30");
  ExpectRefusedWith("llama.embedding_length", std::string("32"), "llama.embedding_length");
  ExpectRefusedWith("llama.embedding_length", uint32_t{36}, "size of a head: expected an even number");
  ExpectRefusedWith("llama.vocab_size", uint64_t{1} << 31,
                    "llama.vocab_size: expected a number from 1 to 16777216, found 2147483648");
  ExpectRefusedWith("llama.vocab_size", uint64_t{65},
                    "tensor token_embd.weight: expected shape [65, 32], found [64, 32]");
  ExpectRefusedWith("llama.block_count", uint32_t{3},
                    "tensor blk.2.attn_norm.weight: expected shape [32], found no such tensor");
  ExpectRefusedWith("llama.block_count", uint32_t{1}, "tensor blk.1.attn_norm.weight: not part of a model");
  ExpectRefusedWith("llama.block_count", uint64_t{1} << 60, "llama.block_count: expected");
  ExpectRefusedWith("llama.attention.layer_norm_rms_epsilon", 0.0f, "epsilon of the norms");
  ExpectRefusedWith("llama.rope.freq_base", -1.0f, "base of the rotary positions");
  ExpectRefusedWith("llama.rope.scaling.type", std::string("dynamic"),
                    "llama.rope.scaling.type: expected none, linear, yarn or longrope, found dynamic");
  ExpectRefusedWith("llama.rope.scaling.type", std::string("longrope"), "original context of the rotary positions");
  ExpectRefusedWith("llama.attention.sliding_window", int32_t{-1}, "sliding window: expected");
  ExpectRefusedWith("llama.rope.dimension_count", uint32_t{4}, "llama.rope.dimension_count: expected 8");
  ExpectRefusedWith("llama.expert_count", uint32_t{8}, "llama.expert_used_count: ");
  metadata_.Set("llama.expert_used_count", uint32_t{2});
  ExpectRefusedWith("llama.expert_count", uint32_t{1}, "experts of a token: expected a number from 1 to 1, found 2");
  ExpectRefusedWith("llama.expert_count", uint64_t{1} << 40, "number of experts: expected a number from 1 to 4096");
  ExpectRefusedWith("llama.expert_count", uint32_t{8}, "experts: expected a layer that has some, found none");
  metadata_.Set("llama.expert_shared_count", uint32_t{1});
  ExpectRefusedWith("llama.expert_count", uint32_t{8}, "llama.expert_shared_count: expected 0, found 1");
  metadata_.Remove("llama.expert_shared_count");
  metadata_.Remove("llama.expert_used_count");
  metadata_.Remove("llama.context_length");
  ExpectRefused("llama.context_length");
}

TEST_F(LoadTest, WrongTensorsAreNamed) {
  const std::vector<GgufTensorSource> before = tensors_;
  Tensor("blk.1.ffn_down.weight")->shape = {64, 32};
  ExpectRefused("tensor blk.1.ffn_down.weight: expected shape [32, 64], found [64, 32]");
  tensors_ = before;
  std::erase_if(tensors_, [](const GgufTensorSource& t) { return t.name == "blk.1.attn_q.bias"; });
  ExpectRefused("tensor blk.1.attn_q.bias: expected shape [32], found no such tensor");
  tensors_ = before;
  Tensor("blk.0.attn_k.weight")->name = "blk.0.attn_qkv.weight";
  ExpectRefused("tensor blk.0.attn_k.weight: expected shape [16, 32], found no such tensor");
  tensors_ = before;
  AddVector("rope_freqs.weight", {1, 1, 1}, [](int64_t i) { return i; });
  ExpectRefused("tensor rope_freqs.weight: expected shape [4], found [3]");
  tensors_ = before;
  AddVector("rope_freqs.weight", {1, 1, 0, 1}, [](int64_t i) { return i; });
  ExpectRefused("factors of the rotary frequencies: expected positive numbers");
  tensors_ = before;
  AddVector("blk.0.attn_q_norm.weight", {1, 1, 1, 1, 1, 1, 1, 1}, [](int64_t i) { return i; });
  ExpectRefused("tensor blk.0.attn_q_norm.weight: not part of a model");
  tensors_ = before;
  Tensor("blk.0.attn_norm.weight")->dtype = DType::kI32;
  ExpectRefused("tensor blk.0.attn_norm.weight: cannot read elements of type I32");
}

TEST_F(LoadTest, MissingFileIsNamed) {
  const auto model = LoadModel(rt_, "/nowhere/model.gguf");
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("/nowhere/model.gguf"), std::string::npos);
}

TEST_F(LoadTest, DigestFollowsTheBytes) {
  ASSERT_EQ(LoadError(), "");
  const auto file = DigestOfModel(path_), folder = DigestOfModel(kFolder);
  ASSERT_TRUE(file && folder);
  EXPECT_EQ(file->size(), 64u);
  EXPECT_EQ(folder->size(), 64u);
  metadata_.Set("general.name", std::string("another"));
  ASSERT_EQ(LoadError(), "");
  EXPECT_NE(*DigestOfModel(path_), *file);
}

// --- config.json and names
// ----------------------------------------------------------------------------------------------

std::string JsonError(const std::string& from, const std::string& to) {
  std::string text = *ReadFile(kFolder + "/config.json");
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const auto config = ConfigFromJson(text, "config.json");
  return config ? "" : config.error().message;
}

TEST(ConfigFromJson, ReadsWhatTransformersWrote) {
  const auto config = ConfigFromJson(*ReadFile(kFolder + "/config.json"), "config.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->hidden_size, 32);
  EXPECT_EQ(config->num_key_value_heads, 2);
  EXPECT_EQ(config->ropes[0].theta, 10000);
  EXPECT_TRUE(config->HasBias(Projection::kQ));
}

TEST(ConfigFromJson, WrongFieldsAreNamed) {
  const std::pair<std::array<std::string, 2>, std::string> cases[] = {
      {{"\"model_type\": \"llama\"", "\"model_type\": \"bloom\""},
       "config.json: model_type: unknown architecture bloom; known: llama"},
      {{"\"hidden_size\": 32", "\"hidden_size\": 0"},
       "config.json: hidden_size: expected a number of at least 1, found 0"},
      {{"\"hidden_size\": 32", "\"hidden_size\": \"32\""},
       "config.json: hidden_size: expected a whole number, found \"32\""},
      {{"\"hidden_size\": 32", "\"hidden_size\": 3.5"}, "config.json: hidden_size: expected a whole number, found 3.5"},
      {{"\"hidden_size\": 32,", ""}, "config.json: hidden_size: expected a number, found no such field"},
      {{"\"vocab_size\": 64", "\"vocab_size\": 2147483648"},
       "config.json: vocab_size: expected a number from 1 to 16777216, found 2147483648"},
      {{"\"vocab_size\": 64", "\"vocab_size\": 18446744073709551615"},
       "config.json: vocab_size: expected a whole number"},
      {{"\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu\""}, "config.json: hidden_act: expected silu"},
      {{"\"rope_type\": \"default\"", "\"rope_type\": \"dynamic\""},
       "config.json: rope_parameters: expected type default, linear, llama3, yarn or longrope, found dynamic"},
      {{"\"head_dim\": 8", "\"head_dim\": 7"},
       "config.json: size of a head: expected an even number up to 1024, found 7"},
      {{"\"attention_bias\": true", "\"attention_bias\": 1"},
       "config.json: attention_bias: expected true or false, found 1"},
  };
  for (const auto& [edit, expected] : cases) {
    const std::string error = JsonError(edit[0], edit[1]);
    EXPECT_EQ(error.substr(0, expected.size()), expected);
  }
}

TEST(ConfigFromJson, ExpertsAndTheLayersThatHaveThem) {
  const auto read = [](const std::string& fields) {
    return ConfigFromJson(R"({"model_type": "qwen3_moe", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
      "num_hidden_layers": 6, "num_attention_heads": 4, "max_position_embeddings": 64, "num_experts_per_tok": 2)" +
                              fields + "}",
                          "c");
  };
  const auto sparse = [](const Result<ModelConfig>& config) {
    std::string text;
    for (const LayerConfig& layer : config->layers) text += layer.sparse ? 's' : 'd';
    return text;
  };
  const auto all = read(R"(, "num_experts": 4, "moe_intermediate_size": 24, "norm_topk_prob": true)");
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(sparse(all), "ssssss");
  EXPECT_TRUE(all->norm_topk_prob);
  EXPECT_EQ(all->feed_forward_size(3), 24);
  EXPECT_FALSE(all->Has(Projection::kGate));
  const auto some = read(R"(, "num_local_experts": 4, "decoder_sparse_step": 2, "mlp_only_layers": [3, 9])");
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_EQ(sparse(some), "dsddds");
  EXPECT_FALSE(some->norm_topk_prob);
  EXPECT_EQ(some->moe_intermediate_size, 48);
  EXPECT_TRUE(some->Has(Projection::kGate));
  EXPECT_FALSE(some->Adapts(Projection::kGate));
  for (const auto& [fields, error] :
       {std::pair<std::string, std::string>{"", "c: num_experts: expected a number"},
        {R"(, "num_experts": 1)", "c: experts of a token: expected a number from 1 to 1, found 2"},
        {R"(, "num_experts": 4, "decoder_sparse_step": 7)", "c: experts: expected a layer"},
        {R"(, "num_experts": 4, "decoder_sparse_step": -1)", "c: decoder_sparse_step: "},
        {R"(, "num_experts": 4, "mlp_only_layers": 3)", "c: mlp_only_layers: expected a list"}}) {
    const auto refused = read(fields);
    ASSERT_FALSE(refused) << fields;
    EXPECT_EQ(refused.error().message.substr(0, error.size()), error);
  }
}

TEST(Names, ParseUndoesNaming) {
  for (const Architecture& a : Architectures()) {
    for (const StoredModule& m : a.layout->modules) {
      std::string hf = HfTensorName(*a.layout, m, 12, "weight"), gguf = GgufTensorName(m, 12, "weight");
      hf.resize(hf.size() - 7);
      gguf.resize(gguf.size() - 7);
      for (const auto& parsed : {ParseHfModule(hf), ParseGgufModule(*a.layout, gguf)}) {
        ASSERT_TRUE(parsed) << hf;
        EXPECT_EQ(parsed->layer, 12);
        EXPECT_EQ(parsed->module->hf, m.hf);  // several layouts may have it
        EXPECT_EQ(parsed->module->gguf, m.gguf);
      }
    }
  }
  for (Projection p : kProjections) EXPECT_EQ(ProjectionFromModule(ModuleName(p)), p);
  const FileLayout& llama = *FindArchitecture("llama")->layout;
  EXPECT_EQ(HfTensorName(llama, ModuleOf(llama, Projection::kQ), 3, "weight"),
            "model.layers.3.self_attn.q_proj.weight");
  EXPECT_EQ(GgufTensorName(ModuleOf(llama, Projection::kO), 3, "bias"), "blk.3.attn_output.bias");
  for (const char* bad :
       {"", "blk.", "blk.x.attn_q", "blk.3", "blk.-1.attn_q", "blk.3.attn_qq", "blk.99999999999999999999.attn_q"}) {
    EXPECT_FALSE(ParseGgufModule(llama, bad)) << bad;
  }
}

TEST(Names, PermutationOfQAndKIsLlamaCpps) {
  ModelConfig config;
  config.architecture = "llama";
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  // reshape(heads, 2, 4, ..).swapaxes(1, 2): the halves of a head are dealt out in turn.
  const int64_t expected[] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
  for (int64_t row = 0; row < 16; ++row) {
    EXPECT_EQ(GgufRowOf(config, Projection::kQ, row), expected[row]);
    EXPECT_EQ(GgufRowOf(config, Projection::kV, row), row);
  }
}

}  // namespace
}  // namespace hew
