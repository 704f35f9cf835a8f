// Whole runs of tiny models: they learn, go on with the same bits, and leave a folder that opens and speaks.
#include "studio/pretrain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "studio/open_model.h"
#include "train/snapshots.h"

namespace hew {
namespace {

using testing::HasSubstr;

class PretrainTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("hew_pretrain_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 200; ++i) text << "the cat number " << i % 7 << " sat on the mat and then it slept\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  PretrainRequest Request(const std::string& out) const {
    PretrainRequest request;
    request.quiet = true;
    TuneSettings& s = request.settings;
    s = PretrainDefaults();
    s.data = {(folder_ / "text.txt").string()};
    s.out = (folder_ / out).string();
    s.documents = "lines";
    s.vocab_size = 300;
    s.hidden_size = 32;
    s.intermediate_size = 64;
    s.num_hidden_layers = 2;
    s.num_attention_heads = 2;
    s.max_length = 24;
    s.batch_tokens = 96;
    s.steps = 20;
    s.lr = 1e-2;
    return request;
  }
  static Result<TuneReport> Run(const PretrainRequest& request, int threads = 2) {
    const ThreadPool pool(threads);
    return Pretrain({&pool, BestIsa(), Precision::kDefault}, request);
  }
  std::string File(const std::string& out, const char* name) const {
    return ReadFile((folder_ / out / name).string()).value_or("");
  }

  std::filesystem::path folder_;
};

TEST_F(PretrainTest, LearnsAndLeavesAModelThatSpeaks) {
  for (const char* arch : {"llama", "gpt2"}) {
    SCOPED_TRACE(arch);
    PretrainRequest request = Request(arch);
    request.settings.arch = arch;
    request.settings.steps = 80;
    request.settings.sample = {"the cat"};
    request.settings.sample_every = 40;
    std::vector<double> losses;
    request.on_step = [&](const StepMetrics& m) { losses.push_back(m.loss); };
    const auto report = Run(request);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->steps, 80);
    EXPECT_GT(losses.front(), 5);
    EXPECT_LT(losses.back(), 1.5);
    EXPECT_EQ(ToJson(*report)["model"], request.settings.out);
    const ThreadPool pool(2);
    const Runtime rt{&pool, BestIsa(), Precision::kDefault};
    const auto opened = OpenModel(rt, request.settings.out, {});
    ASSERT_TRUE(opened) << opened.error().message;
    GenerateRequest generate;
    generate.prompt = opened->tokenizer->Encode("the cat", {.add_special = true});
    generate.sampling.temperature = 0;
    generate.max_tokens = 8;
    const auto answer = Generator(*opened->MakeEngine(rt)).Generate(generate);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_THAT(answer->text, HasSubstr("number"));
    // The last sample is of the weights that were written.
    const std::string samples = File(arch, "samples.jsonl");
    EXPECT_THAT(samples, HasSubstr("\"step\":40"));
    EXPECT_THAT(samples, HasSubstr("\"text\":\"" + answer->text));
    EXPECT_FALSE(std::filesystem::exists(folder_ / arch / "tokens"));
  }
}

TEST_F(PretrainTest, StoppedAndResumedGivesTheSameBitsForAnyThreads) {
  for (const char* optimizer : {"adamw", "muon"}) {
    SCOPED_TRACE(optimizer);
    const auto request = [&](const std::string& out) {
      PretrainRequest r = Request(out + optimizer);
      r.settings.optimizer = optimizer;
      r.settings.eval_data = r.settings.data;
      r.settings.eval_every = 6;
      return r;
    };
    ASSERT_TRUE(Run(request("whole"), 1));
    std::atomic<bool> cancel{false};
    PretrainRequest stopped = request("stopped");
    stopped.cancel = &cancel;
    stopped.on_step = [&](const StepMetrics& m) { cancel = m.step == 7; };
    const auto first = Run(stopped, 3);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code, ErrorCode::kCancelled);
    cancel = false;
    stopped.on_step = nullptr;
    EXPECT_FALSE(Run(stopped));  // an unfinished run is not overwritten
    stopped.resume = true;
    const auto second = Run(stopped, 3);
    ASSERT_TRUE(second) << second.error().message;
    const std::string weights = File(std::string("whole") + optimizer, "model.safetensors");
    EXPECT_FALSE(weights.empty());
    EXPECT_TRUE(weights == File(std::string("stopped") + optimizer, "model.safetensors"));
  }
}

// Each is a model that opens; the last one is the one that is written.
TEST_F(PretrainTest, KeepsSnapshotsOnTheWay) {
  PretrainRequest request = Request("kept");
  request.settings.snapshots = 3;
  ASSERT_TRUE(Run(request));
  ASSERT_TRUE(Run(Request("plain")));
  EXPECT_TRUE(File("kept", "model.safetensors") == File("plain", "model.safetensors"));
  const auto snapshots = ListSnapshots(request.settings.out);
  ASSERT_EQ(snapshots.size(), 4u);
  EXPECT_EQ(snapshots.front().step, 0);
  EXPECT_EQ(snapshots.back().step, 20);
  EXPECT_TRUE(*ReadFile(snapshots.back().path + "/model.safetensors") == File("kept", "model.safetensors"));
  const ThreadPool pool(2);
  const auto opened = OpenModel({&pool, BestIsa(), Precision::kDefault}, snapshots[1].path, {});
  EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(PretrainTest, GoesOnFromAModel) {
  ASSERT_TRUE(Run(Request("first")));
  PretrainRequest more = Request("second");
  TuneSettings plain = PretrainDefaults();
  plain.data = more.settings.data;
  plain.out = more.settings.out;
  plain.documents = "lines";
  plain.base = (folder_ / "first").string();
  plain.max_length = 24;
  plain.batch_tokens = 96;
  plain.steps = 5;
  more.settings = plain;
  double first_loss = 0;
  more.on_step = [&](const StepMetrics& m) { first_loss = m.step == 1 ? m.loss : first_loss; };
  const auto report = Run(more);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_LT(first_loss, 4.5);  // an untrained one begins at 5.7
  EXPECT_EQ(File("first", "tokenizer.json"), File("second", "tokenizer.json"));
  more.settings.out = (folder_ / "third").string();
  more.settings.max_length = 48;
  EXPECT_THAT(Run(more).error().message, HasSubstr("max_length: expected at most 24"));
  more.settings.preset = "3m";
  EXPECT_THAT(Run(more).error().message, HasSubstr("preset: expected none beside base"));
}

TEST_F(PretrainTest, ATokenizerOfAnotherNameIsRefused) {
  PretrainRequest request = Request("named");
  request.settings.tokenizer = (folder_ / "my-tokenizer.json").string();  // not the folder it lies in
  const auto report = Run(request);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("expected a folder, a file called tokenizer.json or a .gguf file"));
}

TEST_F(PretrainTest, DocumentsMayBeKeptApart) {
  PretrainRequest apart = Request("apart"), across = Request("across");
  apart.settings.separate_documents = true;
  const auto a = Run(apart), b = Run(across);
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(b);
  EXPECT_EQ(a->useful_tokens, b->useful_tokens);
  EXPECT_LT(a->learned_tokens, b->learned_tokens);  // nothing tells how a document begins
}

}  // namespace
}  // namespace hew
