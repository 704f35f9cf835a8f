// hew merge and hew convert on a tiny model: what they report is what a later opening sees.
#include "studio/merge.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/digest.h"
#include "studio/convert.h"
#include "studio/export_test_support.h"
#include "studio/open_model.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

class MergeTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "base");
    const auto base = LoadModel(rt_, Path("base"));
    ASSERT_TRUE(base) << base.error().message;
    LoraConfig config;
    config.rank = 4;
    config.alpha = 8;
    auto adapter = LoraAdapter::Create(rt_, config, **base, 3);
    ASSERT_TRUE(adapter);
    Random random{3, 1, 0};
    for (const LoraModule& m : adapter->modules) {
      for (int64_t i = 0; i < m.out * m.rank; ++i) {
        adapter->parameters[m.b_offset + static_cast<size_t>(i)] = 0.05f * random.Normal();
      }
    }
    ASSERT_TRUE(SavePeftAdapter(*adapter, **base, Path("adapter")));
    before_ = Names();
  }
  std::string Path(const std::string& name) const { return folder_.Path(name); }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) names.insert(entry.path().filename());
    return names;
  }
  ExportReport Merge(const std::string& base, const std::string& out, std::optional<FileType> type) {
    auto report = MergeModel(rt_, Path(base), {Path("adapter")}, Path(out), {type});
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : ExportReport();
  }
  template <typename T>
  void ExpectRefused(const Result<T>& result, const std::string& mentions) {
    ASSERT_FALSE(result) << mentions;
    EXPECT_EQ(result.error().code, ErrorCode::kBadInput);
    EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find(mentions), std::string::npos) << result.error().message;
    EXPECT_EQ(Names(), before_);
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kFp32};
  TestFolder folder_;
  std::set<std::string> before_;
};

TEST_F(MergeTest, ReportsWhatWasWritten) {
  const ExportReport report = Merge("base", "m.gguf", DType::kF32);
  EXPECT_EQ(report.path, Path("m.gguf"));
  EXPECT_EQ(report.sha256, *Sha256OfFile(Path("m.gguf")));
  EXPECT_EQ(report.bytes, fs::file_size(Path("m.gguf")));
  EXPECT_EQ(report.type, DType::kF32);
  EXPECT_GT(report.compared_tokens, 300u);
  EXPECT_LT(report.max_logit_diff, 1e-3);
  EXPECT_EQ(report.advice, "");
  before_.insert("m.gguf");
  EXPECT_EQ(Names(), before_);
}

TEST_F(MergeTest, ARoughTypeIsMeasuredAndAFinerOneAdvised) {
  const ExportReport rough = Merge("base", "q4.gguf", DType::kQ4_0), fine = Merge("base", "q8.gguf", DType::kQ8_0);
  EXPECT_GT(rough.max_logit_diff, 2 * fine.max_logit_diff);
  EXPECT_GT(rough.mean_logit_diff, 2 * fine.mean_logit_diff);
  EXPECT_NE(rough.advice.find("Q4_0"), std::string::npos) << rough.max_logit_diff;
  EXPECT_NE(rough.advice.find("F16"), std::string::npos);
}

TEST_F(MergeTest, WithoutATypeAQuantisedBaseKeepsEightBits) {
  ASSERT_TRUE(Convert(rt_, Path("base"), Path("q4.gguf"), {DType::kQ4_1}, ""));
  EXPECT_EQ(Merge("q4.gguf", "m.gguf", std::nullopt).type, DType::kQ8_0);
  EXPECT_EQ(Merge("q4.gguf", "m", std::nullopt).type, DType::kF16);
  EXPECT_EQ(Merge("base", "f32.gguf", std::nullopt).type, DType::kF32);
}

TEST_F(MergeTest, ScalesAndSeveralAdapters) {
  const auto whole = MergeModel(rt_, Path("base"), {Path("adapter")}, Path("whole.gguf"), {DType::kF32});
  const auto halves = MergeModel(rt_, Path("base"), {Path("adapter") + "=0.5", Path("adapter") + "=0.5"},
                                 Path("halves.gguf"), {DType::kF32});
  ASSERT_TRUE(whole && halves) << halves.error().message;
  const auto a = OpenModel(rt_, Path("whole.gguf"), {}), b = OpenModel(rt_, Path("halves.gguf"), {});
  ASSERT_TRUE(a && b);
  ExportReport difference;
  ASSERT_TRUE(CompareLogits(rt_, *a->model, {}, *b->model, {}, *a->tokenizer, &difference));
  EXPECT_LT(difference.max_logit_diff, 1e-3);
}

TEST_F(MergeTest, ConvertsThereAndBackWithoutLoss) {
  const auto there = Convert(rt_, Path("base"), Path("a.gguf"), {}, "");
  ASSERT_TRUE(there) << there.error().message;
  EXPECT_EQ(there->max_logit_diff, 0);
  const auto back = Convert(rt_, Path("a.gguf"), Path("again"), {DType::kF32}, "");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->max_logit_diff, 0);
  EXPECT_EQ(back->sha256, *DigestOfModel(Path("again")));
}

TEST_F(MergeTest, ConvertsAdapters) {
  EXPECT_TRUE(IsAdapter(Path("adapter")));
  EXPECT_FALSE(IsAdapter(Path("base")));
  const auto gguf = Convert(rt_, Path("adapter"), Path("a.gguf"), {}, Path("base"));
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->max_logit_diff, 0);
  EXPECT_TRUE(IsAdapter(Path("a.gguf")));
  const auto peft = Convert(rt_, Path("a.gguf"), Path("peft"), {}, Path("base"));
  ASSERT_TRUE(peft) << peft.error().message;
  EXPECT_EQ(folder_.Get("peft/adapter_model.safetensors"), folder_.Get("adapter/adapter_model.safetensors"));
}

TEST_F(MergeTest, RefusesAndLeavesNothingBehind) {
  folder_.Put("adapter/adapter_config.json", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 1e35})");
  ExpectRefused(MergeModel(rt_, Path("base"), {Path("adapter")}, Path("m.gguf"), {DType::kF16}), "fit F16");
  folder_.Put("adapter/adapter_config.json", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8})");
  ExpectRefused(MergeModel(rt_, Path("base"), {Path("absent")}, Path("m.gguf"), {}), "absent");
  ExpectRefused(MergeModel(rt_, Path("absent"), {Path("adapter")}, Path("m.gguf"), {}), "absent");
  ExpectRefused(MergeModel(rt_, Path("base"), {Path("adapter")}, Path("base"), {}), "own");
  ExpectRefused(MergeModel(rt_, Path("base"), {Path("adapter")}, Path("m"), {DType::kQ8_0}), "Q8_0");
  ExpectRefused(Convert(rt_, Path("adapter"), Path("a.gguf"), {}, ""), "--base");
  ExpectRefused(Convert(rt_, Path("adapter"), Path("a.gguf"), {DType::kF16}, Path("base")), "--type");
  ExpectRefused(Convert(rt_, Path("adapter"), Path("adapter"), {}, Path("base")), "own");
  ExpectRefused(Convert(rt_, Path("adapter"), Path("base"), {}, Path("base")), "files in it");
  ExpectRefused(Convert(rt_, Path("base"), Path("m.gguf"), {}, Path("base")), "--base");
}

TEST_F(MergeTest, WhatAKilledRunLeftIsRemovedByTheNext) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const auto of = [](const char* name, pid_t pid, const char* rest) { return fmt::format("{}.{}{}", name, pid, rest); };
  folder_.Put(of("m.gguf.unchecked", child, ".gguf"), "whole but not compared");
  folder_.Put(of("m.gguf.unchecked", child, ".gguf.tmp.7"), "half");
  folder_.Put(of("m.gguf.unchecked", getppid(), ".gguf"), "of one that runs");
  folder_.Put(of("other.gguf.tmp", child, ""), "another's");
  folder_.Put("m.gguf.tmp.notes", "the user's own");
  before_ = Names();
  before_.erase(of("m.gguf.unchecked", child, ".gguf"));
  before_.erase(of("m.gguf.unchecked", child, ".gguf.tmp.7"));
  before_.insert("m.gguf");
  Merge("base", "m.gguf", DType::kF16);
  EXPECT_EQ(Names(), before_);
}

TEST_F(MergeTest, StoppedItKeepsNothing) {
  const std::atomic<bool> cancelled{true};
  const auto report = MergeModel(rt_, Path("base"), {Path("adapter")}, Path("m.gguf"), {}, &cancelled);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(Names(), before_);
}

}  // namespace
}  // namespace hew
