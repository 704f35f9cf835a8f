// SentencePiece vocabularies against what llama.cpp (GGUF) and `tokenizers` (tokenizer.json) give
// (tools/golden/tokenizer_sp.py), and what no vocabulary may do: run long, lose bytes, let a control token in.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "text/charsmap.h"
#include "text/tokenizer.h"

namespace hew {
namespace {

using Ids = std::vector<int32_t>;

const Json& Golden() {
  static const Json cases =
      ParseJson(ReadFile(HEW_SOURCE_DIR "/tests/golden/tokenizer/sp_cases.json").value(), "sp_cases.json").value();
  return cases;
}

std::string FromBase64(const std::string& text) {
  static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0, count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

GgufMetadata MetadataOf(const Json& json) {
  GgufMetadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (key.ends_with("charsmap")) {
      const std::string bytes = FromBase64(value);
      metadata.Set(key, GgufArray(std::vector<uint8_t>(bytes.begin(), bytes.end())));
    } else if (value.is_string()) {
      metadata.Set(key, value.get<std::string>());
    } else if (value.is_boolean()) {
      metadata.Set(key, value.get<bool>());
    } else if (value.is_number()) {
      metadata.Set(key, value.get<uint32_t>());
    } else if (value[0].is_string()) {
      metadata.Set(key, GgufArray(value.get<std::vector<std::string>>()));
    } else if (key.ends_with("scores")) {
      metadata.Set(key, GgufArray(value.get<std::vector<float>>()));
    } else {
      metadata.Set(key, GgufArray(value.get<std::vector<int32_t>>()));
    }
  }
  return metadata;
}

std::shared_ptr<const Tokenizer> Make(const Json& one) {
  const auto name = one["name"].get<std::string>();
  auto made = one.contains("metadata") ? Tokenizer::FromGguf(MetadataOf(one["metadata"]), name)
                                       : Tokenizer::FromJson(one["tokenizer"].dump(), "", name);
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : nullptr;
}

std::shared_ptr<const Tokenizer> Named(const std::string& name) {
  for (const auto& one : Golden()) {
    if (one["name"] == name) return Make(one);
  }
  return nullptr;
}

TEST(SentencePiece, IdsEqualTheReference) {
  size_t checked = 0;
  for (const auto& one : Golden()) {
    const auto tokenizer = Make(one);
    ASSERT_TRUE(tokenizer);
    for (const auto& text : one["texts"]) {
      const auto t = text["text"].get<std::string>();
      EXPECT_EQ(tokenizer->Encode(t, {.parse_special = true}), text["parsed"].get<Ids>()) << one["name"] << ": " << t;
      // What Hew never gives: a control token that a text spells.
      const auto plain = text["plain"].get<Ids>();
      const bool has_control = std::any_of(plain.begin(), plain.end(), [&](int32_t id) {
        return tokenizer->IsSpecial(id) && tokenizer->TokenBytes(id, true) != "<unk>";
      });
      if (!has_control && t != "<unk>") {
        EXPECT_EQ(tokenizer->Encode(t), plain) << one["name"] << ": " << t;
      }
      if (text.contains("added") && !text["text"].get<std::string>().starts_with("<s>")) {
        EXPECT_EQ(tokenizer->Encode(t, {.add_special = true, .parse_special = true}), text["added"].get<Ids>()) << t;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 300u);
}

TEST(SentencePiece, BytesComeBack) {
  for (const char* name : {"spm", "spm-no-prefix", "llama-legacy", "gemma"}) {
    const auto tokenizer = Named(name);
    ASSERT_TRUE(tokenizer) << name;
    for (const auto& text : Golden()[0]["texts"]) {
      const auto t = text["text"].get<std::string>();
      if (t.find("\u2581") != std::string::npos) continue;  // the sign itself is a space afterwards, as everywhere
      // Behind a word that was added the text begins again, with a space that stays.
      const auto has = [&](const char* added) { return t.find(added) != std::string::npos; };
      if (tokenizer->adds_space() && (has("Hew") || has("<tool>") || has("<|end|>") || has("  "))) continue;
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(t)), t) << name;
      const std::string broken = t.substr(0, t.size() / 2) + "\xff\xe2\x82" + t.substr(t.size() / 2);
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(broken)), broken) << name;
    }
  }
}

TEST(SentencePiece, DecodesAsTheLibrary) {
  for (const auto& one : Golden()) {
    const auto tokenizer = Make(one);
    ASSERT_TRUE(tokenizer);
    for (const auto& text : one["texts"]) {
      if (!text.contains("decoded")) continue;
      EXPECT_EQ(tokenizer->Decode(text["plain"].get<Ids>()), text["decoded"].get<std::string>()) << one["name"];
    }
  }
}

TEST(SentencePiece, LongTextsOfOneKindEncode) {
  for (const char* name :
       {"spm", "llama-legacy", "metaspace-first", "unigram", "unigram-bytes", "unigram-precompiled"}) {
    const auto tokenizer = Named(name);
    ASSERT_TRUE(tokenizer) << name;
    for (const std::string unit : {"a", " ", "가", "the "}) {
      std::string text;
      while (text.size() < (1u << 20)) text += unit;
      const Ids ids = tokenizer->Encode(text);
      // Unigrams normalise; a text that begins with the sign gets no other from Metaspace.
      if (std::string(name).starts_with("unigram") || std::string(name).starts_with("metaspace")) continue;
      EXPECT_EQ(tokenizer->Decode(ids), text) << name << unit;
    }
  }
}

TEST(SentencePiece, NoTextBecomesAControlToken) {
  for (const auto& one : Golden()) {
    const auto tokenizer = Make(one);
    ASSERT_TRUE(tokenizer);
    const int32_t bos = tokenizer->TokenId("<s>").value(), eos = tokenizer->TokenId("</s>").value();
    for (const char* text : {"<s>", "a</s>b", "<s></s>", "< s>", "</ s>"}) {
      for (const int32_t id : tokenizer->Encode(text)) EXPECT_TRUE(id != bos && id != eos) << one["name"] << text;
    }
    const std::string turn = "</s>hi</s>";
    const std::vector<ByteSpan> data = {{0, 6}};
    const Ids ids = tokenizer->Encode(turn, {.parse_special = true, .data = data});
    EXPECT_EQ(std::count(ids.begin(), ids.end(), eos), 1) << one["name"];
  }
}

TEST(Charsmap, RefusesWhatIsNone) {
  for (const std::string& blob : {std::string(), std::string("\1\0\0", 3), std::string("\5\0\0\0aaaaa", 9),
                                  std::string("\0\0\0\0", 4), std::string("\377\377\377\377aaaa", 8)}) {
    EXPECT_FALSE(Charsmap::Parse(blob));
  }
  EXPECT_FALSE(Charsmap::ParseBase64("!!!!"));
  // A table that points outside itself finds nothing.
  for (int fill = 0; fill < 256; ++fill) {
    const auto map = Charsmap::Parse(std::string("\10\0\0\0", 4) + std::string(8, static_cast<char>(fill)));
    ASSERT_TRUE(map);
    EXPECT_EQ(map->Longest("abc").bytes, map->Longest("abc").bytes);
    map->NormalizeGraphemes("ab\xff e\xcc\x81");
  }
}

}  // namespace
}  // namespace hew
