// tokenizer.json against what the `tokenizers` library gives (tools/golden/tokenizer_json.py).
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace hew {
namespace {

Json Cases() {
  return ParseJson(ReadFile(HEW_SOURCE_DIR "/tests/golden/tokenizer/json_cases.json").value(), "json_cases.json")
      .value();
}

std::shared_ptr<const Tokenizer> TokenizerOf(const Json& model, const Json& item) {
  Json json = item["rest"];
  json["model"] = model;
  json["model"]["ignore_merges"] = item["ignore_merges"];
  auto tokenizer = Tokenizer::FromJson(json.dump(), "", item["name"].get<std::string>());
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return tokenizer ? *tokenizer : nullptr;
}

TEST(TokenizerJson, IdsEqualTheTokenizersLibrarys) {
  const Json golden = Cases();
  size_t checked = 0;
  for (const auto& item : golden["cases"]) {
    const auto tokenizer = TokenizerOf(golden["model"], item);
    ASSERT_TRUE(tokenizer);
    for (const auto& text : item["texts"]) {
      const auto t = text["text"].get<std::string>();
      const auto ids = [&](const char* key) { return text[key].get<std::vector<int32_t>>(); };
      EXPECT_EQ(tokenizer->Encode(t), ids("plain")) << item["name"] << ": " << t;
      EXPECT_EQ(tokenizer->Encode(t, {.parse_special = true}), ids("parsed")) << item["name"] << ": " << t;
      // The library puts BOS before a text that begins with it; Hew never writes two.
      const auto added = ids("added");
      const bool twice = (tokenizer->adds_bos() && added.size() > 1 && added[0] == added[1]) ||
                         (tokenizer->adds_eos() && added.size() > 1 && added.back() == added[added.size() - 2]);
      if (!twice) {
        EXPECT_EQ(tokenizer->Encode(t, {.add_special = true, .parse_special = true}), added)
            << item["name"] << ": " << t;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 400u);
}

TEST(TokenizerJson, BytesComeBackWhereNothingChangesTheText) {
  const Json golden = Cases();
  for (const auto& item : golden["cases"]) {
    const auto name = item["name"].get<std::string>();
    if (name != "gpt2" && name != "llama3" && name != "digits" && name != "previous" && name != "contiguous" &&
        name != "lines")
      continue;
    const auto tokenizer = TokenizerOf(golden["model"], item);
    ASSERT_TRUE(tokenizer);
    for (const auto& text : item["texts"]) {
      const auto t = text["text"].get<std::string>();
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(t)), t) << name;
      const std::string broken = t.substr(0, t.size() / 2) + "\xff\xe2\x82" + t.substr(t.size() / 2);
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(broken)), broken) << name;
    }
  }
}

}  // namespace
}  // namespace hew
