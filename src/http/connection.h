// One client's connection: requests one after another, each with its reply. Everything here runs on the server's
// thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "http/byte_stream.h"
#include "http/reply_state.h"
#include "http/server.h"
#include "http/workers.h"

namespace hew {

class Connection;

// What all connections of a server share.
struct ServerShared {
  ServerShared(const ServerSettings& s, const Router& r) : settings(s), router(r), rules(s.access) {}
  const ServerSettings settings;
  const Router& router;
  const AccessRules rules;
  std::set<Connection*> connections;
  std::atomic<size_t> connection_count{0};
  size_t body_bytes = 0;  // of requests that are being received
  bool stopping = false;
  asio::io_context io{1};
  std::unique_ptr<Workers> workers;  // goes before the io context that it posts to
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  Connection(ServerShared& server, std::unique_ptr<ByteStream> stream);
  ~Connection();

  void Start();
  void Wake();                        // there is something to look at
  void Check(Clock::time_point now);  // whether its time is up
  void Close();

 private:
  enum class Next { kRequest, kClose };
  static asio::awaitable<void> Run(std::shared_ptr<Connection> self);
  static asio::awaitable<void> Pump(std::shared_ptr<Connection> self);
  asio::awaitable<bool> Receive(HttpParser& parser);  // false: the connection is over, nothing to answer
  asio::awaitable<Next> Answer(HttpParser& parser);
  asio::awaitable<Next> SendReply(const HttpRequest& request, std::shared_ptr<ReplyState> reply, bool keep,
                                  bool http_1_1);
  asio::awaitable<void> RefuseAndClose(HttpFault fault);
  asio::awaitable<bool> Write(std::string bytes);
  asio::awaitable<bool> Wait(double seconds);  // until Wake (true) or so long
  void SetDeadline(double seconds);
  std::string FormatHead(const ReplyState::Head& head, const HttpRequest* request, std::optional<size_t> length,
                         bool keep, bool chunked) const;

  ServerShared& server_;
  std::unique_ptr<ByteStream> stream_;
  asio::steady_timer wake_, room_;  // room_ wakes the pump
  std::string buffer_;              // received, not yet parsed
  size_t counted_ = 0;              // of this request's body, in ServerShared::body_bytes
  Clock::time_point deadline_ = Clock::time_point::max();
  bool ended_ = false;    // the client sends no more
  bool expired_ = false;  // the deadline has passed
  bool writing_ = false;
  bool woken_ = false;    // since the last Wait
  bool discard_ = false;  // what still comes is of no interest
};

}  // namespace hew
