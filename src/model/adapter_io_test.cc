// Adapters to PEFT's folder and llama.cpp's file and back, and what must be refused.
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "model/test_util.h"

namespace hew {
namespace {

constexpr const char* kBase = HEW_SOURCE_DIR "/tests/golden/tiny_llama";

std::string_view Bytes(const std::vector<float>& v) {
  return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)};
}

// scale B A of a module, [out, in]: what an adapter means, whatever way it is written.
std::vector<double> Delta(const LoraAdapter& adapter, const LoraModule& m) {
  std::vector<double> delta(static_cast<size_t>(m.out * m.in));
  const float* a = adapter.parameters.data() + m.a_offset;
  const float* b = adapter.parameters.data() + m.b_offset;
  for (int64_t j = 0; j < m.out; ++j) {
    for (int64_t c = 0; c < m.in; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < m.rank; ++i) sum += static_cast<double>(b[j * m.rank + i]) * a[i * m.in + c];
      delta[static_cast<size_t>(j * m.in + c)] = sum * m.scale * adapter.user_scale;
    }
  }
  return delta;
}

void ExpectSameMeaning(const LoraAdapter& x, const LoraAdapter& y, double tolerance) {
  ASSERT_EQ(x.modules.size(), y.modules.size());
  for (size_t k = 0; k < x.modules.size(); ++k) {
    ASSERT_EQ(x.modules[k].layer, y.modules[k].layer);
    ASSERT_EQ(x.modules[k].projection, y.modules[k].projection);
    const auto a = Delta(x, x.modules[k]), b = Delta(y, y.modules[k]);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << k << " " << i;
  }
}

class AdapterIoTest : public testing::Test {
 protected:
  void SetUp() override {
    auto base = LoadModel(rt_, kBase);
    ASSERT_TRUE(base) << base.error().message;
    base_ = *base;
  }
  LoraAdapter Random(const LoraConfig& config) { return test::RandomAdapter(rt_, config, *base_, 5); }
  LoraAdapter Load(const std::string& path, float user_scale = 1) {
    auto adapter = LoadAdapter(rt_, path, *base_, user_scale);
    EXPECT_TRUE(adapter) << adapter.error().message;
    return adapter ? *std::move(adapter) : LoraAdapter();
  }
  static LoraConfig Config(int64_t rank, double alpha) {
    LoraConfig config;
    config.rank = rank;
    config.alpha = alpha;
    return config;
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, Isa::kScalar, Precision::kFp32};
  std::shared_ptr<const Model> base_;
  TestFolder folder_;
};

TEST_F(AdapterIoTest, PeftToGgufToPeftKeepsEveryBit) {
  const LoraAdapter adapter = Random(Config(3, 7));
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("one")));
  const LoraAdapter peft = Load(folder_.Path("one"));
  EXPECT_EQ(peft.parameters, adapter.parameters);
  ASSERT_TRUE(SaveGgufAdapter(peft, *base_, folder_.Path("a.gguf")));
  const LoraAdapter gguf = Load(folder_.Path("a.gguf"));
  EXPECT_EQ(gguf.parameters, adapter.parameters);
  ASSERT_TRUE(SavePeftAdapter(gguf, *base_, folder_.Path("two")));
  EXPECT_EQ(folder_.Get("two/adapter_model.safetensors"), folder_.Get("one/adapter_model.safetensors"));
  const LoraAdapter again = Load(folder_.Path("two"));
  EXPECT_EQ(again.config.rank, 3);
  EXPECT_DOUBLE_EQ(again.config.alpha, 7);
  EXPECT_EQ(again.config.targets, adapter.config.targets);
  for (size_t i = 0; i < again.modules.size(); ++i) EXPECT_EQ(again.modules[i].scale, adapter.modules[i].scale);
}

TEST_F(AdapterIoTest, RsloraIsFoldedIntoAlpha) {
  LoraConfig config = Config(3, 5);
  config.rslora = true;
  const LoraAdapter adapter = Random(config);
  EXPECT_FLOAT_EQ(adapter.modules[0].scale, 5 / std::sqrt(3.0f));
  ASSERT_TRUE(SaveGgufAdapter(adapter, *base_, folder_.Path("a.gguf")));
  const auto file = GgufFile::Open(folder_.Path("a.gguf"));
  ASSERT_TRUE(file);
  EXPECT_NEAR(*file->metadata().GetFloat("adapter.lora.alpha"), 5 * std::sqrt(3.0), 1e-5);
  ExpectSameMeaning(Load(folder_.Path("a.gguf")), adapter, 1e-6);
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("p")));
  const LoraAdapter peft = Load(folder_.Path("p"));
  EXPECT_TRUE(peft.config.rslora);
  EXPECT_EQ(peft.parameters, adapter.parameters);
  ExpectSameMeaning(peft, adapter, 0);
}

TEST_F(AdapterIoTest, DoraGoesToPeftAndIsRefusedByGguf) {
  LoraConfig config = Config(2, 4);
  config.dora = true;
  const LoraAdapter adapter = Random(config);
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("p")));
  const LoraAdapter peft = Load(folder_.Path("p"));
  EXPECT_TRUE(peft.config.dora);
  EXPECT_EQ(peft.parameters, adapter.parameters);
  EXPECT_EQ(peft.modules[3].column_scale, adapter.modules[3].column_scale);
  const auto refused = SaveGgufAdapter(adapter, *base_, folder_.Path("a.gguf"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("merge"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("a.gguf")));
}

TEST_F(AdapterIoTest, AScaleOfTheUserIsWrittenIntoTheFile) {
  const LoraAdapter adapter = Random(Config(4, 8));
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("p")));
  const LoraAdapter half = Load(folder_.Path("p"), 0.5f);
  ASSERT_TRUE(SaveGgufAdapter(half, *base_, folder_.Path("half.gguf")));
  ASSERT_TRUE(SavePeftAdapter(half, *base_, folder_.Path("half")));
  ExpectSameMeaning(Load(folder_.Path("half.gguf")), half, 1e-6);
  ExpectSameMeaning(Load(folder_.Path("half")), half, 1e-6);
}

// llama.cpp's converter puts row i of the first half of a head at 2i and of the second half at 2i + 1.
TEST_F(AdapterIoTest, RowsOfQAndKAreInterleavedInGguf) {
  const LoraAdapter adapter = Random(Config(2, 2));
  ASSERT_TRUE(SaveGgufAdapter(adapter, *base_, folder_.Path("a.gguf")));
  const auto file = GgufFile::Open(folder_.Path("a.gguf"));
  ASSERT_TRUE(file);
  for (const auto& [projection, name, permuted] : {std::tuple{Projection::kQ, "blk.1.attn_q.weight.lora_b", true},
                                                   {Projection::kK, "blk.1.attn_k.weight.lora_b", true},
                                                   {Projection::kV, "blk.1.attn_v.weight.lora_b", false}}) {
    const LoraModule* m = adapter.Find(1, projection);
    const TensorEntry* entry = file->Find(name);
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(entry->shape, (Shape{m->out, m->rank}));
    const auto* rows = reinterpret_cast<const float*>(entry->bytes.data());
    const int64_t d = base_->config.head_dim;
    for (int64_t row = 0; row < m->out; ++row) {
      const int64_t head = row / d, half = row % d / (d / 2), i = row % (d / 2);
      const int64_t at = permuted ? head * d + 2 * i + half : row;
      EXPECT_EQ(rows[at * m->rank], adapter.parameters[m->b_offset + static_cast<size_t>(row * m->rank)])
          << name << " " << row;
    }
  }
}

// A PEFT folder written by hand, so that any part of it can be wrong.
struct PeftFiles {
  Json config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"q_proj", "down_proj"}}};
  std::vector<std::pair<std::string, Shape>> tensors = {
      {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", {2, 32}},
      {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", {32, 2}},
      {"base_model.model.model.layers.1.mlp.down_proj.lora_A.weight", {2, 64}},
      {"base_model.model.model.layers.1.mlp.down_proj.lora_B.weight", {32, 2}}};
  float value = 0.25f;
  DType type = DType::kF32;

  std::string Write(const TestFolder& folder, const std::string& name) const {
    EXPECT_TRUE(MakeFolder(folder.Path(name)));
    folder.Put(name + "/adapter_config.json", config.dump());
    std::vector<SafetensorsSource> sources;
    for (const auto& [tensor, shape] : tensors) {
      const auto count = static_cast<size_t>(ElementCount(shape));
      sources.push_back({tensor, type, shape, [this, count](const auto& write) {
                           std::string bytes(static_cast<size_t>(RowBytes(type, static_cast<int64_t>(count))), '\0');
                           if (CanEncode(type)) EncodeRow(type, std::vector<float>(count, value), bytes);
                           return write(bytes);
                         }});
    }
    const auto written = WriteSafetensors(folder.Path(name) + "/adapter_model.safetensors", {}, sources);
    EXPECT_TRUE(written) << written.error().message;
    return folder.Path(name);
  }
};

TEST_F(AdapterIoTest, PatternsChangeRankAndAlphaAndSurvive) {
  PeftFiles files;
  files.config["rank_pattern"] = {{"down_proj", 3}};
  files.config["alpha_pattern"] = {
      {"layers.1.mlp.down_proj", 10}, {"down_proj", 99}, {"^model.layers.0.self_attn.q_proj", 1}};
  files.tensors[2].second = {3, 64};
  files.tensors[3].second = {32, 3};
  const LoraAdapter adapter = Load(files.Write(folder_, "p"));
  ASSERT_EQ(adapter.modules.size(), 2u);
  EXPECT_FLOAT_EQ(adapter.modules[0].scale, 1.0f / 2);
  EXPECT_EQ(adapter.modules[1].rank, 3);
  EXPECT_FLOAT_EQ(adapter.modules[1].scale, 10.0f / 3);
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("again")));
  ExpectSameMeaning(Load(folder_.Path("again")), adapter, 0);
  ASSERT_TRUE(SaveGgufAdapter(adapter, *base_, folder_.Path("a.gguf")));
  ExpectSameMeaning(Load(folder_.Path("a.gguf")), adapter, 1e-6);
}

TEST_F(AdapterIoTest, HalvesAreReadExactly) {
  for (DType type : {DType::kF16, DType::kBF16}) {
    PeftFiles files;
    files.type = type;
    EXPECT_EQ(Load(files.Write(folder_, std::string(NameOf(type)))).parameters[0], 0.25f);
  }
}

TEST_F(AdapterIoTest, MalformedPeftFoldersAreRefusedInOneLine) {
  using Change = std::function<void(PeftFiles&)>;
  const auto set = [](const char* key, Json value) { return [=](PeftFiles& f) { f.config[key] = value; }; };
  const std::vector<std::pair<Change, std::string>> cases = {
      {set("peft_type", "LOHA"), "LOHA"},
      {set("peft_type", 3), "peft_type"},
      {set("r", 0), "found 0"},
      {set("r", 2.5), "2.5"},
      {set("r", "two"), "r: expected a number"},
      {set("r", 4), "expected rank 4"},
      {set("lora_alpha", "much"), "lora_alpha"},
      {set("lora_alpha", 1e300), "finite scale"},
      {set("bias", "all"), "bias"},
      {set("use_dora", true), "magnitude"},
      {set("use_dora", "yes"), "use_dora"},
      {set("modules_to_save", {"lm_head"}), "modules_to_save"},
      {set("layer_replication", {{0, 2}}), "layer_replication"},
      {set("init_lora_weights", "pissa"), "pissa"},
      {set("rank_pattern", {{"q_proj", "x"}}), "rank_pattern"},
      {set("rank_pattern", {1, 2}), "rank_pattern"},
      {set("alpha_pattern", {{".*_proj", 3}}), "expression"},
      {[](PeftFiles& f) {
         f.tensors[0].second = {2, 31};
       },
       "[2, 31]"},
      {[](PeftFiles& f) {
         f.tensors[1].second = {31, 2};
       },
       "[31, 2]"},
      {[](PeftFiles& f) {
         f.tensors[1].second = {32, 3};
       },
       "[32, 3]"},
      {[](PeftFiles& f) { f.tensors[0].second = {64}; }, "rank"},
      {[](PeftFiles& f) { f.tensors.erase(f.tensors.begin()); }, "B only"},
      {[](PeftFiles& f) { f.tensors.erase(f.tensors.begin() + 1); }, "A only"},
      {[](PeftFiles& f) { f.tensors.clear(); }, "found none"},
      {[](PeftFiles& f) { f.tensors[0].first = "base_model.model.lm_head.lora_A.weight"; },
       "changes the embedding or the head"},
      {[](PeftFiles& f) { f.tensors[0].first = "base_model.model.model.embed_tokens.lora_embedding_A"; },
       "merge_and_unload"},
      {[](PeftFiles& f) { f.tensors[0].first = "layers.0.self_attn.q_proj.lora_A.weight"; }, "another name"},
      {[](PeftFiles& f) { f.tensors[0].first += ".bias"; }, "another name"},
      {[](PeftFiles& f) {
         f.tensors.push_back({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight", {2, 32}});
       },
       "each once"},
      {[](PeftFiles& f) {
         for (auto& [name, shape] : f.tensors) name.replace(name.find("layers.") + 7, 1, "7");
       },
       "below 2"},
      {[](PeftFiles& f) { f.value = NAN; }, "nan"},
      {[](PeftFiles& f) { f.value = INFINITY; }, "inf"},
      {[](PeftFiles& f) { f.type = DType::kI32; }, "I32"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    PeftFiles files;
    cases[i].first(files);
    const std::string path = files.Write(folder_, "bad" + std::to_string(i));
    const auto adapter = LoadAdapter(rt_, path, *base_);
    ASSERT_FALSE(adapter) << cases[i].second;
    const std::string& message = adapter.error().message;
    EXPECT_EQ(adapter.error().code, ErrorCode::kBadInput);
    EXPECT_TRUE(message.starts_with(path)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_NE(message.find(cases[i].second), std::string::npos) << message << "\nshould mention " << cases[i].second;
  }
}

TEST_F(AdapterIoTest, BrokenFilesAreRefused) {
  const std::string path = PeftFiles().Write(folder_, "p");
  const auto refuses = [&](const std::string& what) {
    const auto adapter = LoadAdapter(rt_, path, *base_);
    ASSERT_FALSE(adapter);
    EXPECT_NE(adapter.error().message.find(what), std::string::npos) << adapter.error().message;
  };
  const std::string config = folder_.Get("p/adapter_config.json"), weights = folder_.Get("p/adapter_model.safetensors");
  folder_.Put("p/adapter_config.json", "[1]");
  refuses("expected an object");
  folder_.Put("p/adapter_config.json", config.substr(0, config.size() / 2));
  refuses("adapter_config.json");
  folder_.Put("p/adapter_config.json", config);
  folder_.Put("p/adapter_model.safetensors", weights.substr(0, weights.size() - 1));
  refuses("adapter_model.safetensors");
  std::filesystem::remove(folder_.Path("p/adapter_model.safetensors"));
  refuses("cannot open");
}

TEST_F(AdapterIoTest, MalformedGgufAdaptersAreRefused) {
  const std::vector<float> values(64, 0.5f);
  struct Case {
    std::string key;
    GgufValue value;
    std::string tensor, mentions;
  };
  const std::vector<Case> cases = {
      {"general.type", std::string("model"), "", "general.type"},
      {"adapter.type", std::string("control_vector"), "", "control_vector"},
      {"adapter.lora.alpha", std::string("8"), "", "adapter.lora.alpha"},
      {"adapter.lora.alpha", NAN, "", "adapter.lora.alpha"},
      {"general.architecture", std::string("gemma3"), "", "gemma3"},
      {"general.name", std::string("same"), "token_embd.weight.lora_a", "changes the embedding or the head"},
      {"general.name", std::string("same"), "output.weight.lora_a", "output.weight.lora_a"},
      {"general.name", std::string("same"), "blk.0.attn_q.weight", "another name"},
      {"general.name", std::string("same"), "blk.0.attn_q.weight.lora_b", "B only"},
      {"general.name", std::string("same"), "blk.9.attn_q.weight.lora_a", "A only"},
  };
  for (const Case& c : cases) {
    GgufMetadata metadata;
    metadata.Set("general.type", std::string("adapter"));
    metadata.Set("general.architecture", std::string("llama"));
    metadata.Set("adapter.type", std::string("lora"));
    metadata.Set("adapter.lora.alpha", 4.0f);
    metadata.Set(c.key, c.value);
    const std::string path = folder_.Path("bad.gguf");
    const std::string name = c.tensor.empty() ? "blk.0.attn_q.weight.lora_a" : c.tensor;
    ASSERT_TRUE(WriteGguf(path, metadata,
                          {{name, DType::kF32, {2, 32}, [&](const auto& write) { return write(Bytes(values)); }}}));
    const auto adapter = LoadAdapter(rt_, path, *base_);
    ASSERT_FALSE(adapter) << c.mentions;
    EXPECT_TRUE(adapter.error().message.starts_with(path)) << adapter.error().message;
    EXPECT_NE(adapter.error().message.find(c.mentions), std::string::npos) << adapter.error().message;
  }
}

// One adapter trained by PEFT and the same written by llama.cpp's converter in F16.
TEST(RealAdapter, PeftFolderAndGgufFileAreTheSame) {
  const std::string vectors = HEW_SOURCE_DIR "/../shared/vectors/peft_adapter";
  const char* models = std::getenv("HEW_MODELS");
  const char* home = std::getenv("HOME");
  const std::string model = (models ? std::string(models) : std::string(home ? home : "") + "/.cache/hew-models") +
                            "/smollm2-135m-instruct-q4_1.gguf";
  if (!std::filesystem::exists(vectors) || !std::filesystem::exists(model))
    GTEST_SKIP() << vectors << " or " << model << " is not there";
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const auto base = LoadModel(rt, model);
  ASSERT_TRUE(base) << base.error().message;
  const auto peft = LoadAdapter(rt, vectors, **base), gguf = LoadAdapter(rt, vectors + "/adapter-f16.gguf", **base);
  ASSERT_TRUE(peft) << peft.error().message;
  ASSERT_TRUE(gguf) << gguf.error().message;
  ASSERT_EQ(peft->modules.size(), 210u);
  ASSERT_EQ(gguf->parameters.size(), peft->parameters.size());
  for (size_t i = 0; i < peft->modules.size(); ++i) EXPECT_EQ(gguf->modules[i].scale, peft->modules[i].scale);
  for (size_t i = 0; i < peft->parameters.size(); ++i) {
    const float value = peft->parameters[i];
    ASSERT_NEAR(gguf->parameters[i], value, std::abs(value) * 0x1p-11f + 0x1p-25f) << i;  // half a unit of F16
  }
}

}  // namespace
}  // namespace hew
