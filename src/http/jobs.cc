#include "http/jobs.h"

#include <algorithm>

#include "http/http_error.h"
#include "studio/registry/registry.h"

namespace hew {
namespace {

constexpr size_t kJobsKept = 50;
// Of one job; of steps and progress, every second one goes when there are more. Told at once to whoever comes late, they
// stay below what a connection may have waiting (256 KB).
constexpr size_t kEventsKept = 1000;

bool Droppable(const Json& event) {
  const auto type = event.find("type");
  return type != event.end() && (*type == "step" || *type == "progress");
}

}  // namespace

Json ToJson(const JobFacts& f) {
  const auto text = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  return {{"id", f.id},
          {"kind", f.kind},
          {"state", f.state},
          {"title", f.title},
          {"started", f.started},
          {"version", text(f.version)},
          {"parent", text(f.parent)},
          {"error", text(f.error)},
          {"done", f.done},
          {"total", f.total},
          {"report", f.report}};
}

JobFacts Job::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

void Job::Follow(const std::shared_ptr<HttpReply>& reply) {
  const std::lock_guard lock(mutex_);
  reply->BeginEvents();
  for (const auto& event : events_) reply->Event(event);
  if (facts_.state == "running") {
    std::erase_if(watchers_, [](const auto& watcher) { return watcher->closed(); });
    watchers_.push_back(reply);
  } else {
    reply->End();
  }
}

void Job::Progress(int64_t done, int64_t total) {
  const std::lock_guard lock(mutex_);
  facts_.done = done;
  facts_.total = total;
}

void Job::Tell(const Json& event) {
  const std::lock_guard lock(mutex_);
  TellLocked(event);
}

void Job::TellLocked(const Json& event) {
  const std::string line = DumpJson(event);
  for (const auto& watcher : watchers_) watcher->Event(line);
  const bool droppable = Droppable(event);
  if (droppable && seen_++ % stride_ != 0) return;
  events_.push_back(line);
  droppable_.push_back(droppable);
  if (events_.size() > kEventsKept) ThinLocked();
}

void Job::ThinLocked() {
  std::vector<std::string> kept;
  std::vector<bool> kept_droppable;
  bool keep = true;
  for (size_t i = 0; i < events_.size(); ++i) {
    if (droppable_[i]) {
      keep = !keep;
      if (keep) continue;
    }
    kept.push_back(std::move(events_[i]));
    kept_droppable.push_back(droppable_[i]);
  }
  events_ = std::move(kept);
  droppable_ = std::move(kept_droppable);
  stride_ *= 2;
}

void Job::SetVersion(const std::string& label) {
  const std::lock_guard lock(mutex_);
  facts_.version = label;
}

void Job::SetReport(Json report) {
  const std::lock_guard lock(mutex_);
  facts_.report = std::move(report);
}

void Job::Finish(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (status) {
    facts_.state = "done";
  } else {
    facts_.state = status.error().code == ErrorCode::kCancelled ? "stopped" : "failed";
    facts_.error = status.error().message;
  }
  TellLocked({{"type", "state"}, {"job", ToJson(facts_)}});
  for (const auto& watcher : watchers_) watcher->End();
  watchers_.clear();
}

JobRunner::~JobRunner() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& job : jobs_) job->Cancel();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<JobFacts> JobRunner::Start(const std::string& kind, const std::string& title, const std::string& parent,
                                         Work work) {
  const std::lock_guard lock(mutex_);
  if (!jobs_.empty() && jobs_.back()->facts().state == "running") return std::nullopt;
  if (thread_.joinable()) thread_.join();
  JobFacts facts;
  facts.id = "j" + std::to_string(++count_);
  facts.kind = kind;
  facts.title = title;
  facts.parent = parent;
  facts.started = UtcNow();
  const auto job = std::make_shared<Job>(facts);
  job->Tell({{"type", "state"}, {"job", ToJson(facts)}});
  jobs_.push_back(job);
  if (jobs_.size() > kJobsKept) jobs_.erase(jobs_.begin());
  thread_ = std::thread([job, work = std::move(work)] { job->Finish(work(*job)); });
  return facts;
}

std::shared_ptr<Job> JobRunner::Find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->facts().id == id) return job;
  }
  return nullptr;
}

std::vector<JobFacts> JobRunner::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<JobFacts> list;
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) list.push_back((*job)->facts());
  return list;
}

std::optional<JobFacts> JobRunner::Running() const {
  const std::lock_guard lock(mutex_);
  if (jobs_.empty()) return std::nullopt;
  JobFacts last = jobs_.back()->facts();
  return last.state == "running" ? std::optional(std::move(last)) : std::nullopt;
}

}  // namespace hew
