#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/json.h"

namespace hew {
namespace {

const std::string kVocab = HEW_SOURCE_DIR "/../shared/vectors/vocab/";

std::string ModelPath(const std::string& name) {
  const char* models = std::getenv("HEW_MODELS");
  const std::string folder =
      models ? models : std::string(std::getenv("HOME") ? std::getenv("HOME") : "") + "/.cache/hew-models";
  return folder + "/" + name + ".gguf";
}

// A vocabulary of the 256 bytes, a few merges, an added word and control tokens.
std::string TinyJson() {
  Json vocab = Json::object();
  int id = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    static int next = 256;
    if (byte == 0) next = 256;
    const int code = printable ? byte : next++;
    std::string text;
    if (code < 0x80) {
      text = static_cast<char>(code);
    } else {
      text = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
    }
    vocab[text] = id++;
  }
  for (const char* token : {"he", "ll", "hell", "hello", "Ġw", "aa", "aaaa"}) vocab[token] = id++;
  const Json json = {
      {"added_tokens",
       {{{"id", 263}, {"content", "<|im_end|>"}, {"special", true}},
        {{"id", 264}, {"content", "<s>"}, {"special", true}},
        {{"id", 265}, {"content", "Hew™"}, {"special", false}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}}},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "hell o", "Ġ w", "a a", "aa aa"}}}}};
  return json.dump();
}

std::shared_ptr<const Tokenizer> Tiny() { return Tokenizer::FromJson(TinyJson(), "", "tiny.json").value(); }

TEST(Tokenizer, MergesInOrderOfRank) {
  EXPECT_EQ(Tiny()->Encode("hello"), (std::vector<int32_t>{259}));
  EXPECT_EQ(Tiny()->Encode("hell w"), (std::vector<int32_t>{258, 260}));
  EXPECT_EQ(Tiny()->Encode("aaaaaaa"), (std::vector<int32_t>{262, 261, Tiny()->Encode("a")[0]}));
}

TEST(Tokenizer, ControlTokensInATextAreTextUnlessParsed) {
  const auto tokenizer = Tiny();
  EXPECT_GT(tokenizer->Encode("<|im_end|>").size(), 1u);
  EXPECT_EQ(tokenizer->Encode("<|im_end|>", {.parse_special = true}), (std::vector<int32_t>{263}));
  EXPECT_EQ(tokenizer->Encode("Hew™"), (std::vector<int32_t>{265}));  // an added word is no control token
  EXPECT_EQ(tokenizer->TokenBytes(263), "");
  EXPECT_EQ(tokenizer->TokenBytes(263, true), "<|im_end|>");
  EXPECT_EQ(tokenizer->end_ids(), (std::vector<int32_t>{263}));
}

TEST(Tokenizer, NeverTwoBos) {
  const auto tokenizer = Tiny();
  EXPECT_EQ(tokenizer->Encode("hello", {.add_special = true}), (std::vector<int32_t>{264, 259}));
  EXPECT_EQ(tokenizer->Encode("<s>hello", {.add_special = true, .parse_special = true}),
            (std::vector<int32_t>{264, 259}));
}

RC_GTEST_PROP(Tokenizer, AnyBytesComeBack, (std::vector<uint8_t> raw)) {
  static const auto tokenizer = Tiny();
  const std::string text(raw.begin(), raw.end());
  RC_ASSERT(tokenizer->Decode(tokenizer->Encode(text)) == text);
}

TEST(Tokenizer, RefusesWhatCannotBe) {
  const auto message = [](std::string json) { return Tokenizer::FromJson(json, "", "t.json").error().message; };
  const auto with = [](const std::function<void(Json&)>& change) {
    Json json = Json::parse(TinyJson());
    change(json);
    return json.dump();
  };
  EXPECT_EQ(message(with([](Json& j) { j["model"]["vocab"]["hello"] = 1; })),
            "t.json: model.vocab: 'hello': expected an id of its own, found 1 again");
  EXPECT_NE(message(with([](Json& j) { j["model"]["vocab"]["hello"] = 2147483648u; })).find("expected an id from 0"),
            std::string::npos);
  EXPECT_NE(message(with([](Json& j) { j["model"]["merges"].push_back("q zz"); })).find("merge 7"), std::string::npos);
  EXPECT_NE(message(with([](Json& j) { j["pre_tokenizer"]["type"] = "Magic"; })).find("'Magic'"), std::string::npos);
  EXPECT_NE(message(with([](Json& j) {
              j["model"]["type"] = "WordPiece";
            })).find("expected BPE or Unigram, found 'WordPiece'"),
            std::string::npos);
  EXPECT_NE(message(with([](Json& j) { j["normalizer"] = {{"type", "Odd"}}; })).find("'Odd'"), std::string::npos);
  EXPECT_NE(message(with([](Json& j) {
              j["pre_tokenizer"] = {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(("}}}};
            })).find("'(('"),
            std::string::npos);
  EXPECT_NE(message("{").find("t.json"), std::string::npos);
  EXPECT_NE(message(std::string(100000, '[')).find("t.json"), std::string::npos);
  EXPECT_NE(message("{\"model\": 3}").find("model.type"), std::string::npos);
}

TEST(Tokenizer, ACatastrophicPatternEnds) {
  Json json = Json::parse(TinyJson());
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a+)+$|(a|a)*b"}}}},
                             {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  const auto tokenizer = Tokenizer::FromJson(json.dump(), "", "t.json").value();
  const std::string text = std::string(30000, 'a') + "c";
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
}

TEST(Tokenizer, APatternThatRunsThroughTheTextAtEveryPlaceEnds) {
  for (const char* pattern : {"a*b|a", "(?:a*b|c)", "(?:a(?=a*b|))*"}) {
    Json json = Json::parse(TinyJson());
    json["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers",
                              {{{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", pattern}}}},
                               {{"type", "ByteLevel"}, {"use_regex", false}}}}};
    const auto tokenizer = Tokenizer::FromJson(json.dump(), "", "t.json").value();
    const std::string text(1u << 20, 'a');
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
  }
}

// `.inp` holds texts divided by a marker line, `.out` one line of ids for each.
class Vocabulary : public testing::TestWithParam<const char*> {};

TEST_P(Vocabulary, IdsEqualTheReference) {
  const std::string path = kVocab + "ggml-vocab-" + GetParam() + ".gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto tokenizer = Tokenizer::Open(path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::string inputs = ReadFile(path + ".inp").value(), marker = "\n__ggml_vocab_test__\n";
  std::istringstream outputs(ReadFile(path + ".out").value());
  size_t at = 0, checked = 0;
  for (std::string line; std::getline(outputs, line); ++checked) {
    const size_t end = std::min(inputs.find(marker, at), inputs.size());
    const std::string text = inputs.substr(at, end - at);
    at = end + marker.size();
    std::istringstream numbers(line);
    const std::vector<int32_t> expected{std::istream_iterator<int32_t>(numbers), {}};
    EXPECT_EQ((*tokenizer)->Encode(text), expected) << "text " << checked << ": " << text;
    EXPECT_EQ((*tokenizer)->Decode(expected), text);
  }
  EXPECT_GT(checked, 40u);
}

INSTANTIATE_TEST_SUITE_P(Shared, Vocabulary, testing::Values("gpt-2", "qwen2", "deepseek-coder", "phi-3"));

// Real models, where they are: the ids that llama.cpp gives (tools/golden/tokenizer.py).
struct RealModel {
  const char* file;
  const char* golden;
};

class Real : public testing::TestWithParam<RealModel> {};

TEST_P(Real, IdsEqualLlamaCpps) {
  const std::string path = ModelPath(GetParam().file);
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto tokenizer = Tokenizer::Open(path).value();
  const std::string golden_path = std::string(HEW_SOURCE_DIR "/tests/golden/tokenizer/") + GetParam().golden;
  const Json golden = ParseJson(ReadFile(golden_path).value(), "golden").value();
  ASSERT_GT(golden.size(), 30u);
  for (const auto& item : golden) {
    const auto text = item["text"].get<std::string>();
    EXPECT_EQ(tokenizer->Encode(text), item["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(tokenizer->Decode(item["ids"].get<std::vector<int32_t>>()), text);
  }
}

TEST_P(Real, LongTextsOfOneKindEncodeAndComeBack) {
  const std::string path = ModelPath(GetParam().file);
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto tokenizer = Tokenizer::Open(path).value();
  for (const std::string unit : {"a", " ", "\n", "가", "漢", "7", "!"}) {
    std::string text;
    while (text.size() < (1u << 20)) text += unit;
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text) << unit;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Real,
                         testing::Values(RealModel{"smollm2-135m-instruct-q4_1", "smollm2.json"},
                                         RealModel{"gemma-3-270m-q4_k_m", "gemma3.json"}));

RC_GTEST_PROP(Utf8Stream, GivesWholeCharactersAndLosesNothing, (std::vector<uint8_t> raw, std::vector<uint8_t> cuts)) {
  std::string text = "가나🎉e\xcc\x81" + std::string(raw.begin(), raw.end()) + "끝";
  Utf8Stream stream;
  std::string out;
  size_t at = 0;
  for (uint8_t cut : cuts) {
    const size_t n = std::min<size_t>(1 + cut % 5, text.size() - at);
    out += stream.Push(std::string_view(text).substr(at, n));
    at += n;
  }
  out += stream.Push(std::string_view(text).substr(at));
  RC_ASSERT(out + stream.Flush() == text);
}

TEST(Utf8Stream, HoldsBackWhatIsNotWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Push("\xea\xb0"), "");
  EXPECT_EQ(stream.Push("\x80"
                        "x\xf0"),
            "가x");
  EXPECT_EQ(stream.Push("\x9f\x8e"), "");
  EXPECT_EQ(stream.Push("\x89"), "🎉");
  EXPECT_EQ(stream.Push("\xff"), "\xff");  // can never become valid: passed on at once
}

}  // namespace
}  // namespace hew
