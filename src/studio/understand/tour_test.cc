// The tour's lessons on a tiny random chat model: they do what they say, whatever it answers.
#include "studio/understand/tour.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "studio/export_test_support.h"
#include "studio/registry/workspace.h"

namespace hew {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TourTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "base");
    Json config = {{"bos_token", "<|im_start|>"}, {"eos_token", "<|im_end|>"}};
    config["chat_template"] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
        "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    folder_.Put("base/tokenizer_config.json", config.dump());
    before_ = fs::current_path();
    fs::current_path(folder_.path());  // a relative path must do, though a lesson works elsewhere
  }
  void TearDown() override { fs::current_path(before_); }
  std::unique_ptr<Tour> Open(TourLanguage language) {
    auto tour = Tour::Open(rt_, "base", language, JinjaClock{});
    EXPECT_TRUE(tour) << tour.error().message;
    return tour ? std::move(*tour) : nullptr;
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  TestFolder folder_;
  fs::path before_;
};

TEST(TourTexts, AskWhatTheTextDoesNotHold) {
  for (const TourLanguage language : {TourLanguage::kEnglish, TourLanguage::kKorean}) {
    const std::string text = TourText(language);
    EXPECT_EQ(text, TourText(language));
    EXPECT_THAT(text, HasSubstr(TourBeginning(language)));
    const auto probes = ContextProbes(language);
    EXPECT_GE(probes.size(), 4u);
    for (const ContextProbe& probe : probes) {
      EXPECT_EQ(text.find(probe.text), text.npos) << probe.text;
      EXPECT_THAT(text, HasSubstr(probe.expected));
    }
    for (const TourFact& fact : TourFacts(language)) {
      EXPECT_THAT(fact.answer, HasSubstr(fact.sign));
      for (const auto& question : fact.questions) EXPECT_NE(question, fact.asked);
    }
  }
}

TEST_F(TourTest, LearnsASmallModelInWhichContextDecides) {
  for (const TourLanguage language : {TourLanguage::kEnglish, TourLanguage::kKorean}) {
    const auto tour = Open(language);
    ASSERT_TRUE(tour);
    const auto answers = tour->Context({});
    ASSERT_TRUE(answers) << answers.error().message;
    int right = 0;
    for (const ProbeAnswer& a : *answers) right += a.right;
    EXPECT_GE(right, static_cast<int>(answers->size()) - 1);
    const auto learned = tour->Learn({});
    ASSERT_TRUE(learned);
    EXPECT_GT((*learned)->watch.losses.front().loss, 5);
    EXPECT_LT((*learned)->watch.losses.back().loss, 1.2);
    const auto sizes = tour->Sizes({});
    ASSERT_TRUE(sizes) << sizes.error().message;
    ASSERT_EQ(sizes->models.size(), 4u);
    for (size_t i = 1; i < 4; ++i) {
      EXPECT_LT(sizes->models[i].bytes, sizes->models[i - 1].bytes);
      EXPECT_EQ(sizes->models[i].next[0].id, sizes->models[0].next[0].id);
    }
    EXPECT_EQ(sizes->models[0].kl, 0);
    EXPECT_LT(sizes->models[3].kl, 0.5);
  }
}

TEST_F(TourTest, TeachesAndMendsAndLeavesNothingBehind) {
  std::string left;
  {
    const auto tour = Open(TourLanguage::kEnglish);
    ASSERT_TRUE(tour);
    left = tour->folder();
    const auto weights = tour->Weights();
    ASSERT_TRUE(weights) << weights.error().message;
    EXPECT_EQ(weights->parameters, tour->opened().model->parameter_count());
    EXPECT_EQ(weights->numbers.size(), 8u);
    const auto facts = tour->Teach({});
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_TRUE((*facts)->same_without);
    EXPECT_EQ((*facts)->rows, 16);
    EXPECT_EQ((*facts)->answers.size(), 5u);
    EXPECT_GT((*facts)->diff.change_norm, 0);
    EXPECT_EQ((*facts)->diff.adapter_parameters, (*facts)->report.trainable_parameters);
    const auto workspace = tour->MakeWorkspace();
    ASSERT_TRUE(workspace) << workspace.error().message;
    fs::current_path(*workspace);
    const auto versions = tour->Versions({});
    ASSERT_TRUE(versions) << versions.error().message;
    EXPECT_GE(versions->new_rows, 5);  // what was flagged, and other wordings of it
    EXPECT_EQ(versions->replayed_rows, std::min((*facts)->rows, 2 * versions->new_rows));
    EXPECT_FALSE(versions->gate.lines.empty());
    const auto found = Workspace::Find(*workspace);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->Open("v2")->parent, 1);
    EXPECT_EQ((*found)->Open("v1")->name, "facts");
    EXPECT_EQ(ToJson(*versions)["gate"]["lines"].size(), versions->gate.lines.size());
    fs::current_path(folder_.path());
  }
  EXPECT_FALSE(fs::exists(left));
}

}  // namespace
}  // namespace hew
