#include "train/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hew {
namespace {

using testing::HasSubstr;

TuneSettings Good() {
  TuneSettings s;
  s.base = "model.gguf";
  s.out = "out";
  s.data = {"train.jsonl"};
  return s;
}

std::string RecipeError(std::string_view toml) {
  TuneSettings s;
  const auto status = ParseRecipe(toml, "recipe.toml", &s);
  return status ? "" : status.error().message;
}

std::string FlagError(std::string_view name, std::string_view text) {
  TuneSettings s;
  const auto status = SetFromText(*FindSetting(RunKind::kTune, name), text, false, &s);
  return status ? "" : status.error().message;
}

TEST(Settings, RecipeAndFlagsAreTheSameSettings) {
  TuneSettings recipe, flags;
  ASSERT_TRUE(
      ParseRecipe("base = 'm.gguf'\ndata = ['a.jsonl', 'b,c.jsonl']\nout = 'o'\nlr = 1e-3\nepochs = 2\nrslora = true\n"
                  "targets = ['q_proj', 'v_proj']\nsave_every = '100steps'\nwarmup = 10\n",
                  "r.toml", &recipe));
  const std::pair<const char*, const char*> values[] = {{"base", "m.gguf"},
                                                        {"data", "a.jsonl"},
                                                        {"data", "b,c.jsonl"},
                                                        {"out", "o"},
                                                        {"lr", "0.001"},
                                                        {"epochs", "2"},
                                                        {"rslora", "true"},
                                                        {"targets", "q_proj,v_proj"},
                                                        {"save_every", "100steps"},
                                                        {"warmup", "10"}};
  bool append = false;
  for (const auto& [name, text] : values) {
    ASSERT_TRUE(SetFromText(*FindSetting(RunKind::kTune, name), text, append && std::string_view(name) == "data", &flags)) << name;
    append = std::string_view(name) == "data";
  }
  EXPECT_EQ(SettingsToJson(recipe), SettingsToJson(flags));
  EXPECT_TRUE(CheckSettings(recipe));
}

TEST(Settings, AWrittenRecipeReadsBack) {
  TuneSettings s = Good(), back;
  s.data = {"with \"quotes\"\\and\nlines.jsonl", "한국어.jsonl"};
  s.lr = 3e-5;
  s.alpha = 12.5;
  s.dora = true;
  ASSERT_TRUE(ParseRecipe(WriteRecipe(s), "r.toml", &back));
  EXPECT_EQ(SettingsToJson(s), SettingsToJson(back));
}

TEST(Settings, UnknownKeysAreRefusedWithASuggestion) {
  EXPECT_EQ(RecipeError("epochs = 2\n\nlearning_rat = 0.1\n"),
            "recipe.toml: line 3: unknown setting 'learning_rat', did you mean 'lr'?");
  EXPECT_THAT(RecipeError("epoch = 2"), HasSubstr("did you mean 'epochs'?"));
  EXPECT_THAT(RecipeError("zzzzzzzzzz = 2"), testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(RecipeError("[lora]\nrank = 2"), HasSubstr("unknown setting 'lora'"));
  EXPECT_THAT(RecipeError("epochs = = 2"), HasSubstr("recipe.toml: line 1"));
  // toml++ asserts here, where its next line has an error.
  EXPECT_THAT(RecipeError("[=r 1]"), HasSubstr("recipe.toml: line 1"));
}

TEST(Settings, ValuesOutOfRangeNameFieldExpectedAndFound) {
  EXPECT_EQ(RecipeError("lr = nan"), "recipe.toml: line 1: lr: expected a number above 0 and at most 10, found nan");
  EXPECT_THAT(RecipeError("lr = 0.0"), HasSubstr("lr: expected a number above 0"));
  EXPECT_THAT(RecipeError("batch_size = 0"), HasSubstr("batch_size: expected a whole number of at least 1"));
  EXPECT_THAT(RecipeError("steps = -1"), HasSubstr("steps: expected a whole number of at least 0"));
  EXPECT_THAT(RecipeError("epochs = 'three'"), HasSubstr("epochs: expected a whole number"));
  EXPECT_THAT(RecipeError("data = []"), HasSubstr("data: expected at least one value"));
  EXPECT_THAT(RecipeError("data = [1]"), HasSubstr("data: expected a list of texts"));
  EXPECT_THAT(RecipeError("schedule = 'linar'"),
              HasSubstr("schedule: expected one of constant|linear|cosine, found 'linar'"));
  EXPECT_EQ(FlagError("lr", "nan"), "lr: expected a number above 0 and at most 10, found nan");
  EXPECT_EQ(FlagError("lr", "fast"), "lr: expected a number above 0 and at most 10, found 'fast'");
  EXPECT_THAT(FlagError("lr", "inf"), HasSubstr("lr: expected"));
  EXPECT_THAT(FlagError("epochs", "1.5"), HasSubstr("epochs: expected a whole number of at least 1"));
  EXPECT_THAT(FlagError("rank", "99999999999999999999"), HasSubstr("rank: expected"));
  EXPECT_THAT(FlagError("shuffle", "no"), HasSubstr("shuffle: expected true or false, found 'no'"));
}

TEST(Settings, FieldsAreCheckedAgainstEachOther) {
  EXPECT_TRUE(CheckSettings(Good()));
  const auto error = [](auto change) {
    TuneSettings s = Good();
    change(s);
    const auto status = CheckSettings(s);
    return status ? std::string() : status.error().message;
  };
  EXPECT_THAT(error([](auto& s) { s.data.clear(); }), HasSubstr("data: expected at least one file"));
  EXPECT_THAT(error([](auto& s) { s.out.clear(); }), HasSubstr("out: expected a folder"));
  EXPECT_THAT(error([](auto& s) { s.patience = 2; }), HasSubstr("patience: expected eval_data"));
  EXPECT_THAT(error([](auto& s) { s.memory = "much"; }), HasSubstr("memory: expected a size"));
  EXPECT_THAT(error([](auto& s) { s.save_every = "0s"; }), HasSubstr("save_every: expected a time"));
}

TEST(Settings, SizesAndTimes) {
  EXPECT_EQ(*ParseBytes("memory", "1500"), 1500);
  EXPECT_EQ(*ParseBytes("memory", "700MB"), 700'000'000);
  EXPECT_EQ(*ParseBytes("memory", "1.5GiB"), 1610612736);
  EXPECT_FALSE(ParseBytes("memory", "-3GB"));
  EXPECT_FALSE(ParseBytes("memory", "1e400"));
  EXPECT_EQ(ParseSaveEvery("90s")->seconds, 90);
  EXPECT_EQ(ParseSaveEvery("2min")->seconds, 120);
  EXPECT_EQ(ParseSaveEvery("7steps")->steps, 7);
  EXPECT_FALSE(ParseSaveEvery("1.5steps"));
}

TEST(Settings, Layers) {
  using Range = std::pair<int64_t, int64_t>;
  EXPECT_EQ(*LayersFromText("all", 30), Range(0, 30));
  EXPECT_EQ(*LayersFromText("last:8", 30), Range(22, 30));
  EXPECT_EQ(*LayersFromText("20-29", 30), Range(20, 30));
  EXPECT_EQ(*LayersFromText("0-0", 30), Range(0, 1));
  for (const char* text : {"", "last:", "last:0", "last:31", "30-30", "5-4", "-1", "1-", "x", "1-2-3"}) {
    EXPECT_FALSE(LayersFromText(text, 30)) << text;
  }
}

}  // namespace
}  // namespace hew
