// Long work in the background: one job at a time, cancellable, with what it tells kept and streamed to whoever watches.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "http/router.h"

namespace hew {

// What the page is told of a job: docs/page_api.md.
struct JobFacts {
  std::string id, kind, title, parent;
  std::string state = "running";  // then "done", "failed" or "stopped"
  std::string started;            // "2026-11-24T20:51:07Z"
  std::string version, error;
  int64_t done = 0, total = 0;
  Json report;  // what the work gave besides; null: nothing
};
Json ToJson(const JobFacts& facts);

class Job {
 public:
  explicit Job(JobFacts facts) : facts_(std::move(facts)) {}

  JobFacts facts() const;
  // Everything told so far, then what is told later, as events; ends with the job.
  void Follow(const std::shared_ptr<HttpReply>& reply);
  void Cancel() { cancelled_ = true; }

  // For the work itself.
  const std::atomic<bool>& cancelled() const { return cancelled_; }
  void Progress(int64_t done, int64_t total);  // without an event
  void Tell(const Json& event);                // {"type": …}
  void SetVersion(const std::string& label);
  void SetReport(Json report);
  void Finish(const Status& status);  // the last call

 private:
  void TellLocked(const Json& event);
  void ThinLocked();

  mutable std::mutex mutex_;
  JobFacts facts_;
  std::vector<std::string> events_;
  std::vector<bool> droppable_;  // of events_: one of many of its kind
  int64_t stride_ = 1, seen_ = 0;
  std::vector<std::shared_ptr<HttpReply>> watchers_;
  std::atomic<bool> cancelled_{false};
};

class JobRunner {
 public:
  ~JobRunner();  // cancels what runs, and waits for it
  using Work = std::function<Status(Job&)>;
  // nullopt: another one is at work.
  std::optional<JobFacts> Start(const std::string& kind, const std::string& title, const std::string& parent,
                                Work work);
  std::shared_ptr<Job> Find(const std::string& id) const;  // null: none
  std::vector<JobFacts> List() const;                      // newest first
  std::optional<JobFacts> Running() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Job>> jobs_;  // the last ones
  std::thread thread_;
  int64_t count_ = 0;
};

}  // namespace hew
