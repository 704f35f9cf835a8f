#include "http/answer_job.h"

#include <utility>

namespace hew {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class AnswerJob : public std::enable_shared_from_this<AnswerJob> {
 public:
  AnswerJob(ApiContext& context, std::shared_ptr<AnswerWriter> writer, std::shared_ptr<HttpReply> reply, size_t count)
      : context_(context),
        writer_(std::move(writer)),
        reply_(std::move(reply)),
        left_(count),
        first_(count),
        start_(Clock::now()) {}

  ApiStatus Start(std::vector<BatchRequest> requests);

  // The engine's side.
  void Prompt(size_t index, const std::vector<TokenChoice>& prompt) {
    Tell([this, index, prompt] { writer_->OnPrompt(index, prompt); });
  }
  void Text(size_t index, std::string_view text, const std::vector<TokenChoice>& tokens) {
    const std::lock_guard lock(mutex_);
    if (first_[index] == Clock::time_point()) {
      first_[index] = Clock::now();
      context_.metrics.first_token.Observe(SecondsSince(start_));
    }
    if (begun_ && !over_) {
      writer_->OnText(*reply_, index, text, tokens);
    } else if (!over_) {
      early_.push_back(
          [this, index, text = std::string(text), tokens] { writer_->OnText(*reply_, index, text, tokens); });
    }
  }
  void Done(size_t index, const GenerateResult& result) {
    context_.metrics.CountFinish(result.finish_reason);
    Tell([this, index, result] {
      if (result.finish_reason == "cancelled")
        return Fail(
            PlainError(503, context_.models.stopping() ? "the server is stopping" : "the answer was cancelled"));
      const double whole = SecondsSince(start_);
      context_.metrics.request.Observe(whole);
      if (result.ids.size() > 1 && first_[index] != Clock::time_point())
        context_.metrics.per_token.Observe(SecondsSince(first_[index]) / static_cast<double>(result.ids.size() - 1));
      writer_->OnDone(*reply_, index, result);
      if (--left_ > 0) return;
      over_ = true;
      writer_->End(*reply_);
    });
  }
  void Error(const hew::Error& error) {
    Tell([this, error] { Fail(context_.FromEngine(error)); });
  }

 private:
  void Tell(std::function<void()> tell) {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    if (begun_) {
      tell();
    } else {
      early_.push_back(std::move(tell));
    }
  }
  void Fail(const ApiError& error) {  // with mutex_ held
    if (std::exchange(over_, true)) return;
    writer_->Fail(*reply_, error);
  }

  ApiContext& context_;
  const std::shared_ptr<AnswerWriter> writer_;
  const std::shared_ptr<HttpReply> reply_;
  std::vector<uint64_t> ids_;  // not changed once begun

  std::mutex mutex_;
  bool begun_ = false, over_ = false;
  size_t left_;
  std::vector<Clock::time_point> first_;  // of each sequence, its first token
  const Clock::time_point start_;
  std::vector<std::function<void()>> early_;
};

class Listener : public BatchListener {
 public:
  Listener(std::shared_ptr<AnswerJob> job, size_t index) : job_(std::move(job)), index_(index) {}
  void OnPrompt(const std::vector<TokenChoice>& prompt) override { job_->Prompt(index_, prompt); }
  void OnText(std::string_view text, const std::vector<TokenChoice>& tokens) override {
    job_->Text(index_, text, tokens);
  }
  void OnDone(const GenerateResult& result) override { job_->Done(index_, result); }
  void OnError(const Error& error) override { job_->Error(error); }

 private:
  const std::shared_ptr<AnswerJob> job_;
  const size_t index_;
};

ApiStatus AnswerJob::Start(std::vector<BatchRequest> requests) {
  BatchEngine& engine = context_.models.engine();
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto id = engine.Submit(std::move(requests[i]), std::make_shared<Listener>(shared_from_this(), i));
    if (id) {
      ids.push_back(*id);
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      early_.clear();
    }
    for (const uint64_t taken : ids) engine.Cancel(taken);
    return tl::unexpected(context_.FromEngine(id.error()));
  }
  ids_ = ids;
  {
    const std::lock_guard lock(mutex_);
    writer_->Begin(*reply_);
    begun_ = true;
    for (const auto& tell : std::exchange(early_, {})) {
      if (!over_) tell();
    }
  }
  // The engine's listeners keep the job for as long as there is something to cancel.
  reply_->OnClosed([weak = weak_from_this()] {
    const auto job = weak.lock();
    if (!job) return;
    for (const uint64_t id : job->ids_) job->context_.models.engine().Cancel(id);
  });
  return {};
}

}  // namespace

ApiStatus Answer(ApiContext& context, std::vector<BatchRequest> requests, std::shared_ptr<AnswerWriter> writer,
                 const std::shared_ptr<HttpReply>& reply) {
  const size_t count = requests.size();
  return std::make_shared<AnswerJob>(context, std::move(writer), reply, count)->Start(std::move(requests));
}

}  // namespace hew
