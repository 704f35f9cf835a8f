#include "http/connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "http/http_error.h"
#include "http/http_head.h"

namespace hew {
namespace {

constexpr size_t kMostUnparsed = 128 << 10;  // read ahead of what is being answered
constexpr size_t kWritePiece = 64 << 10;

std::chrono::nanoseconds Duration(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

// Only on a worker; whatever a handler throws is our mistake, and costs its request alone.
void RunHandler(const HttpHandler& handler, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  try {
    handler(request, reply);
  } catch (const std::exception& error) {
    SendError(*reply, PlainError(500, std::string("the server failed: ") + error.what()));
  }
}

}  // namespace

Connection::Connection(ServerShared& server, std::unique_ptr<ByteStream> stream)
    : server_(server), stream_(std::move(stream)), wake_(server.io), room_(server.io) {
  server_.connections.insert(this);
  server_.connection_count = server_.connections.size();
}

Connection::~Connection() {
  server_.connections.erase(this);
  server_.connection_count = server_.connections.size();
  server_.body_bytes -= counted_;
}

void Connection::Start() { asio::co_spawn(server_.io, Run(shared_from_this()), asio::detached); }

void Connection::Close() {
  stream_->Close();
  ended_ = true;
  Wake();
  room_.cancel();
}

void Connection::SetDeadline(double seconds) {
  deadline_ = Clock::now() + Duration(seconds);
  expired_ = false;
}

void Connection::Check(Clock::time_point now) {
  if (now < deadline_) return;
  deadline_ = Clock::time_point::max();
  expired_ = true;
  if (writing_) {
    Close();
  } else {
    Wake();
  }
}

asio::awaitable<bool> Connection::Wait(double seconds) {
  if (!woken_) {
    wake_.expires_after(Duration(seconds));
    const auto [ignored] = co_await wake_.async_wait(kAwait);
    (void)ignored;
  }
  co_return std::exchange(woken_, false);
}

// Remembered where nobody waits just now, such as during a write: what is new would else be seen only when time is up.
void Connection::Wake() {
  woken_ = true;
  wake_.cancel();
}

asio::awaitable<bool> Connection::Write(std::string bytes) {
  bool good = true;
  for (size_t at = 0; good && at < bytes.size(); at += kWritePiece) {
    SetDeadline(server_.settings.write_seconds);
    writing_ = true;
    good = co_await stream_->Write(std::string_view(bytes).substr(at, kWritePiece));
    writing_ = false;
    deadline_ = Clock::time_point::max();
  }
  co_return good;
}

// Reads all the time, up to a bound, so that a client's leaving is seen while its answer is made.
asio::awaitable<void> Connection::Pump(std::shared_ptr<Connection> self) {
  char bytes[8192];
  for (;;) {
    const size_t count = co_await self->stream_->Read(bytes, sizeof(bytes));
    if (count == 0) break;
    if (self->discard_) continue;
    self->buffer_.append(bytes, count);
    self->Wake();
    while (self->buffer_.size() >= kMostUnparsed && !self->discard_ && !self->ended_) {
      self->room_.expires_at(Clock::time_point::max());
      const auto [error] = co_await self->room_.async_wait(kAwait);
      (void)error;
    }
  }
  self->ended_ = true;
  self->Wake();
}

asio::awaitable<void> Connection::Run(std::shared_ptr<Connection> self) {
  self->SetDeadline(self->server_.settings.header_seconds);
  self->writing_ = true;  // a handshake whose time is up is cut
  const bool good = co_await self->stream_->Handshake();
  self->writing_ = false;
  if (good) {
    asio::co_spawn(self->server_.io, Pump(self), asio::detached);
    for (Next next = Next::kRequest; next == Next::kRequest;) {
      HttpParser parser(self->server_.settings.limits);
      const bool received = co_await self->Receive(parser);
      self->server_.body_bytes -= self->counted_;
      self->counted_ = 0;
      if (!received) break;
      if (parser.fault()) {
        co_await self->RefuseAndClose(*parser.fault());
        break;
      }
      next = co_await self->Answer(parser);
    }
  }
  self->Close();
}

// g++ 12 destroys an aggregate twice that is made in the argument of a co_await: faults are made before.
asio::awaitable<bool> Connection::Receive(HttpParser& parser) {
  const ServerSettings& settings = server_.settings;
  SetDeadline(settings.idle_seconds);
  Clock::time_point latest = Clock::time_point::max();
  bool header_seen = false;
  while (!parser.done()) {
    if (!buffer_.empty()) {
      if (!parser.started()) {
        SetDeadline(settings.header_seconds);
        latest = Clock::now() + Duration(settings.request_seconds);
      }
      const size_t used = parser.Put(buffer_);
      buffer_.erase(0, used);
      if (used > 0) room_.cancel();
      if (parser.fault()) co_return true;
      if (parser.header_done()) {
        SetDeadline(settings.body_pause_seconds);
        deadline_ = std::min(deadline_, latest);
        server_.body_bytes += parser.body_bytes() - counted_;
        counted_ = parser.body_bytes();
        if (server_.body_bytes > settings.max_body_bytes) {
          HttpFault fault{429, "too many large requests at once"};
          co_await RefuseAndClose(std::move(fault));
          co_return false;
        }
        if (!header_seen) {
          header_seen = true;
          const HttpRequest head = parser.Head();
          if (const auto refusal = server_.rules.Check(head);
              refusal && !parser.done()) {  // before its body is waited for
            HttpFault fault{refusal->status, refusal->message};
            co_await RefuseAndClose(std::move(fault));
            co_return false;
          }
          if (parser.wants_continue()) {
            const bool good = co_await Write("HTTP/1.1 100 Continue\r\n\r\n");
            if (!good) co_return false;
            SetDeadline(settings.body_pause_seconds);
          }
        }
      }
      if (used > 0) continue;
    }
    if (ended_ || (server_.stopping && !parser.started())) co_return false;
    if (expired_) {
      HttpFault fault{408, "the request did not come in time"};
      if (parser.started()) co_await RefuseAndClose(std::move(fault));
      co_return false;
    }
    co_await Wait(3600);
  }
  deadline_ = Clock::time_point::max();
  co_return true;
}

asio::awaitable<Connection::Next> Connection::Answer(HttpParser& parser) {
  const bool keep = parser.keep_alive(), http_1_1 = parser.http_1_1();
  auto request = std::make_shared<HttpRequest>(parser.Take());
  auto reply =
      std::make_shared<ReplyState>(server_.settings.waiting_event_bytes, [weak = weak_from_this(), io = &server_.io] {
        asio::post(*io, [weak] {
          if (const auto self = weak.lock()) self->Wake();
        });
      });
  auto handle = MakeReply(reply);
  const auto refusal = server_.rules.Check(*request);
  Router::Match match = server_.router.Find(request->method, request->path);
  if (refusal) {
    SendError(*handle, *refusal);
  } else if (match.handler) {
    request->parameters = std::move(match.parameters);
    server_.workers->Add([request, handle, handler = match.handler] { RunHandler(*handler, *request, handle); });
  } else if (request->method == "OPTIONS" && (!match.allowed.empty() || request->path == "*")) {
    std::string allowed = "OPTIONS";
    for (const auto& method : match.allowed) allowed += ", " + method;
    handle->Send(204, "", "", {{"Allow", allowed}});
  } else if (!match.allowed.empty()) {
    std::string allowed;
    for (const auto& method : match.allowed) allowed += (allowed.empty() ? "" : ", ") + method;
    ApiError error =
        PlainError(405, fmt::format("expected {} at {}, found {}", allowed, request->path, request->method));
    error.headers["Allow"] = allowed;
    SendError(*handle, error);
  } else {
    SendError(*handle, PlainError(404, fmt::format("nothing is at {}", request->path)));
  }
  handle = nullptr;
  const Next next = co_await SendReply(*request, reply, keep, http_1_1);
  reply->Close();
  co_return next;
}

asio::awaitable<Connection::Next> Connection::SendReply(const HttpRequest& request, std::shared_ptr<ReplyState> reply,
                                                        bool keep, bool http_1_1) {
  const bool head_only = request.method == "HEAD";
  bool head_sent = false;
  for (;;) {
    ReplyState::Piece piece = reply->Take();
    if (ended_ || piece.overflow) co_return Next::kClose;
    if (!piece.begun) {
      co_await Wait(3600);
      continue;
    }
    const ReplyState::Head& head = reply->head();
    const bool chunked = head.events && http_1_1;
    std::string out;
    if (!head_sent) {
      head_sent = true;
      if (server_.settings.on_response) server_.settings.on_response(head.status);
      keep = keep && !server_.stopping && (http_1_1 || !head.events);
      const auto length = head.events ? std::nullopt : std::optional(piece.bytes.size());
      out = FormatHead(head, &request, length, keep, chunked);
      if (head_only) piece.bytes.clear();
    }
    if (head_only) {
      piece.last = true;
    } else if (chunked) {
      if (!piece.bytes.empty()) out += fmt::format("{:x}\r\n{}\r\n", piece.bytes.size(), piece.bytes);
      if (piece.last) out += "0\r\n\r\n";
    } else {
      out += piece.bytes;
    }
    piece.bytes = {};
    if (!out.empty()) {
      const bool good = co_await Write(std::move(out));
      if (!good) co_return Next::kClose;
    }
    if (piece.last) co_return keep ? Next::kRequest : Next::kClose;
    const bool woken = co_await Wait(server_.settings.comment_seconds);
    if (!woken && head.events) {
      const bool good = co_await Write(chunked ? "3\r\n:\n\n\r\n" : ":\n\n");
      if (!good) co_return Next::kClose;
    }
  }
}

// Says why, and reads on for a moment: closing at once would reset the connection before the client has read it.
asio::awaitable<void> Connection::RefuseAndClose(HttpFault fault) {
  if (server_.settings.on_response) server_.settings.on_response(fault.status);
  const std::string body = DumpJson(ErrorBody(PlainError(fault.status, fault.message)));
  ReplyState::Head head{fault.status, "application/json", {}, false};
  if (fault.status == 429) head.headers["Retry-After"] = "1";
  if (fault.status == 401) head.headers["WWW-Authenticate"] = "Bearer";
  discard_ = true;
  buffer_.clear();
  room_.cancel();
  const bool good = co_await Write(FormatHead(head, nullptr, body.size(), false, false) + body);
  if (!good) co_return;
  stream_->ShutdownSend();
  SetDeadline(2);
  while (!ended_ && !expired_) co_await Wait(3600);
}

std::string Connection::FormatHead(const ReplyState::Head& head, const HttpRequest* request,
                                   std::optional<size_t> length, bool keep, bool chunked) const {
  std::map<std::string, std::string> fields;
  if (request) fields = server_.rules.CorsHeaders(*request);
  for (const auto& [name, value] : head.headers) fields[name] = value;
  if (!head.content_type.empty()) fields["Content-Type"] = head.content_type;
  return FormatHttpHead(head.status, std::move(fields), length, keep, chunked);
}

}  // namespace hew
