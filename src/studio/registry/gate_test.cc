// Rules, verdicts, fixes and what may be learned from them.
#include "studio/registry/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/test_folder.h"
#include "studio/export_test_support.h"
#include "studio/registry/bisect.h"
#include "studio/registry/fixes.h"
#include "studio/registry/record.h"
#include "train/data_format.h"

namespace hew {
namespace {

using testing::HasSubstr;

TEST(Rules, AreReadAndRefusedByName) {
  const auto rules =
      ParseRules("suites = [\"a\", \"b\"]\nworse_points_most = 2\nbase_suite = \"general\"\n", "release.toml");
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_THAT(rules->suites, testing::ElementsAre("a", "b"));
  EXPECT_EQ(rules->worse_points_most, 2);
  EXPECT_EQ(rules->fixed_least, 0.9);
  for (const auto& [text, word] : std::vector<std::pair<const char*, const char*>>{
           {"fixed = 1", "release.toml: line 1: unknown rule 'fixed', expected one of suites"},
           {"\nkl_most = -1", "line 2: kl_most: expected a number of at least 0"},
           {"kl_most = nan", "kl_most"},
           {"suites = \"a\"", "suites: expected a list"},
           {"base_suite = 3", "base_suite: expected text"},
           {"a = ", "line 1"}}) {
    const auto wrong = ParseRules(text, "release.toml");
    ASSERT_FALSE(wrong) << text;
    EXPECT_THAT(wrong.error().message, HasSubstr(word));
  }
}

AnswerDiff Turned(int64_t broken, int64_t fixed, int64_t n) {
  std::vector<StoredAnswer> before, after;
  for (int64_t i = 0; i < n; ++i) {
    StoredAnswer a;
    a.suite = "s", a.id = std::to_string(i), a.answer = "x";
    a.passed = i < broken || i >= broken + fixed;
    before.push_back(a);
    a.passed = i >= broken;
    after.push_back(a);
  }
  return CompareAnswers(before, after);
}

TEST(JudgeSuite, TellsPassFailAndTooFew) {
  EXPECT_EQ(JudgeSuite(Turned(0, 0, 1000), "s", 1).verdict, Verdict::kPass);
  EXPECT_EQ(JudgeSuite(Turned(0, 12, 100), "s", 1).verdict, Verdict::kPass);
  EXPECT_EQ(JudgeSuite(Turned(30, 2, 400), "s", 1).verdict, Verdict::kFail);
  const GateLine few = JudgeSuite(Turned(0, 0, 50), "s", 1);
  EXPECT_EQ(few.verdict, Verdict::kInconclusive);
  EXPECT_EQ(JudgeSuite(Turned(0, 0, 50 + few.cases_missing), "s", 1).verdict, Verdict::kPass);
  const GateLine swapped = JudgeSuite(Turned(10, 10, 200), "s", 1);  // equal accuracy, many swapped answers
  EXPECT_EQ(swapped.verdict, Verdict::kInconclusive);
  EXPECT_THAT(swapped.measured, HasSubstr("10 broken, 10 fixed of 200"));
  EXPECT_EQ(JudgeSuite(Turned(0, 0, 0), "s", 1).verdict, Verdict::kInconclusive);
}

TEST(Reword, GivesOtherWordingsOfTheSameQuestion) {
  for (const char* question : {"How do I get a refund?", "환불은 어떻게 받나요?", "PDF export"}) {
    const auto wordings = Reword(question);
    EXPECT_GE(wordings.size(), 6u);
    EXPECT_EQ(std::set<std::string>(wordings.begin(), wordings.end()).size(), wordings.size());
    EXPECT_THAT(wordings, testing::Not(testing::Contains(question)));
    EXPECT_EQ(wordings, Reword(question));
  }
}

class FixTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "tiny");
    // Unlike the tiny folder's own template, one that shows what the assistant says.
    folder_.Put("tiny/tokenizer_config.json",
                R"({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template":
                "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"})");
    auto made = Workspace::Init(folder_.path());
    ASSERT_TRUE(made) << made.error().message;
    workspace_.emplace(*std::move(made));
    ASSERT_TRUE(workspace_->RegisterBase(folder_.Path("tiny")));
  }
  static Fix Wrong(const std::string& question, const std::string& good, const std::string& tag = "t") {
    Fix fix;
    fix.version = kBaseVersion;
    fix.tag = tag;
    fix.messages = Json::array({{{"role", "user"}, {"content", question}}});
    fix.bad = "a wrong answer", fix.good = good;
    return fix;
  }
  TestFolder folder_;
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  std::optional<Workspace> workspace_;
};

TEST_F(FixTest, IsARowAPairAndATest) {
  ASSERT_EQ(*AddFix(*workspace_, Wrong("What is the colour?", "Blue.")), 1);
  const auto fixes = ListFixes(*workspace_, "t");
  ASSERT_EQ(fixes->size(), 1u);
  const Fix& fix = (*fixes)[0];
  EXPECT_EQ(TrainingRow(fix)["messages"].back()["content"], "Blue.");
  EXPECT_EQ(PreferencePair(fix)["rejected"][0]["content"], "a wrong answer");
  EXPECT_EQ(fix.held_out.size(), 2u);
  const auto suite = FixSuite(*workspace_);
  ASSERT_TRUE(suite) << suite.error().message;
  ASSERT_EQ(suite->cases.size(), 3u);
  EXPECT_TRUE(suite->cases[0].must_pass);
  std::string why;
  for (const auto& test : suite->cases) {
    EXPECT_TRUE(Passes(test, "Blue.", &why));
    EXPECT_FALSE(Passes(test, "a wrong answer", &why));
  }
}

TEST_F(FixTest, WhatIsNoFixIsRefused) {
  Fix fix = Wrong("q?", "good");
  fix.check = {{"contains", "better"}};
  EXPECT_THAT(AddFix(*workspace_, fix).error().message, HasSubstr("--good"));
  fix = Wrong("q?", "good");
  fix.bad = "good";
  EXPECT_THAT(AddFix(*workspace_, fix).error().message, HasSubstr("expected a wrong answer"));
  ASSERT_TRUE(AddFix(*workspace_, Wrong("Which one?", "This.")));
  EXPECT_THAT(AddFix(*workspace_, Wrong("which ONE", "That.")).error().message, HasSubstr("expected one right answer"));
  EXPECT_THAT(PlanFix(*workspace_, *workspace_->registry().Get(0), "other", 2, 0, folder_.path()).error().message,
              HasSubstr("--tag other"));
}

TEST_F(FixTest, NoTestLeaksIntoTraining) {
  ASSERT_TRUE(AddFix(*workspace_, Wrong("What is the colour?", "Blue.")));
  ASSERT_TRUE(AddFix(*workspace_, Wrong("How large is it?", "Two metres.")));
  // A suite that asks one of the learned wordings, one flagged question, and one of the old rows.
  const std::string wording = (*ListFixes(*workspace_, ""))[0].learned[1];
  const auto row = [](const std::string& question) {
    return Json({{"id", question}, {"prompt", question}, {"check", {{"equals", "x"}}}}).dump() + "\n";
  };
  ASSERT_TRUE(OpenSuite(&*workspace_,
                        folder_.Put("suite.jsonl", row(wording) + row("how large is it") + row("an old question"))));
  // A parent that has learned rows: one tested, one that taught the fault, two others.
  const auto old = [](const std::string& question) {
    return Json({{"messages", Json::array({{{"role", "user"}, {"content", question}},
                                           {{"role", "assistant"}, {"content", "old"}}})}})
               .dump() +
           "\n";
  };
  Version parent;
  parent.made_by = "tune", parent.parent = kBaseVersion, parent.base = workspace_->registry().Get(0)->base;
  parent.data = {*StoreData(
      *workspace_, "data",
      folder_.Put("old.jsonl", old("An old question?") + old("What is the colour?") + old("kept 1") + old("kept 2")))};
  const int64_t id = *workspace_->registry().Add(parent);
  const auto plan = PlanFix(*workspace_, *workspace_->registry().Get(id), "t", 2, 5, folder_.path());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->replayed_rows, 2);
  EXPECT_EQ(plan->left_out, 3) << "a wording, the tested old row, the row that taught the fault";
  EXPECT_EQ(plan->asked.size(), 1u);
  const std::string learned = *ReadFile(plan->settings.data[0]);
  const auto fixes = ListFixes(*workspace_, "");
  ASSERT_TRUE(fixes) << fixes.error().message;
  for (const auto& fix : *fixes) {
    for (const auto& held : fix.held_out) EXPECT_THAT(learned, testing::Not(HasSubstr(held)));
  }
  EXPECT_THAT(learned, testing::Not(HasSubstr(wording)));
  EXPECT_THAT(learned, testing::AllOf(HasSubstr("How large is it?"), HasSubstr("kept 1"), HasSubstr("kept 2")));
}

TEST_F(FixTest, RowsOfEachFormatAreReplayedFromAFileOfTheirOwn) {
  ASSERT_TRUE(AddFix(*workspace_, Wrong("What is the colour?", "Blue.")));
  Version parent;
  parent.made_by = "tune", parent.parent = kBaseVersion, parent.base = workspace_->registry().Get(0)->base;
  parent.data = {
      *StoreData(*workspace_, "data", folder_.Put("old.txt", "A text of its own.\n")),
      *StoreData(*workspace_, "data", folder_.Put("old.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\"}\n"))};
  const int64_t id = *workspace_->registry().Add(parent);
  const auto plan = PlanFix(*workspace_, *workspace_->registry().Get(id), "t", 2, 5, folder_.path());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->replayed_rows, 2);
  ASSERT_EQ(plan->settings.data.size(), 3u);
  EXPECT_THAT(*ReadFile(plan->settings.data[0]), HasSubstr("What is the colour?"));
  EXPECT_EQ(*ReadFile(plan->settings.data[1]), "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
  EXPECT_EQ(*ReadFile(plan->settings.data[2]), "{\"text\":\"A text of its own.\"}\n");
}

TEST_F(FixTest, PairsAreLearnedAloneAndNotReplayed) {
  ASSERT_TRUE(AddFix(*workspace_, Wrong("What is the colour?", "Blue.")));
  const Fix fix = (*ListFixes(*workspace_, "t"))[0];
  Version parent;
  parent.made_by = "tune", parent.parent = kBaseVersion, parent.base = workspace_->registry().Get(0)->base;
  parent.data = {*StoreData(*workspace_, "data",
                            folder_.Put("old.jsonl", TrainingRow(fix, "kept").dump() + "\n" +
                                                         PreferencePair(fix, "an old pair").dump() + "\n"))};
  const int64_t id = *workspace_->registry().Add(parent);
  const Version version = *workspace_->registry().Get(id);
  const auto pairs = PlanFix(*workspace_, version, "t", 2, 5, folder_.path(), "dpo");
  ASSERT_TRUE(pairs) << pairs.error().message;
  EXPECT_EQ(pairs->settings.method, "dpo");
  EXPECT_EQ(pairs->replayed_rows, 0);
  EXPECT_EQ(pairs->new_rows, 1 + static_cast<int64_t>(fix.learned.size()));
  std::istringstream lines(*ReadFile(pairs->settings.data[0]));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(Json::parse(line), PreferencePair(fix));
  while (std::getline(lines, line)) {
    DataRow row;
    row.object = Json::parse(line);
    const auto pair = NormalisePreference(row);
    ASSERT_TRUE(pair) << pair.error().message;
    EXPECT_EQ(pair->rejected.messages.back()["content"], "a wrong answer");
  }
  const auto rows = PlanFix(*workspace_, version, "t", 2, 5, folder_.path());
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->replayed_rows, 1);
  EXPECT_THAT(*ReadFile(rows->settings.data[0]),
              testing::AllOf(HasSubstr("kept"), testing::Not(HasSubstr("an old pair"))));
}

TEST_F(FixTest, TheGateAsksBothVersionsAndBisectFindsTheTurn) {
  folder_.Put(
      "suite.jsonl",
      "{\"id\": \"a\", \"prompt\": \"some text\", \"check\": {\"not_contains\": \"zzzz\"}, \"must_pass\": true}\n");
  // Three versions with kept answers: the second one broke the case.
  std::vector<int64_t> ids = {0};
  const NamedSuite suite = *OpenSuite(&*workspace_, folder_.Path("suite.jsonl"));
  SuiteOptions options;
  for (int i = 1; i <= 3; ++i) {
    Version v;
    v.made_by = "tune", v.kind = VersionKind::kBase, v.parent = ids.back(),
    v.base = workspace_->registry().Get(0)->base;
    v.data = {*StoreData(*workspace_, "data", folder_.Put("d.txt", "row of version " + std::to_string(i)))};
    ids.push_back(*workspace_->registry().Add(v));
  }
  for (const int64_t id : ids) {
    StoredAnswer a{suite.name,
                   "a",
                   suite.cases[0].Digest(options.max_tokens),
                   id >= 2 ? "bad" : "good",
                   id >= 2 ? "w" : "",
                   id < 2,
                   true,
                   {},
                   {},
                   ArithmeticOf(rt_),
                   {}};
    ASSERT_TRUE(workspace_->registry().SaveAnswers(id, {{suite.name, "a", a.digest, suite.cases[0].body}}, {a}));
  }
  const auto found = Bisect(*workspace_, rt_, "a", "", -1, 3, options, 5);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->outcome, BisectReport::Outcome::kFound);
  EXPECT_EQ(found->good, 1);
  EXPECT_EQ(found->bad, 2);
  ASSERT_EQ(found->rows.added.size(), 1u);
  EXPECT_EQ(found->rows.added[0].text, "row of version 2");
  EXPECT_EQ(found->rows.removed[0].text, "row of version 1");
  EXPECT_EQ(Bisect(*workspace_, rt_, "a", "", -1, 1, options, 5)->outcome, BisectReport::Outcome::kPasses);
  EXPECT_FALSE(Bisect(*workspace_, rt_, "nothing", "", -1, 1, options, 5));
}

}  // namespace
}  // namespace hew
