// Tokenizers out of GGUF metadata: what the keys mean, and what is refused.
#include <gtest/gtest.h>

#include <functional>

#include "text/byte_level.h"
#include "text/end_tokens.h"
#include "text/tokenizer.h"

namespace hew {
namespace {

// The 256 bytes, "ab" and "abab", a control token, a word a user added, and an end token that the file calls normal.
GgufMetadata TinyMetadata() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(ByteLevelFromBytes(std::string(1, static_cast<char>(byte))));
  std::vector<int32_t> types(256, 1);
  const auto add = [&](const char* token, int32_t type) {
    tokens.push_back(token);
    types.push_back(type);
  };
  add("ab", 1);
  add("abab", 1);
  add("<s>", 3);
  add("[word]", 4);
  add("<|im_end|>", 1);
  add("<unk>", 2);
  GgufMetadata metadata;
  metadata.Set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.Set("tokenizer.ggml.pre", std::string("gpt-2"));
  metadata.Set("tokenizer.ggml.tokens", GgufArray(tokens));
  metadata.Set("tokenizer.ggml.token_type", GgufArray(types));
  metadata.Set("tokenizer.ggml.merges", GgufArray(std::vector<std::string>{"a b", "ab ab"}));
  metadata.Set("tokenizer.ggml.bos_token_id", uint32_t{258});
  metadata.Set("tokenizer.ggml.eos_token_id", uint32_t{257});
  metadata.Set("tokenizer.ggml.add_bos_token", true);
  return metadata;
}

using Change = std::function<void(GgufMetadata&)>;

std::string MessageAfter(const Change& change) {
  GgufMetadata metadata = TinyMetadata();
  change(metadata);
  const auto tokenizer = Tokenizer::FromGguf(metadata, "m.gguf");
  return tokenizer ? "" : tokenizer.error().message;
}

template <typename T>
Change Array(const char* key, std::vector<T> values) {
  return [key, values](GgufMetadata& m) { m.Set(key, GgufArray(values)); };
}

TEST(TokenizerGguf, ReadsWhatTheKeysSay) {
  const auto tokenizer = Tokenizer::FromGguf(TinyMetadata(), "m.gguf").value();
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(tokenizer->vocab_size(), 262);
  EXPECT_EQ(tokenizer->Encode("ababab"), (Ids{257, 256}));
  EXPECT_EQ(tokenizer->Encode("[word]"), (Ids{259}));  // always one token, whatever the caller parses
  EXPECT_EQ(tokenizer->Encode("<s>").size(), 3u);
  EXPECT_EQ(tokenizer->Encode("<s><unk>ab", {.parse_special = true}), (Ids{258, 261, 256}));
  EXPECT_EQ(tokenizer->Encode("ab", {.add_special = true}), (Ids{258, 256}));
  EXPECT_EQ(tokenizer->Encode("<s>ab", {.add_special = true, .parse_special = true}), (Ids{258, 256}));
  EXPECT_EQ(tokenizer->Encode("", {.add_special = true}), (Ids{258}));
  EXPECT_EQ(tokenizer->end_ids(), (Ids{257, 260}));  // EOS, and the token whose name says it
  EXPECT_TRUE(tokenizer->IsSpecial(260));
  EXPECT_EQ(tokenizer->Encode("<|im_end|>").size(), 10u);
  EXPECT_FALSE(tokenizer->IsSpecial(-1));
  EXPECT_FALSE(tokenizer->IsSpecial(262));
  EXPECT_EQ(tokenizer->TokenBytes(262, true), "");
  EXPECT_EQ(tokenizer->TokenId("abab"), 257);
  EXPECT_EQ(tokenizer->TokenId("<s>"), 258);
  EXPECT_EQ(tokenizer->TokenId("abc"), std::nullopt);
}

TEST(TokenizerGguf, RefusesWhatCannotBe) {
  const std::string key = "tokenizer.ggml.";
  const std::vector<std::pair<Change, std::string>> cases = {
      {[](GgufMetadata& m) { m.Remove("tokenizer.ggml.model"); }, "tokenizer.ggml.model"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.model", std::string("bert")); }, "found 'bert'"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.model", uint32_t{3}); }, "tokenizer.ggml.model"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.pre", std::string("new\nkind")); },
       "tokenizer.ggml.pre: expected one of"},
      {[](GgufMetadata& m) { m.Remove("tokenizer.ggml.tokens"); }, "tokenizer.ggml.tokens: expected a list"},
      {Array<std::string>("tokenizer.ggml.tokens", {}), "tokenizer.ggml.tokens: expected a list"},
      {Array<int32_t>("tokenizer.ggml.tokens", {1, 2}), "tokenizer.ggml.tokens"},
      {Array<std::string>("tokenizer.ggml.tokens", {"a", "b", "a"}), "expected 3 types (one a token), found 262"},
      {[](GgufMetadata& m) {
         m.Set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{"a", "b", "a"}));
         m.Remove("tokenizer.ggml.token_type");
       },
       "expected each token once, found 'a' as 0 and 2"},
      {[](GgufMetadata& m) { m.Remove("tokenizer.ggml.merges"); }, "tokenizer.ggml.merges: expected a list"},
      {Array<std::string>("tokenizer.ggml.merges", {"a b", "a zz"}),
       "merge 1: expected two tokens that make a token, found 'a zz'"},
      {Array<std::string>("tokenizer.ggml.merges", {"a c"}), "merge 0"},
      {Array<std::string>("tokenizer.ggml.merges", {"ab"}), "merge 0"},
      {Array<std::string>("tokenizer.ggml.merges", {""}), "merge 0"},
      {Array<std::string>("tokenizer.ggml.merges", {"\xff \xfe"}), "merge 0"},
      {Array<float>("tokenizer.ggml.merges", {1.0f}), "tokenizer.ggml.merges"},
      {Array<std::string>("tokenizer.ggml.token_type", {"x"}), "tokenizer.ggml.token_type"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.bos_token_id", uint32_t{262}); },
       "bos_token_id: expected an id below 262"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.eos_token_id", int32_t{-1}); },
       "eos_token_id: expected an id below 262"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.eot_token_id", uint32_t{2147483648u}); },
       "eot_token_id: expected an id"},
      {[](GgufMetadata& m) { m.Set("tokenizer.ggml.add_bos_token", std::string("yes")); }, "add_bos_token"},
      {[](GgufMetadata& m) { m.Set("tokenizer.chat_template", uint32_t{1}); }, "tokenizer.chat_template"},
  };
  for (const auto& [change, expected] : cases) {
    const std::string message = MessageAfter(change);
    EXPECT_TRUE(message.starts_with("m.gguf: ")) << expected << ": " << message;
    EXPECT_NE(message.find(expected), std::string::npos) << expected << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_EQ(MessageAfter([](GgufMetadata&) {}), "");
}

TEST(EndTokens, AreKnownByName) {
  EndTokens ends;
  ends.AddNamed("<|end|>", 7);
  ends.AddNamed("hello", 8);
  ends.AddNamed("<|eot_id|>", 3);
  ends.AddId(std::nullopt);
  ends.AddId(3);
  EXPECT_EQ(ends.Ids(), (std::vector<int32_t>{3, 7}));
  ends.AddNamed("<|return|>", 4);
  ends.AddNamed("<|call|>", 5);  // now <|end|> only closes a part of an answer
  EXPECT_EQ(ends.Ids(), (std::vector<int32_t>{3, 4, 5}));
}

}  // namespace
}  // namespace hew
