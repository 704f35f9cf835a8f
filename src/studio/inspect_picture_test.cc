#include "studio/inspect_picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "studio/inspect_parts.h"

namespace hew {
namespace {

using testing::HasSubstr;
using testing::Not;

Inspection Model() {
  Inspection model{"m.gguf", "model", EmptyReport()};
  model.report["parameters"] = 1000;
  model.report["parameters_by_module"] = {
      {"embed_tokens", 250}, {"self_attn.q_proj", 100},        {"self_attn.o_proj", 100}, {"mlp.up_proj", 400},
      {"attn_norm", 30},     {"post_attention_layernorm", 20}, {"lm_head", 75},           {"rotary", 25}};
  model.report["config"] = {{"hidden_size", 8},         {"intermediate_size", 16},  {"num_hidden_layers", 2},
                            {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"head_dim", 4}};
  return model;
}

TEST(InspectPicture, GroupsAddUp) {
  const auto explained = Explain(Model());
  std::map<std::string, int64_t> groups;
  double shares = 0;
  for (const auto& g : explained["groups"]) {
    groups[g["name"]] = g["parameters"];
    shares += g["share"].get<double>();
  }
  EXPECT_EQ(
      groups,
      (std::map<std::string, int64_t>{
          {"embeddings", 250}, {"attention", 200}, {"feed-forward", 400}, {"norms", 50}, {"head", 75}, {"other", 25}}));
  EXPECT_NEAR(shares, 1, 1e-12);
}

TEST(InspectPicture, SizesAndAdapter) {
  const auto explained = Explain(Model());
  // Two layers: q 8+8, k and v 8+4 each, o 8+8, three of 8+16; times the rank.
  EXPECT_EQ(explained["adapter"]["parameters"], 2 * 16 * (16 + 12 + 12 + 16 + 3 * 24));
  EXPECT_EQ(explained["sizes"][0]["bytes"]["bf16"], 2000);
  EXPECT_EQ(explained["sizes"][2]["parameters"], 8030261248);
  EXPECT_EQ(explained["sizes"][4]["bytes"]["fp32"].get<int64_t>(),
            4 * explained["sizes"][4]["parameters"].get<int64_t>());
  const std::string text = PictureOf(explained, false);
  EXPECT_THAT(text, HasSubstr("feed-forward"));
  EXPECT_THAT(text, HasSubstr("█"));
  EXPECT_THAT(text, HasSubstr("175B (GPT-3)"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(PictureOf(explained, true), HasSubstr("\033[32m"));
}

TEST(InspectPicture, WhatHasNoWeightsHasNoPicture) {
  Inspection tokenizer{"tokenizer.json", "tokenizer", EmptyReport()};
  EXPECT_EQ(PictureOf(Explain(tokenizer), true), "");
  Inspection foreign = Model();
  foreign.report["config"] = {{"block_count", 3}};
  EXPECT_TRUE(Explain(foreign)["adapter"].is_null());
  EXPECT_THAT(PictureOf(Explain(foreign), false), HasSubstr("what sizes mean"));
}

}  // namespace
}  // namespace hew
