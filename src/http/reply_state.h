// One reply between the handler that fills it, on any thread, and the connection that sends it, on the server's thread.
// What waits to be sent is bounded: a reader that is too slow loses its stream.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "http/router.h"

namespace hew {

class ReplyState {
 public:
  // `wake` is called, from any thread, when there is something to send; once until the next Take.
  ReplyState(size_t most_waiting_bytes, std::function<void()> wake)
      : most_(most_waiting_bytes), wake_(std::move(wake)) {}

  // The handler's side.
  void Send(int status, std::string_view content_type, std::string body,
            const std::map<std::string, std::string>& headers);
  void BeginEvents();
  void Event(std::string_view name, std::string_view data);  // name "": none
  void End();
  bool closed() const;
  void OnClosed(std::function<void()> f);
  void Abandon();  // the handler let go of it: a reply that was never begun becomes an error, a stream ends

  // The connection's side.
  struct Head {
    int status = 200;
    std::string content_type;
    std::map<std::string, std::string> headers;
    bool events = false;
  };
  struct Piece {
    bool begun = false;  // `head` has been decided
    bool last = false;   // nothing comes after `bytes`
    bool overflow = false;
    std::string bytes;
  };
  Piece Take();
  const Head& head() const { return head_; }  // once begun
  void Close();                               // the client is gone; tells the handler

 private:
  void Append(std::string_view bytes);  // with mutex_ held
  void Wake(std::unique_lock<std::mutex>& lock);

  const size_t most_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  Head head_;  // not changed once begun_
  bool begun_ = false, last_ = false, overflow_ = false, closed_ = false, woken_ = false;
  std::string waiting_;
  std::function<void()> on_closed_;
};

// The face of it that handlers hold; the last one to go abandons it.
std::shared_ptr<HttpReply> MakeReply(std::shared_ptr<ReplyState> state);

}  // namespace hew
