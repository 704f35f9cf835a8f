#include "train/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "train/test_support.h"

namespace hew {
namespace {

using testing::HasSubstr;

constexpr const char* kFour = "lr = [1e-6, 1e-2]\nrank = [2, 4]\n";

class SweepTest : public testing::Test {
 protected:
  SweepTest() : folder_(TestFolder("sweep")) {
    std::string rows, questions;
    for (int i = 0; i < 24; ++i)
      rows += fmt::format("{{\"prompt\": \"what follows {}\", \"completion\": \"{} does\"}}\n", i, i + 1);
    for (int i = 30; i < 36; ++i)
      questions += fmt::format("{{\"prompt\": \"what follows {}\", \"completion\": \"{} does\"}}\n", i, i + 1);
    data_ = WriteTestFile(folder_, "data.jsonl", rows);
    eval_ = WriteTestFile(folder_, "eval.jsonl", questions);
  }

  TuneRequest Request(const std::string& out) const {
    TuneRequest request;
    request.settings.base = "tiny";
    request.settings.data = {data_}, request.settings.eval_data = {eval_};
    request.settings.out = folder_ + "/" + out;
    request.settings.batch_size = 4;
    request.settings.epochs = 4;
    request.quiet = true;
    request.tokenizer = std::make_shared<ByteTokenizer>();
    return request;
  }
  Result<SweepReport> Run(TuneRequest request, const std::string& toml = kFour) {
    request.model = model_;
    auto sweep = ParseSweep(toml, "sweep.toml", request.settings);
    HEW_CHECK(sweep.has_value());
    return RunSweep(rt_, request, *sweep);
  }
  std::string File(const std::string& out, const char* name) const {
    return *ReadFile(folder_ + "/" + out + "/" + name);
  }
  std::string Refusal(const std::string& toml) {
    const auto sweep = ParseSweep(toml, "s.toml", Request("x").settings);
    return sweep ? "" : sweep.error().message;
  }
  // Without what the clock says.
  static nlohmann::ordered_json Timeless(nlohmann::ordered_json json) {
    json.erase("seconds");
    for (auto& candidate : json["candidates"]) candidate.erase("seconds");
    return json;
  }

  std::string folder_, data_, eval_;
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  std::shared_ptr<const Model> model_ = TinyModel(rt_);
};

TEST_F(SweepTest, EveryCombinationIsACandidate) {
  const auto sweep = ParseSweep("seed = [1, 2, 3]\nlr = [1e-3, 1e-2]\nschedule = [\"linear\"]\nrungs = 1\n", "s",
                                Request("x").settings);
  ASSERT_TRUE(sweep) << sweep.error().message;
  ASSERT_EQ(sweep->candidates.size(), 6u);
  EXPECT_EQ(sweep->rungs, 1);
  EXPECT_EQ(sweep->candidates[0].values.dump(), R"({"seed":1,"lr":0.001,"schedule":"linear"})");
  EXPECT_EQ(sweep->candidates[1].settings.seed, 1);
  EXPECT_EQ(sweep->candidates[1].settings.lr, 1e-2);
  EXPECT_EQ(sweep->candidates[5].settings.seed, 3);
}

TEST_F(SweepTest, WhatIsNoSweepIsRefusedInOneLine) {
  EXPECT_THAT(Refusal(""), HasSubstr("expected at least two candidates, found 1"));
  EXPECT_THAT(Refusal("lr = [1e-3]"), HasSubstr("expected at least two candidates"));
  EXPECT_THAT(Refusal("lr = 1e-3"), HasSubstr("line 1: lr: expected a list of values"));
  EXPECT_THAT(Refusal("lr = []"), HasSubstr("expected a list of values"));
  EXPECT_THAT(Refusal("\nlr = [1e-3, \"fast\"]"), HasSubstr("line 2: lr: expected a number"));
  EXPECT_THAT(Refusal("lr = [1e-3, [2]]"), HasSubstr("expected numbers, texts"));
  EXPECT_THAT(Refusal("learning = [1, 2]"), HasSubstr("unknown setting 'learning'"));
  EXPECT_THAT(Refusal("data = [\"a\", \"b\"]"), HasSubstr("found one that all share"));
  EXPECT_THAT(Refusal("rank = [4, 100000]"), HasSubstr("rank: expected"));
  EXPECT_THAT(Refusal("rungs = 9\nrank = [4, 8]"), HasSubstr("rungs: expected 0 to 8"));
  EXPECT_THAT(Refusal("lr = [1"), HasSubstr("line 1"));
  std::string many = "seed = [0";
  for (int i = 1; i < 300; ++i) many += fmt::format(", {}", i);
  EXPECT_THAT(Refusal(many + "]"), HasSubstr("at most 256 candidates"));
}

TEST_F(SweepTest, TheWeakStopEarlyAndTheBestIsAsIfAlone) {
  const auto report = Run(Request("swept"));
  ASSERT_TRUE(report) << report.error().message;
  const auto& candidates = report->json["candidates"];
  int finished = 0, stopped = 0;
  for (const auto& candidate : candidates) {
    finished += candidate["state"] == "finished";
    stopped += candidate["state"] == "stopped";
    if (candidate["state"] == "stopped") {
      EXPECT_LT(candidate["step"], candidate["steps"]);
    }
  }
  EXPECT_EQ(finished, 1);
  EXPECT_EQ(stopped, 3);
  EXPECT_EQ(report->settings.lr, 1e-2);  // the other hardly learns
  const auto winner = report->json["winner"].get<size_t>();
  EXPECT_EQ(candidates[winner - 1]["state"], "finished");
  EXPECT_EQ(report->best.eval_loss, candidates[winner - 1]["eval_loss"].get<double>());

  TuneRequest alone = Request("alone");
  alone.settings = report->settings;
  alone.settings.out = folder_ + "/alone";
  alone.model = model_;
  const auto lone = Tune(rt_, alone);
  ASSERT_TRUE(lone) << lone.error().message;
  EXPECT_EQ(File("swept", "adapter_model.safetensors"), File("alone", "adapter_model.safetensors"));
  EXPECT_EQ(lone->eval_loss, report->best.eval_loss);

  const auto run = nlohmann::ordered_json::parse(File("swept", kRunFile));
  EXPECT_EQ(run["sweep"]["candidates"].size(), 4u);
  TuneSettings again;
  ASSERT_TRUE(ParseRecipe(File("swept", kRecipeFile), "recipe", &again));
  EXPECT_EQ(again.lr, report->settings.lr);
  EXPECT_THAT(SweepTable(report->json), HasSubstr("stopped"));
  const auto twice = Run(Request("swept"));
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("found a sweep"));
}

TEST_F(SweepTest, WithoutRungsAllRunToTheirEnd) {
  const auto report = Run(Request("all"), "rungs = 0\nseed = [1, 2, 3]\n");
  ASSERT_TRUE(report) << report.error().message;
  double best = 1e9;
  for (const auto& candidate : report->json["candidates"]) {
    EXPECT_EQ(candidate["state"], "finished");
    best = std::min(best, candidate["eval_loss"].get<double>());
  }
  EXPECT_EQ(report->best.eval_loss, best);
}

TEST_F(SweepTest, StoppedAnywhereItGoesOnToTheSame) {
  const auto whole = Run(Request("whole"));
  ASSERT_TRUE(whole) << whole.error().message;
  int steps = 0;
  TuneRequest counted = Request("counted");
  counted.on_step = [&](const StepMetrics&) { ++steps; };
  ASSERT_TRUE(Run(counted));
  const int all = steps;
  for (const int stop : {1, all / 3, all / 2, all - 2}) {
    std::atomic<bool> cancel = false;
    const std::string out = fmt::format("stopped-{}", stop);
    TuneRequest request = Request(out);
    int done = 0;
    request.cancel = &cancel;
    request.on_step = [&](const StepMetrics&) { cancel = ++done == stop; };
    const auto stopped = Run(request);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
    EXPECT_THAT(stopped.error().message, HasSubstr("--resume"));
    TuneRequest other = Request(out);
    other.resume = true;
    const auto wrong = Run(other, "lr = [1e-6, 1e-2]\nrank = [2, 8]\n");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message, HasSubstr("found another"));
    cancel = false;
    int rest = 0;
    request.on_step = [&](const StepMetrics&) { ++rest; };
    request.resume = true;
    const auto resumed = Run(request);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(Timeless(resumed->json), Timeless(whole->json));
    EXPECT_EQ(File(out, "adapter_model.safetensors"), File("whole", "adapter_model.safetensors"));
    EXPECT_EQ(done + rest, all);  // nothing twice
  }
}

TEST_F(SweepTest, ACandidateThatDivergesLoses) {
  const auto report = Run(Request("wild"), "lr = [10.0, 1e-2]\nclip = [0.0]\nwarmup = [0.0]\nseed = [1, 2]\n");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->settings.lr, 1e-2);
}

TEST_F(SweepTest, RowsToCompareByAreNeeded) {
  TuneRequest request = Request("none");
  request.settings.eval_data.clear();
  const auto report = Run(request);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("eval_data: expected rows to compare candidates by"));
}

}  // namespace
}  // namespace hew
