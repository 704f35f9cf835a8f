// Whole runs on a tiny model: they learn, they stop and go on with the same bits, they refuse what cannot be right.
#include "train/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/file.h"
#include "model/decoder.h"
#include "model/lora.h"
#include "train/packer.h"
#include "train/snapshots.h"
#include "train/test_support.h"

namespace hew {
namespace {

using testing::HasSubstr;

std::string Rows(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += fmt::format("{{\"prompt\": \"a common beginning, then row {}?\", \"completion\": \"answer {}\"}}\n", i,
                       (i * 7) % 5);
  }
  return out;
}

class TuneTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder(testing::UnitTest::GetInstance()->current_test_info()->name());
    data_ = WriteTestFile(folder_, "train.jsonl", Rows(13));
  }

  TuneRequest Request(const std::string& out) const {
    TuneRequest request;
    request.settings.base = "tiny";
    request.settings.data = {data_};
    request.settings.out = folder_ + "/" + out;
    request.settings.rank = 4;
    request.settings.lr = 1e-2;
    request.settings.batch_size = 4;
    request.settings.dropout = 0.1;
    request.quiet = true;
    request.tokenizer = std::make_shared<ByteTokenizer>();
    return request;
  }

  // Every run has a pool of its own, so that a forked child has its threads.
  static Result<TuneReport> Run(TuneRequest request, int threads = 2) {
    const ThreadPool pool(threads);
    const Runtime rt{&pool, BestIsa(), Precision::kDefault};
    request.model = TinyModel(rt);
    return Tune(rt, request);
  }

  std::string File(const std::string& out, const char* name) const {
    return *ReadFile(folder_ + "/" + out + "/" + name);
  }

  // Steps, losses, rates and norms of the metrics, without what the clock says.
  std::vector<std::string> Losses(const std::string& out) const {
    std::vector<std::string> lines;
    std::istringstream text(File(out, kMetricsFile));
    for (std::string line; std::getline(text, line);) {
      auto json = nlohmann::ordered_json::parse(line);
      json.erase("seconds");
      json.erase("tokens_per_s");
      lines.push_back(json.dump());
    }
    return lines;
  }

  void ExpectSameRun(const std::string& a, const std::string& b) const {
    EXPECT_EQ(Losses(a), Losses(b));
    EXPECT_EQ(File(a, "adapter_model.safetensors"), File(b, "adapter_model.safetensors"));
  }

  std::string folder_, data_;
};

// What makes training fast changes nothing in what is learned.
TEST_F(TuneTest, EachTechniqueLearnsTheSame) {
  TuneRequest all = Request("all");
  all.settings.layers = "last:1";  // so that there are frozen layers below
  all.settings.dropout = 0;
  all.settings.epochs = 3;
  const auto expected = Run(all);
  ASSERT_TRUE(expected) << expected.error().message;
  for (const std::string_view technique : kTechniqueNames) {
    TuneRequest without = all;
    without.settings.out = folder_ + "/" + std::string(technique);
    without.settings.without = {std::string(technique)};
    const auto found = Run(without);
    ASSERT_TRUE(found) << technique << ": " << found.error().message;
    // Other batches, or fewer rows, are other sums.
    if (technique == "packing" || technique == "prefix-sharing" || technique == "learned-rows") {
      EXPECT_NEAR(found->train_loss, expected->train_loss, 2e-2 * expected->train_loss) << technique;
    } else {
      EXPECT_EQ(Losses(std::string(technique)), Losses("all")) << technique;
      EXPECT_EQ(File(std::string(technique), "adapter_model.safetensors"), File("all", "adapter_model.safetensors"))
          << technique;
    }
  }
  EXPECT_THAT(File("all", "adapter_config.json"), HasSubstr("layers_to_transform"));
  TuneRequest wrong = Request("wrong");
  wrong.settings.without = {"everything"};
  const auto refused = Run(wrong);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("without: expected one of packing, "));
}

// A bound that does not hold the activations of one row: they are made again, and what is learned is the same.
TEST_F(TuneTest, LearnsTheSameInLessMemory) {
  TuneRequest plain = Request("plain"), bounded = Request("bounded");
  for (TuneRequest* r : {&plain, &bounded}) r->settings.micro_tokens = 64;
  bounded.settings.without = {"stored-activations"};
  ASSERT_TRUE(Run(plain));
  ASSERT_TRUE(Run(bounded));
  EXPECT_EQ(Losses("plain"), Losses("bounded"));
}

TEST_F(TuneTest, LearnsAndReports) {
  TuneRequest request = Request("out");
  request.settings.epochs = 20;
  std::vector<double> losses;
  std::string said;
  request.on_step = [&](const StepMetrics& m) { losses.push_back(m.loss); };
  request.say = [&](const std::string& line) { said += line + "\n"; };
  const auto report = Run(request);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->steps, 20 * 4);  // 13 rows in batches of 4
  EXPECT_EQ(losses.size(), 80u);
  EXPECT_LT(losses.back(), 0.6 * losses.front());
  EXPECT_GT(report->useful_tokens, report->learned_tokens);
  EXPECT_EQ(report->learned_tokens, 20 * 13 * 9);  // "answer N" and the end
  EXPECT_THAT(said, HasSubstr("13 rows"));
  EXPECT_THAT(said, HasSubstr("117 of them to be learned"));
  EXPECT_THAT(said, HasSubstr("?[[answer"));
  EXPECT_EQ(Losses("out").size(), 80u);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out/" + kCheckpointFile));
  const auto run = nlohmann::json::parse(File("out", kRunFile));
  EXPECT_EQ(run["settings"]["rank"], 4);
  const auto json = ToJson(*report);
  for (const char* key : {"adapter", "steps", "train_loss", "eval_loss", "tokens_per_s", "useful_tokens", "seconds",
                          "train_seconds", "peak_rss_bytes", "planned_bytes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_GT(report->planned_bytes, 0u);  // cli_test.py holds it to what a process takes
}

TEST_F(TuneTest, TheSameBitsForAnyNumberOfThreads) {
  ASSERT_TRUE(Run(Request("one"), 1));
  ASSERT_TRUE(Run(Request("three"), 3));
  ExpectSameRun("one", "three");
}

TEST_F(TuneTest, KilledAndResumedGivesTheSameBits) {
  const std::string eval = WriteTestFile(folder_, "eval.jsonl", Rows(3));
  const auto request = [&](const std::string& out) {
    TuneRequest r = Request(out);
    r.settings.eval_data = {eval};
    r.settings.save_every = "2steps";
    return r;
  };
  ASSERT_TRUE(Run(request("whole")));
  for (const int64_t kill_at : {1, 4, 9, 12}) {
    const std::string out = fmt::format("killed{}", kill_at);
    const pid_t child = ::fork();
    if (child == 0) {
      TuneRequest r = request(out);
      r.on_step = [&](const StepMetrics& m) {
        if (m.step == kill_at) ::raise(SIGKILL);
      };
      (void)Run(r);
      std::_Exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    TuneRequest again = request(out);
    again.resume = true;
    int64_t first_step = 0;
    again.on_step = [&](const StepMetrics& m) {
      if (first_step == 0) first_step = m.step;
    };
    const auto report = Run(again);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(first_step, kill_at <= 2 ? 1 : (kill_at - 1) / 2 * 2 + 1);
    ExpectSameRun("whole", out);
  }
}

TEST_F(TuneTest, StoppedByHandGoesOnWithTheSameBits) {
  const std::string eval = WriteTestFile(folder_, "eval.jsonl", Rows(3));
  TuneRequest whole = Request("whole"), stopped = Request("stopped");
  whole.settings.eval_data = stopped.settings.eval_data = {eval};
  whole.settings.eval_every = stopped.settings.eval_every = 1;
  ASSERT_TRUE(Run(whole));
  std::atomic<bool> cancel{false};
  stopped.cancel = &cancel;
  stopped.on_step = [&](const StepMetrics& m) { cancel = m.step == 5; };  // before the evaluation that is due
  const auto report = Run(stopped);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(report.error().message, HasSubstr("stopped after step 5 of 12"));
  stopped.on_step = nullptr;
  const auto refused = Run(stopped);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("expected a new folder or --resume, found an unfinished run"));
  cancel = false;
  stopped.resume = true;
  ASSERT_TRUE(Run(stopped));
  ExpectSameRun("whole", "stopped");
}

TEST_F(TuneTest, ResumingAnotherRunIsRefused) {
  std::atomic<bool> cancel{false};
  TuneRequest request = Request("out");
  request.cancel = &cancel;
  request.on_step = [&](const StepMetrics& m) { cancel = m.step == 3; };
  ASSERT_FALSE(Run(request));
  const auto error = [&](auto change) {
    TuneRequest other = Request("out");
    other.resume = true;
    change(other.settings);
    const auto report = Run(other);
    return report ? std::string("went on") : report.error().message;
  };
  EXPECT_THAT(error([](auto& s) { s.lr = 0.02; }),
              HasSubstr("checkpoint.safetensors: lr: expected 0.01 (as the run began), found 0.02"));
  EXPECT_THAT(error([](auto& s) { s.rslora = true; }), HasSubstr("rslora: expected false"));
  const std::string other_data = WriteTestFile(folder_, "other.jsonl", Rows(12));
  EXPECT_THAT(error([&](auto& s) { s.data = {other_data}; }), HasSubstr("data: expected \""));
  std::string bytes = File("out", kCheckpointFile);
  bytes[bytes.size() / 2] ^= 1;
  WriteTestFile(folder_ + "/out", kCheckpointFile, bytes);
  EXPECT_THAT(error([](auto&) {}), HasSubstr("sha256: expected"));
}

TEST_F(TuneTest, TheBestAdapterIsKeptAndPatienceEnds) {
  TuneRequest request = Request("out");
  const std::string eval =
      WriteTestFile(folder_, "eval.jsonl", "{\"prompt\": \"something else\", \"completion\": \"entirely\"}\n");
  request.settings.eval_data = {eval};
  request.settings.epochs = 50;
  request.settings.lr = 0.05;
  request.settings.dropout = 0;
  request.settings.patience = 3;
  const auto report = Run(request);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->stopped_early);
  EXPECT_LT(report->steps, 200);
  EXPECT_LT(report->best_step, report->steps);
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kDefault};
  const auto model = TinyModel(rt);
  const auto adapter = LoadAdapter(rt, report->folder, *model);
  ASSERT_TRUE(adapter) << adapter.error().message;
  const ByteTokenizer tokenizer;
  DatasetOptions options;
  options.tokenizer = &tokenizer;
  options.context = 256;
  const auto rows = ReadDataset({eval}, options);
  ASSERT_TRUE(rows);
  const std::vector<int64_t> all = {0};
  const LossSum sum = Loss(rt, *model, &*adapter, Pack(rows->examples, all, {})[0]);
  EXPECT_EQ(sum.loss / sum.weight, *report->eval_loss);
}

TEST_F(TuneTest, RunsThatCannotBeRightAreRefused) {
  const auto error = [&](auto change) {
    TuneRequest request = Request("refused");
    change(request.settings);
    const auto report = Run(request);
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/refused/adapter_model.safetensors"));
    return report ? std::string("ran") : report.error().message;
  };
  EXPECT_THAT(error([](auto& s) { s.targets = {"z_proj"}; }), HasSubstr("targets: expected all, q_proj"));
  EXPECT_THAT(error([](auto& s) { s.max_length = 1000; }), HasSubstr("max_length: expected at most 256"));
  EXPECT_THAT(error([](auto& s) { s.memory = "1MB"; }),
              AllOf(HasSubstr("memory: needs"), HasSubstr("has 1.0 MB"), HasSubstr("--memory")));
  EXPECT_THAT(error([](auto& s) { s.lr = -1; }), HasSubstr("lr: expected a number above 0"));
  const std::string chat =
      WriteTestFile(folder_, "chat.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n");
  EXPECT_THAT(error([&](auto& s) { s.data = {chat}; }),
              HasSubstr("chat.jsonl:1: expected a model with a chat template"));
  const std::string empty = WriteTestFile(folder_, "empty.jsonl", "\n\n");
  EXPECT_THAT(error([&](auto& s) { s.data = {empty}; }), HasSubstr("empty.jsonl: expected at least one row"));
}

// Looking on changes nothing; a run that goes on leaves the same states as one that never stopped.
TEST_F(TuneTest, SnapshotsTakeNoPartInTheRun) {
  ASSERT_TRUE(Run(Request("whole")));
  TuneRequest kept = Request("kept");
  kept.settings.snapshots = 3;
  ASSERT_TRUE(Run(kept));
  ExpectSameRun("whole", "kept");
  std::atomic<bool> cancel{false};
  TuneRequest stopped = Request("stopped");
  stopped.settings.snapshots = 3;
  stopped.cancel = &cancel;
  stopped.on_step = [&](const StepMetrics& m) { cancel = m.step == 4; };
  ASSERT_FALSE(Run(stopped));
  cancel = false;
  stopped.on_step = nullptr;
  stopped.resume = true;
  ASSERT_TRUE(Run(stopped));
  ExpectSameRun("whole", "stopped");
  const auto a = ListSnapshots(folder_ + "/kept"), b = ListSnapshots(folder_ + "/stopped");
  ASSERT_EQ(a.size(), 4u);
  ASSERT_EQ(b.size(), 4u);
  EXPECT_EQ(a.back().step, 12);  // three epochs of four steps
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].step, b[i].step);
    EXPECT_EQ(*ReadFile(a[i].path + "/adapter_model.safetensors"), *ReadFile(b[i].path + "/adapter_model.safetensors"));
  }
  EXPECT_EQ(*ReadFile(a.back().path + "/adapter_model.safetensors"), File("kept", "adapter_model.safetensors"));
  EXPECT_NE(*ReadFile(a[1].path + "/adapter_model.safetensors"), File("kept", "adapter_model.safetensors"));
  ASSERT_TRUE(Run(Request("kept")));  // a new run in the same folder keeps none of the old one's
  EXPECT_TRUE(ListSnapshots(folder_ + "/kept").empty());
}

}  // namespace
}  // namespace hew
