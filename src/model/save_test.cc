// Models written with their adapters: what is opened again computes the same, and what cannot be right is refused.
#include "model/save.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "model/test_util.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGolden = HEW_SOURCE_DIR "/tests/golden/tiny_llama";
constexpr int kVocab = 64;

class SaveTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeFolder(folder_.Path("base")));
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy(fs::path(kGolden) / name, folder_.Path("base"));
    folder_.Put("base/tokenizer.json", test::SixtyTokens().dump());
    folder_.Put("base/tokenizer_config.json",
                R"({"eos_token": {"content": "<|end|>"}, "chat_template": "{{ messages }}"})");
    folder_.Put("base/generation_config.json", R"({"eos_token_id": 60})");
    base_ = Load(folder_.Path("base"));
    ids_ = test::RandomIds(4, 24, kVocab);
  }
  std::shared_ptr<const Model> Load(const std::string& path) {
    auto model = LoadModel(rt_, path);
    EXPECT_TRUE(model) << model.error().message;
    return model ? *model : nullptr;
  }
  std::string Saved(const std::string& name, const Model& base, std::span<const LoraAdapter* const> adapters,
                    std::optional<FileType> type) {
    const auto status = SaveModel(rt_, base, adapters, folder_.Path(name), {type});
    EXPECT_TRUE(status) << status.error().message;
    return folder_.Path(name);
  }
  LoraAdapter Adapter(bool dora, std::vector<Projection> targets = {kProjections.begin(), kProjections.end()},
                      uint64_t seed = 5) {
    LoraConfig config;
    config.rank = 4;
    config.alpha = 6;
    config.dora = dora;
    config.targets = std::move(targets);
    return test::RandomAdapter(rt_, config, *base_, seed);
  }
  double MaxDifference(const Model& a, std::span<const LoraAdapter* const> a_adapters, const Model& b) {
    const Matrix x = test::LogitsOf(rt_, a, a_adapters, ids_), y = test::LogitsOf(rt_, b, {}, ids_);
    double most = 0;
    for (int64_t i = 0; i < x.row_count() * kVocab; ++i) {
      most = std::max(most, std::abs(static_cast<double>(x.view().f32()[i]) - y.view().f32()[i]));
    }
    return most;
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) names.insert(entry.path().filename());
    return names;
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, Isa::kScalar, Precision::kFp32};
  TestFolder folder_;
  std::shared_ptr<const Model> base_;
  std::vector<int32_t> ids_;
};

TEST_F(SaveTest, MergedComputesAsBaseAndAdapter) {
  const LoraAdapter lora = Adapter(false);
  const LoraAdapter* adapter = &lora;
  ASSERT_GT(MaxDifference(*base_, {&adapter, 1}, *base_), 1) << "an adapter that does nothing proves nothing";
  // Largest differences of logits, whose spread is about 3, that each type's rounding may cause in this model.
  const std::pair<DType, double> types[] = {{DType::kF32, 1e-4},  {DType::kF16, 0.02}, {DType::kBF16, 0.15},
                                            {DType::kQ8_0, 0.25}, {DType::kQ5_1, 2},   {DType::kQ5_0, 2},
                                            {DType::kQ4_1, 4},    {DType::kQ4_0, 4}};
  for (const auto& [type, tolerance] : types) {
    const std::string path = Saved(std::string(NameOf(type)) + ".gguf", *base_, {&adapter, 1}, type);
    const double difference = MaxDifference(*base_, {&adapter, 1}, *Load(path));
    EXPECT_LT(difference, tolerance) << NameOf(type);
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->Find("blk.1.ffn_down.weight")->dtype, type);
    EXPECT_EQ(file->Find("blk.1.ffn_norm.weight")->dtype, DType::kF32);
    EXPECT_EQ(file->Find("token_embd.weight")->dtype, type);
    EXPECT_EQ(file->Find("output.weight")->dtype, IsQuantized(type) ? DType::kQ8_0 : type);
  }
  for (const auto& [type, tolerance] : std::span(types).first(3)) {
    const std::string path = Saved("folder-" + std::string(NameOf(type)), *base_, {&adapter, 1}, type);
    EXPECT_LT(MaxDifference(*base_, {&adapter, 1}, *Load(path)), tolerance) << NameOf(type);
  }
}

TEST_F(SaveTest, MixesAreWrittenWithTheirFallbacks) {
  const FileType type(DType::kQ4_K, TypeMix::kMedium);  // rows of 32 and 64 values: none is a multiple of 256
  const auto file = GgufFile::Open(Saved("mix.gguf", *base_, {}, type));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->Find("blk.1.attn_q.weight")->dtype, DType::kQ5_0);
  EXPECT_EQ(file->Find("blk.1.attn_v.weight")->dtype, DType::kQ8_0);
  EXPECT_EQ(file->Find("token_embd.weight")->dtype, DType::kQ5_0);
  EXPECT_EQ(file->Find("output.weight")->dtype, DType::kQ8_0);
  EXPECT_EQ(*file->metadata().GetInt("general.file_type"), 15);
  EXPECT_LT(MaxDifference(*base_, {}, *Load(file->path())), 2);
}

TEST_F(SaveTest, ALargeFolderIsCutIntoShards) {
  const auto status = SaveModel(rt_, *base_, {}, folder_.Path("cut"), {std::nullopt, 20'000});
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE(fs::exists(folder_.Path("cut/model.safetensors.index.json")));
  EXPECT_FALSE(fs::exists(folder_.Path("cut/model.safetensors")));
  EXPECT_EQ(MaxDifference(*base_, {}, *Load(folder_.Path("cut"))), 0);
}

TEST_F(SaveTest, ProgressIsToldAndMayStopTheWork) {
  const auto before = Names();
  for (const char* name : {"x.gguf", "x"}) {
    uint64_t last = 0, total = 0;
    const auto stop_after = [&](uint64_t limit) {
      last = total = 0;
      return [&, limit](uint64_t done, uint64_t all) -> Status {
        EXPECT_GT(done, last);
        EXPECT_LE(done, all);
        last = done, total = all;
        if (done > limit) return BadInput("enough");
        return {};
      };
    };
    const auto stopped = SaveModel(rt_, *base_, {}, folder_.Path(name), {DType::kF16, 1 << 30, stop_after(5000)});
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().message.find("enough"), std::string::npos);
    EXPECT_EQ(Names(), before);
    ASSERT_TRUE(SaveModel(rt_, *base_, {}, folder_.Path(name), {DType::kF16, 1 << 30, stop_after(1 << 30)}));
    EXPECT_EQ(last, total);
    fs::remove_all(folder_.Path(name));
  }
}

TEST_F(SaveTest, DoraAndSumsOfAdaptersMerge) {
  const LoraAdapter dora = Adapter(true), lora = Adapter(false, {Projection::kQ, Projection::kDown}, 6);
  const LoraAdapter* one[] = {&dora};
  const LoraAdapter* both[] = {&dora, &lora};
  EXPECT_LT(MaxDifference(*base_, one, *Load(Saved("dora.gguf", *base_, one, DType::kF32))), 2e-4);
  EXPECT_LT(MaxDifference(*base_, both, *Load(Saved("both.gguf", *base_, both, DType::kF32))), 2e-4);
}

TEST_F(SaveTest, FolderToGgufToFolderKeepsEveryBit) {
  const std::string gguf = Saved("a.gguf", *base_, {}, std::nullopt);
  const auto middle = Load(gguf);
  EXPECT_EQ(MaxDifference(*base_, {}, *middle), 0);
  const std::string folder = Saved("again", *middle, {}, DType::kF32);
  const auto before = SafetensorsFolder::Open(folder_.Path("base")), after = SafetensorsFolder::Open(folder);
  ASSERT_TRUE(before && after);
  ASSERT_EQ(after->tensors().size(), before->tensors().size());
  for (const TensorEntry* tensor : before->tensors()) {
    const TensorEntry* same = after->Find(tensor->name);
    ASSERT_NE(same, nullptr) << tensor->name;
    EXPECT_EQ(same->bytes, tensor->bytes) << tensor->name;
  }
  const auto again = Load(folder);
  EXPECT_EQ(again->config.ropes[0].theta, base_->config.ropes[0].theta);
  EXPECT_EQ(again->config.norm_eps, base_->config.norm_eps);
  EXPECT_EQ(again->config.head_dim, base_->config.head_dim);
  EXPECT_EQ(again->config.tie_word_embeddings, base_->config.tie_word_embeddings);
  const auto tokenizer = ParseJson(folder_.Get("again/tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const Json expected = test::SixtyTokens();
  EXPECT_EQ((*tokenizer)["pre_tokenizer"], expected["pre_tokenizer"]);
  EXPECT_EQ((*tokenizer)["added_tokens"], expected["added_tokens"]);
  EXPECT_EQ((*tokenizer)["model"]["merges"], expected["model"]["merges"]);
  EXPECT_EQ((*tokenizer)["model"]["vocab"]["t59"], 59);
  EXPECT_EQ((*tokenizer)["model"]["vocab"]["[PAD63]"], 63);
  EXPECT_EQ(folder_.Get("again/chat_template.jinja"), "{{ messages }}");
}

TEST_F(SaveTest, FolderToGgufDescribesTheTokenizer) {
  const auto file = GgufFile::Open(Saved("a.gguf", *base_, {}, DType::kF16));
  ASSERT_TRUE(file);
  const GgufMetadata& metadata = file->metadata();
  EXPECT_EQ(*metadata.GetString("tokenizer.ggml.pre"), "smollm");
  EXPECT_EQ(*metadata.GetInt("tokenizer.ggml.eos_token_id"), 60);
  EXPECT_FALSE(metadata.GetInt("tokenizer.ggml.bos_token_id"));  // config.json has one that the tokenizer does not know
  EXPECT_EQ(*metadata.GetBoolOr("tokenizer.ggml.add_bos_token", true), false);
  EXPECT_EQ(*metadata.GetString("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(*metadata.GetInt("general.file_type"), 1);
  const auto types = metadata.GetArray<int32_t>("tokenizer.ggml.token_type");
  ASSERT_TRUE(types && *types);
  EXPECT_EQ((**types)[0], 1);
  EXPECT_EQ((**types)[60], 3);
  EXPECT_EQ((**types)[61], 4);
  EXPECT_EQ((**types)[63], 5);
}

TEST_F(SaveTest, GgufBaseKeepsItsMetadataAndUntouchedTensors) {
  const std::string first = Saved("first.gguf", *base_, {}, DType::kQ4_1);
  const auto base = Load(first);
  const LoraAdapter lora = Adapter(false, {Projection::kV});
  const LoraAdapter* adapter = &lora;
  const auto before = GgufFile::Open(first),
             after = GgufFile::Open(Saved("second.gguf", *base, {&adapter, 1}, std::nullopt));
  ASSERT_TRUE(before && after);
  ASSERT_EQ(after->metadata().items().size(), before->metadata().items().size());
  for (const auto& [key, value] : before->metadata().items()) {
    ASSERT_NE(after->metadata().Find(key), nullptr) << key;
    EXPECT_TRUE(key == "hew.lineage" || *after->metadata().Find(key) == value) << key;
  }
  const auto lineage = after->metadata().GetArray<std::string>("hew.lineage");
  ASSERT_TRUE(lineage && *lineage);
  ASSERT_EQ((**lineage).size(), 2u);
  EXPECT_NE((**lineage)[1].find(*Sha256OfFile(first)), std::string::npos);
  for (const TensorEntry& tensor : before->tensors()) {
    const bool adapted = tensor.name.find("attn_v.weight") != std::string::npos;
    const TensorEntry* same = after->Find(tensor.name);
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(same->dtype, tensor.dtype);
    EXPECT_EQ(same->bytes == tensor.bytes, !adapted) << tensor.name;
  }
}

TEST_F(SaveTest, SameBitsForAnyNumberOfThreads) {
  const LoraAdapter lora = Adapter(false);
  std::set<std::string> digests;
  for (int threads : {1, 2, 5}) {
    const ThreadPool pool(threads);
    const std::string path = folder_.Path(std::to_string(threads) + ".gguf");
    ASSERT_TRUE(SaveModel({&pool, Isa::kScalar, Precision::kFp32}, *base_, &lora, path, {DType::kQ5_1}));
    digests.insert(*Sha256OfFile(path));
  }
  EXPECT_EQ(digests.size(), 1u);
}

TEST_F(SaveTest, RefusesWhatWouldDoHarm) {
  const std::string gguf = Saved("a.gguf", *base_, {}, DType::kQ8_0);
  ASSERT_TRUE(MakeFolder(folder_.Path("full.gguf")));
  ASSERT_TRUE(MakeFolder(folder_.Path("full")));
  folder_.Put("full/mine.txt", "precious");
  folder_.Put("file", "precious");
  const auto base = Load(gguf);
  const auto before = Names();
  const auto refuses = [&](const Model& model, const std::string& path, std::optional<DType> type,
                           const std::string& mentions) {
    const auto status = SaveModel(rt_, model, {}, path, {type});
    ASSERT_FALSE(status) << mentions;
    EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
    EXPECT_EQ(status.error().message.find('\n'), std::string::npos);
    EXPECT_NE(status.error().message.find(mentions), std::string::npos) << status.error().message;
    EXPECT_EQ(Names(), before);
  };
  refuses(*base, gguf, DType::kF16, "the base's own");
  refuses(*base_, folder_.Path("base"), DType::kF16, "the base's own");
  refuses(*base_, folder_.Path("full"), DType::kF16, "new or empty");
  refuses(*base_, folder_.Path("full.gguf"), DType::kF16, "found a folder");
  refuses(*base_, folder_.Path("file"), DType::kF16, "found a file");
  refuses(*base_, folder_.Path("absent/x.gguf"), DType::kF16, "existing folder");
  refuses(*base_, folder_.Path("x.gguf"), DType::kQ2_K, "Q2_K");
  refuses(*base_, folder_.Path("x"), DType::kQ8_0, "Q8_0");
  EXPECT_EQ(folder_.Get("full/mine.txt"), "precious");
}

TEST_F(SaveTest, RefusesNumbersThatDoNotFit) {
  LoraAdapter lora = Adapter(false, {Projection::kUp});
  for (size_t i = 0; i < lora.parameters.size(); ++i) lora.parameters[i] = 400;  // 400 * 400 * 4 is beyond F16
  lora.Pack(rt_, *base_);
  const LoraAdapter* adapter = &lora;
  for (const char* name : {"x.gguf", "x"}) {
    const auto status = SaveModel(rt_, *base_, {&adapter, 1}, folder_.Path(name), {DType::kF16});
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("blk.0.ffn_up.weight"), std::string::npos) << status.error().message;
    EXPECT_NE(status.error().message.find("F16"), std::string::npos) << status.error().message;
  }
  EXPECT_EQ(Names(), std::set<std::string>{"base"});
  Saved("x.gguf", *base_, {&adapter, 1}, DType::kBF16);
}

TEST_F(SaveTest, RefusesTokenizersThatGgufCannotSay) {
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> cases = {
      {[](Json& j) {
         j["pre_tokenizer"] = {{"type", "Whitespace"}};
       },
       "Whitespace"},
      {[](Json& j) {
         j["normalizer"] = {{"type", "Lowercase"}};
       },
       "pre_tokenizer"},
      {[](Json& j) { j["model"]["type"] = "WordPiece"; }, "WordPiece"},
      {[](Json& j) { j["model"]["type"] = "Unigram"; }, "model.vocab: expected a list"},
      {[](Json& j) { j["model"]["byte_fallback"] = true; }, "SentencePiece"},
      {[](Json& j) { j["model"]["vocab"]["t0"] = 64; }, "found 64"},
      {[](Json& j) { j["model"]["vocab"]["t0"] = -1; }, "found -1"},
      {[](Json& j) { j["model"]["vocab"]["t0"] = 1; }, "expected one token"},
      {[](Json& j) { j["model"].erase("vocab"); }, "model.vocab"},
      {[](Json& j) {
         j["model"]["merges"] = {{"a", "b", "c"}};
       },
       "model.merges"},
      {[](Json& j) {
         j["added_tokens"] = {{{"content", "x"}}};
       },
       "added_tokens"},
      {[](Json& j) { j = Json::array(); }, "model.type"},
  };
  for (const auto& [change, mentions] : cases) {
    Json json = test::SixtyTokens();
    change(json);
    folder_.Put("base/tokenizer.json", json.dump());
    const auto status = SaveModel(rt_, *base_, {}, folder_.Path("x.gguf"), {DType::kF16});
    ASSERT_FALSE(status) << mentions;
    EXPECT_NE(status.error().message.find(mentions), std::string::npos) << status.error().message;
  }
  fs::remove(folder_.Path("base/tokenizer.json"));
  EXPECT_FALSE(SaveModel(rt_, *base_, {}, folder_.Path("x.gguf"), {DType::kF16}));
  EXPECT_EQ(Names(), std::set<std::string>{"base"});
}

}  // namespace
}  // namespace hew
