#include "http/jobs.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>

namespace hew {
namespace {

// Keeps what a handler sends.
class Recorder : public HttpReply {
 public:
  void Send(int, std::string_view, std::string, const std::map<std::string, std::string>&) override {}
  void BeginEvents() override { begun = true; }
  void Event(std::string_view data) override {
    const std::lock_guard lock(mutex);
    events.push_back(Json::parse(data));
  }
  void End() override {
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }
  bool closed() const override { return false; }
  void OnClosed(std::function<void()>) override {}

  void WaitForEnd() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ended; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  bool begun = false, ended = false;
  std::vector<Json> events;
};

Json Step(int64_t step) { return {{"type", "step"}, {"step", step}}; }

TEST(Jobs, OneAtATime) {
  JobRunner jobs;
  std::promise<void> go;
  std::shared_future<void> going = go.get_future().share();
  const auto first = jobs.Start("tune", "faq", "v1", [going](Job& job) -> Status {
    going.wait();
    job.SetVersion("v2");
    return {};
  });
  ASSERT_TRUE(first);
  EXPECT_EQ(first->state, "running");
  EXPECT_FALSE(jobs.Start("test", "another", "", [](Job&) -> Status { return {}; }));
  ASSERT_TRUE(jobs.Running());
  EXPECT_EQ(jobs.Running()->id, first->id);
  const auto reply = std::make_shared<Recorder>();
  jobs.Find(first->id)->Follow(reply);
  go.set_value();
  reply->WaitForEnd();
  const JobFacts done = jobs.Find(first->id)->facts();
  EXPECT_EQ(done.state, "done");
  EXPECT_EQ(done.version, "v2");
  EXPECT_FALSE(jobs.Running());
  EXPECT_TRUE(jobs.Start("test", "another", "", [](Job&) -> Status { return {}; }));
  EXPECT_EQ(jobs.List().front().title, "another");
  EXPECT_EQ(jobs.Find("j99"), nullptr);
}

TEST(Jobs, WhoComesLateHearsEverything) {
  JobRunner jobs;
  const auto facts = jobs.Start("tune", "faq", "", [](Job& job) -> Status {
    job.Tell(Step(1));
    job.Tell({{"type", "say"}, {"text", "half"}});
    job.Tell(Step(2));
    return BadInput("faq.jsonl:3: no");
  });
  const auto early = std::make_shared<Recorder>(), late = std::make_shared<Recorder>();
  jobs.Find(facts->id)->Follow(early);
  early->WaitForEnd();
  jobs.Find(facts->id)->Follow(late);
  EXPECT_TRUE(late->ended);
  EXPECT_EQ(early->events, late->events);
  ASSERT_EQ(late->events.size(), 5u);  // running, three, failed
  EXPECT_EQ(late->events[0]["job"]["state"], "running");
  EXPECT_EQ(late->events[3], Step(2));
  EXPECT_EQ(late->events[4]["job"]["state"], "failed");
  EXPECT_EQ(late->events[4]["job"]["error"], "faq.jsonl:3: no");
}

TEST(Jobs, LongRunsAreThinnedButKeepTheirWords) {
  JobRunner jobs;
  constexpr int64_t kSteps = 50000;
  const auto facts = jobs.Start("tune", "long", "", [](Job& job) -> Status {
    for (int64_t step = 1; step <= kSteps; ++step) {
      job.Tell(Step(step));
      if (step == kSteps / 2) job.Tell({{"type", "say"}, {"text", "half"}});
    }
    return {};
  });
  const auto live = std::make_shared<Recorder>(), late = std::make_shared<Recorder>();
  jobs.Find(facts->id)->Follow(live);
  live->WaitForEnd();
  jobs.Find(facts->id)->Follow(late);
  EXPECT_LE(late->events.size(), 1001u);
  EXPECT_GT(late->events.size(), 250u);
  int64_t said = 0, last = 0, widest = 0;
  for (const auto& event : late->events) {
    said += event["type"] == "say";
    if (event["type"] != "step") continue;
    EXPECT_GT(event["step"], last);
    widest = std::max<int64_t>(widest, event["step"].get<int64_t>() - last);
    last = event["step"];
  }
  EXPECT_EQ(said, 1);
  EXPECT_LE(widest, 256);
  EXPECT_GT(last, kSteps - 256);
}

TEST(Jobs, StoppedWhenAskedAndWhenTheRunnerGoes) {
  auto jobs = std::make_unique<JobRunner>();
  std::atomic<int> ended{0};
  const auto until_cancelled = [&ended](Job& job) -> Status {
    while (!job.cancelled()) std::this_thread::yield();
    ++ended;
    return tl::unexpected<Error>({ErrorCode::kCancelled, "stopped"});
  };
  const auto first = jobs->Start("tune", "a", "", until_cancelled);
  const auto reply = std::make_shared<Recorder>();
  jobs->Find(first->id)->Follow(reply);
  jobs->Find(first->id)->Cancel();
  reply->WaitForEnd();
  EXPECT_EQ(jobs->Find(first->id)->facts().state, "stopped");
  ASSERT_TRUE(jobs->Start("tune", "b", "", until_cancelled));
  jobs.reset();
  EXPECT_EQ(ended, 2);
}

}  // namespace
}  // namespace hew
