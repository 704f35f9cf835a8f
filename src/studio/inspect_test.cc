// hew inspect on every kind of file, sound and broken.
#include "studio/inspect.h"

#include <filesystem>

#include "formats/gguf.h"
#include "model/lora.h"
#include "model/save.h"
#include "studio/export_test_support.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

class InspectTest : public testing::Test {
 protected:
  void SetUp() override { test::WriteTinyFolder(folder_, "base"); }
  std::string Path(const std::string& name) const { return folder_.Path(name); }
  Inspection Good(const std::string& name) {
    auto inspection = Inspect(rt_, Path(name));
    EXPECT_TRUE(inspection) << inspection.error().message;
    return inspection ? *inspection : Inspection();
  }
  std::shared_ptr<const Model> Base() {
    auto model = LoadModel(rt_, Path("base"));
    EXPECT_TRUE(model) << model.error().message;
    return model ? *model : nullptr;
  }
  void ExpectRefused(const std::string& name, const std::string& mentions) {
    const auto inspection = Inspect(rt_, Path(name));
    ASSERT_FALSE(inspection) << name;
    EXPECT_EQ(inspection.error().code, ErrorCode::kBadInput);
    EXPECT_TRUE(inspection.error().message.starts_with(Path(name))) << inspection.error().message;
    EXPECT_EQ(inspection.error().message.find('\n'), std::string::npos);
    EXPECT_NE(inspection.error().message.find(mentions), std::string::npos) << inspection.error().message;
  }

  // Of the tiny model: embedding, norms, and per layer q, o [64, 64], k, v [32, 64], gate, up [96, 64], down [64, 96].
  static constexpr int64_t kParameters = 260 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64);

  ThreadPool pool_{2};
  Runtime rt_{&pool_, Isa::kScalar, Precision::kFp32};
  TestFolder folder_;
};

TEST_F(InspectTest, FolderAndGgufTellTheSame) {
  ASSERT_TRUE(SaveModel(rt_, *Base(), nullptr, Path("m.gguf"), {DType::kQ8_0}));
  for (const char* name : {"base", "m.gguf"}) {
    const Inspection inspection = Good(name);
    EXPECT_EQ(inspection.kind, "model");
    const auto& report = inspection.report;
    EXPECT_EQ(report["architecture"], "llama");
    EXPECT_EQ(report["parameters"], kParameters);
    EXPECT_EQ(report["parameters_unique"], kParameters);
    EXPECT_EQ(report["parameters_by_module"]["mlp.down_proj"], 2 * 64 * 96);
    EXPECT_GT(report["file_bytes"], kParameters);
    EXPECT_GT(report["memory_bytes"], kParameters);
    EXPECT_EQ(report["config"]["num_key_value_heads"], 2);
    EXPECT_EQ(report["config"]["head_dim"], 16);
    EXPECT_EQ(report["config"]["tie_word_embeddings"], true);
    EXPECT_EQ(report["tokenizer"], nlohmann::ordered_json({{"kind", "bpe"}, {"vocab_size", 260}}));
    EXPECT_EQ(report["chat_template"], "{{ messages }}");
    EXPECT_EQ(report["tensors"].size(), 20u);
  }
  const auto tensors = Good("m.gguf").report["tensors"];
  EXPECT_EQ(tensors[0],
            nlohmann::ordered_json({{"name", "token_embd.weight"}, {"shape", {260, 64}}, {"type", "Q8_0"}}));
}

TEST_F(InspectTest, TextBeginsWithWhatPeopleLookFor) {
  const std::string text = Good("base").Text();
  const std::string head = text.substr(0, text.find("\n\n"));
  for (const char* word : {"llama", "parameters", "file", "layers", "attention", "context", "tokenizer", "template"}) {
    EXPECT_NE(head.find(word), std::string::npos) << word << " in\n" << head;
  }
  EXPECT_LE(std::count(head.begin(), head.end(), '\n'), 12);
  EXPECT_NE(text.find("model.layers.1.mlp.gate_proj.weight"), std::string::npos);
}

TEST_F(InspectTest, PartsByThemselves) {
  const Inspection weights = Good("base/model.safetensors");
  EXPECT_EQ(weights.kind, "weights");
  EXPECT_EQ(weights.report["parameters"], kParameters);
  EXPECT_TRUE(weights.report["architecture"].is_null());
  const Inspection tokenizer = Good("base/tokenizer.json");
  EXPECT_EQ(tokenizer.kind, "tokenizer");
  EXPECT_EQ(tokenizer.report["tokenizer"]["vocab_size"], 260);
  EXPECT_FALSE(tokenizer.Text().empty());
}

TEST_F(InspectTest, Adapters) {
  const auto base = Base();
  LoraConfig config;
  config.rank = 4;
  config.targets = {Projection::kQ, Projection::kDown};
  const auto adapter = LoraAdapter::Create(rt_, config, *base, 1);
  ASSERT_TRUE(adapter);
  ASSERT_TRUE(SavePeftAdapter(*adapter, *base, Path("adapter")));
  ASSERT_TRUE(SaveGgufAdapter(*adapter, *base, Path("a.gguf")));
  for (const char* name : {"adapter", "a.gguf"}) {
    const Inspection inspection = Good(name);
    EXPECT_EQ(inspection.kind, "adapter");
    EXPECT_EQ(inspection.report["config"]["r"], 4);
    EXPECT_EQ(inspection.report["config"]["target_modules"], nlohmann::ordered_json({"q_proj", "down_proj"}));
    EXPECT_EQ(inspection.report["parameters"], 2 * 4 * (64 + 64 + 96 + 64));
    EXPECT_EQ(inspection.report["parameters_by_module"].size(), 2u);
  }
  folder_.Put("adapter/adapter_config.json", R"({"peft_type": "LORA", "r": 8})");
  ExpectRefused("adapter", "rank 8");
}

TEST_F(InspectTest, VocabulariesAndArchitecturesThatHewDoesNotRun) {
  GgufMetadata metadata;
  metadata.Set("general.architecture", std::string("other"));
  metadata.Set("other.block_count", uint32_t{7});
  metadata.Set("tokenizer.ggml.model", std::string("llama"));
  metadata.Set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(WriteGguf(Path("v.gguf"), metadata, {}));
  const Inspection vocabulary = Good("v.gguf");
  EXPECT_EQ(vocabulary.kind, "vocabulary");
  EXPECT_EQ(vocabulary.report["architecture"], "other");
  EXPECT_EQ(vocabulary.report["config"]["block_count"], 7);
  EXPECT_EQ(vocabulary.report["tokenizer"]["vocab_size"], 3);
  EXPECT_EQ(vocabulary.report["tensors"].size(), 0u);
  const std::string four(16, '\0');
  ASSERT_TRUE(WriteGguf(Path("m.gguf"), metadata,
                        {{"some.weight", DType::kF32, {4}, [&](const auto& write) { return write(four); }}}));
  EXPECT_EQ(Good("m.gguf").report["parameters"], 4);
}

TEST_F(InspectTest, BrokenFilesAreRefusedInOneLine) {
  ASSERT_TRUE(SaveModel(rt_, *Base(), nullptr, Path("m.gguf"), {DType::kF16}));
  const std::string whole = folder_.Get("m.gguf"), weights = folder_.Get("base/model.safetensors");
  for (size_t part : {0u, 3u, 30u, 5000u}) {
    folder_.Put("cut.gguf", whole.substr(0, part));
    ExpectRefused("cut.gguf", "expected");
  }
  folder_.Put("cut.gguf", whole.substr(0, whole.size() - 1));
  ExpectRefused("cut.gguf", "expected");
  folder_.Put("cut.safetensors", weights.substr(0, weights.size() - 1));
  ExpectRefused("cut.safetensors", "expected");
  folder_.Put("cut.json", test::TokenizerJson().substr(0, 2000));
  ExpectRefused("cut.json", "expected");
  ASSERT_TRUE(MakeFolder(Path("empty")));
  ExpectRefused("empty", "config.json");
  ExpectRefused("absent.gguf", "cannot open");
  folder_.Put("base/config.json", R"({"model_type": "llama"})");
  const auto inspection = Inspect(rt_, Path("base"));
  ASSERT_FALSE(inspection);
  EXPECT_NE(inspection.error().message.find("config.json"), std::string::npos);
}

}  // namespace
}  // namespace hew
