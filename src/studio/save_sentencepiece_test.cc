// A SentencePiece tokenizer gives the same ids after it changed its file format, there and back.
#include "model/save_sentencepiece.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "base/test_folder.h"
#include "model/save_tokenizer.h"
#include "text/tokenizer.h"
#include "text/training/tokenizer_training.h"

namespace hew {
namespace {

using Texts = std::vector<std::string>;

const Json& Golden() {
  static const Json cases =
      ParseJson(ReadFile(HEW_SOURCE_DIR "/tests/golden/tokenizer/sp_cases.json").value(), "sp_cases.json").value();
  return cases;
}

const Json& Named(const std::string& name) {
  for (const auto& one : Golden()) {
    if (one["name"] == name) return one;
  }
  return Golden()[0];
}

// `but`: a text that the two read differently.
void ExpectSameIds(const Tokenizer& a, const Tokenizer& b, std::string_view but = {}) {
  int compared = 0;
  for (const auto& text : Named("spm")["texts"]) {
    const auto t = text["text"].get<std::string>();
    const bool differs = !but.empty() && t.find(but) != t.npos;
    for (const bool parse : {false, true}) {
      if (!parse && differs) continue;
      ++compared;
      const EncodeOptions options{.add_special = true, .parse_special = parse};
      EXPECT_EQ(a.Encode(t, options), b.Encode(t, options)) << t;
    }
    if (!differs) {
      EXPECT_EQ(a.Decode(a.Encode(t)), b.Decode(b.Encode(t))) << t;
    }
  }
  EXPECT_GT(compared, 20);
  EXPECT_EQ(a.bos(), b.bos());
  EXPECT_EQ(a.eos(), b.eos());
}

GgufMetadata SpmMetadata(bool space_prefix) {
  const Json& json = Named("spm")["metadata"];
  GgufMetadata metadata;
  metadata.Set("tokenizer.ggml.model", std::string("llama"));
  metadata.Set("tokenizer.ggml.tokens", GgufArray(json["tokenizer.ggml.tokens"].get<Texts>()));
  metadata.Set("tokenizer.ggml.token_type", GgufArray(json["tokenizer.ggml.token_type"].get<std::vector<int32_t>>()));
  metadata.Set("tokenizer.ggml.scores", GgufArray(json["tokenizer.ggml.scores"].get<std::vector<float>>()));
  metadata.Set("tokenizer.ggml.add_space_prefix", space_prefix);
  if (space_prefix) metadata.Set("general.name", std::string("Phi-3 mini"));  // its tokens take the space behind along
  return metadata;
}

TEST(SaveSentencePiece, FromGgufAndBack) {
  for (const bool space_prefix : {true, false}) {
    const GgufMetadata metadata = SpmMetadata(space_prefix);
    const auto original = Tokenizer::FromGguf(metadata, "m.gguf").value();
    const auto files = TokenizerFilesFromGguf(metadata, "m.gguf");
    ASSERT_TRUE(files) << files.error().message;
    TestFolder folder;
    for (const auto& file : *files) folder.Put(file.name, file.content);
    const auto opened = Tokenizer::Open(folder.Path("tokenizer.json"));
    ASSERT_TRUE(opened) << opened.error().message;
    ExpectSameIds(*original, **opened);

    GgufMetadata again;
    if (space_prefix) again.Set("general.name", std::string("Phi-3 mini"));
    const auto status = TokenizerToGguf(folder.Path("."), Json::object(), original->vocab_size() + 3,
                                        &again);  // the embedding may be larger
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(*again.GetString("tokenizer.ggml.model"), "llama");
    EXPECT_EQ(*again.GetBoolOr("tokenizer.ggml.add_space_prefix", !space_prefix), space_prefix);
    const auto back = Tokenizer::FromGguf(again, "again.gguf");
    ASSERT_TRUE(back) << back.error().message;
    ExpectSameIds(*original, **back);
  }
}

// Phi-3's files call the end of a turn a word of the user's; tokenizer.json must call it special, or a text that spells
// it would end one.
TEST(SaveSentencePiece, WhatEndsATurnIsSpecialWhateverItsType) {
  GgufMetadata metadata = SpmMetadata(true);
  const auto& tokens = **metadata.GetArray<std::string>("tokenizer.ggml.tokens");
  const auto end = static_cast<size_t>(std::find(tokens.begin(), tokens.end(), "<|end|>") - tokens.begin());
  ASSERT_LT(end, tokens.size());
  constexpr int32_t kNormal = 1, kControl = 3, kUserDefined = 4;
  for (const int32_t type : {kNormal, kControl, kUserDefined}) {
    auto types = **metadata.GetArray<int32_t>("tokenizer.ggml.token_type");
    types[end] = type;
    metadata.Set("tokenizer.ggml.token_type", GgufArray(types));
    const auto files = TokenizerFilesFromGguf(metadata, "m.gguf");
    ASSERT_TRUE(files) << files.error().message;
    const Json json = ParseJson((*files)[0].content, "tokenizer.json").value();
    const Json& added = json["added_tokens"];
    const auto found = std::find_if(added.begin(), added.end(), [&](const Json& t) { return t["id"] == end; });
    ASSERT_NE(found, added.end()) << type;
    EXPECT_EQ((*found)["special"], true) << type;
    TestFolder folder;
    for (const auto& file : *files) folder.Put(file.name, file.content);
    const auto opened = Tokenizer::Open(folder.Path("tokenizer.json")).value();
    const std::vector<int32_t> text = opened->Encode("a <|end|> b", {.parse_special = false});
    EXPECT_EQ(std::count(text.begin(), text.end(), static_cast<int32_t>(end)), 0) << type;
  }
}

// What no piece spells is bytes in both.
TEST(SaveSentencePiece, ALearnedUnigramVocabulary) {
  const ThreadPool pool(2);
  TokenizerTraining training;
  training.kind = TokenizerKind::kUnigram;
  training.vocab_size = 400;
  const std::string_view text =
      "나 점심을 못 먹었어. 나 배 고파.\nthe cat sat on the mat and then it slept\n나 점심을 먹었어.\n";
  const auto learned = TrainTokenizer(pool, std::span(&text, 1), training);
  ASSERT_TRUE(learned) << learned.error().message;
  TestFolder folder;
  folder.Put("tokenizer.json", learned->tokenizer_json);
  folder.Put("tokenizer_config.json", learned->tokenizer_config_json);
  const auto original = Tokenizer::Open(folder.Path("tokenizer.json")).value();
  GgufMetadata metadata;
  const auto status = TokenizerToGguf(folder.Path("."), Json::object(), original->vocab_size(), &metadata);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(*metadata.GetString("tokenizer.ggml.model"), "t5");
  const auto written = Tokenizer::FromGguf(metadata, "m.gguf");
  ASSERT_TRUE(written) << written.error().message;
  for (const char* one :
       {"나 점심을 못 먹었어. 나 배 고파.", " the  cat\n\nsat on 나", "", "<s>the mat</s>", "the 猫"}) {
    for (const bool parse : {false, true}) {
      const EncodeOptions options{.add_special = true, .parse_special = parse};
      const auto ids = original->Encode(one, options);
      EXPECT_EQ((*written)->Encode(one, options), ids) << one;
      EXPECT_EQ((*written)->Decode(ids), original->Decode(ids)) << one;
    }
  }
  EXPECT_EQ((*written)->bos(), original->bos());
  EXPECT_EQ((*written)->eos(), original->eos());
}

TEST(SaveSentencePiece, FromFoldersAsModelsHaveThem) {
  for (const char* name : {"llama-legacy", "gemma"}) {
    TestFolder folder;
    Json json = Named(name)["tokenizer"];
    // A run of spaces that no merge makes: `tokenizers` never finds it in a text, SentencePiece always. Models have the
    // merge.
    Json& added = json["added_tokens"];
    added.erase(
        std::remove_if(added.begin(), added.end(), [](const Json& t) { return t["content"] == "\u2581\u2581"; }),
        added.end());
    json["model"]["vocab"].erase("\u2581\u2581");
    folder.Put("tokenizer.json", json.dump());
    folder.Put("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})");
    const auto original = Tokenizer::Open(folder.Path("tokenizer.json")).value();
    GgufMetadata metadata;
    const auto status = TokenizerToGguf(folder.Path("."), Json::object(), original->vocab_size(), &metadata);
    ASSERT_TRUE(status) << status.error().message;
    // Where this tokenizer.json calls the end of a turn no special token, GGUF's reader does all the same.
    ExpectSameIds(*original, *Tokenizer::FromGguf(metadata, "m.gguf").value(), "<|end|>");
  }
}

TEST(SaveSentencePiece, KnowsWhatSentencePieceDoes) {
  for (const bool prefix : {true, false}) {
    EXPECT_EQ(SentencePieceSpacePrefix(SentencePieceNormalizerJson(prefix), nullptr), prefix);
  }
  const Json metaspace =
      Json::parse(R"({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": false})");
  EXPECT_EQ(SentencePieceSpacePrefix(nullptr, metaspace), true);
  Json cuts = metaspace;
  cuts["split"] = true;
  EXPECT_EQ(SentencePieceSpacePrefix(nullptr, cuts), std::nullopt);
  EXPECT_EQ(SentencePieceSpacePrefix(Json::parse(R"({"type": "NFC"})"), nullptr), std::nullopt);
  EXPECT_EQ(SentencePieceSpacePrefix(nullptr, nullptr), std::nullopt);
}

}  // namespace
}  // namespace hew
