#include "http/reply_state.h"

#include <utility>

#include "http/http_error.h"

namespace hew {
namespace {

class Reply : public HttpReply {
 public:
  explicit Reply(std::shared_ptr<ReplyState> state) : state_(std::move(state)) {}
  ~Reply() override { state_->Abandon(); }
  void Send(int status, std::string_view content_type, std::string body,
            const std::map<std::string, std::string>& headers) override {
    state_->Send(status, content_type, std::move(body), headers);
  }
  void BeginEvents() override { state_->BeginEvents(); }
  void Event(std::string_view data) override { state_->Event("", data); }
  void NamedEvent(std::string_view name, std::string_view data) override { state_->Event(name, data); }
  void End() override { state_->End(); }
  bool closed() const override { return state_->closed(); }
  void OnClosed(std::function<void()> f) override { state_->OnClosed(std::move(f)); }

 private:
  std::shared_ptr<ReplyState> state_;
};

}  // namespace

std::shared_ptr<HttpReply> MakeReply(std::shared_ptr<ReplyState> state) {
  return std::make_shared<Reply>(std::move(state));
}

void ReplyState::Wake(std::unique_lock<std::mutex>& lock) {
  const bool first = !std::exchange(woken_, true);
  lock.unlock();
  if (first) wake_();
}

void ReplyState::Send(int status, std::string_view content_type, std::string body,
                      const std::map<std::string, std::string>& headers) {
  std::function<void()> drop;  // outside of the lock: it may hold the last reference to this reply
  std::unique_lock lock(mutex_);
  if (closed_ || begun_) return;
  head_ = {status, std::string(content_type), headers, false};
  waiting_ = std::move(body);  // a whole answer may be larger than what may wait of a stream
  begun_ = last_ = true;
  drop = std::exchange(on_closed_, nullptr);
  Wake(lock);
}

void ReplyState::BeginEvents() {
  std::unique_lock lock(mutex_);
  if (closed_ || begun_) return;
  head_ = {200, "text/event-stream", {{"X-Accel-Buffering", "no"}}, true};
  begun_ = true;
  Wake(lock);
}

void ReplyState::Event(std::string_view name, std::string_view data) {
  std::unique_lock lock(mutex_);
  if (closed_ || !begun_ || last_ || overflow_) return;
  if (waiting_.size() + data.size() > most_) {
    overflow_ = true;
    waiting_.clear();
  } else {
    if (!name.empty()) waiting_.append("event: ").append(name).append("\n");
    waiting_.append("data: ").append(data).append("\n\n");
  }
  Wake(lock);
}

void ReplyState::End() {
  std::function<void()> drop;
  std::unique_lock lock(mutex_);
  if (closed_ || !begun_ || last_) return;
  last_ = true;
  drop = std::exchange(on_closed_, nullptr);
  Wake(lock);
}

void ReplyState::Abandon() {
  bool begun = false;
  {
    const std::lock_guard lock(mutex_);
    begun = begun_;
  }
  if (begun) return End();
  Send(500, "application/json", DumpJson(ErrorBody(PlainError(500, "the request was given up without an answer"))), {});
}

bool ReplyState::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_ || overflow_;
}

void ReplyState::OnClosed(std::function<void()> f) {
  {
    const std::lock_guard lock(mutex_);
    if (last_) return;
    if (!closed_) {
      on_closed_ = std::move(f);
      return;
    }
  }
  f();
}

ReplyState::Piece ReplyState::Take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  return {begun_, last_, overflow_, std::exchange(waiting_, {})};
}

void ReplyState::Close() {
  std::function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    waiting_.clear();
    tell = std::exchange(on_closed_, nullptr);  // none once it has ended
  }
  if (tell) tell();
}

}  // namespace hew
