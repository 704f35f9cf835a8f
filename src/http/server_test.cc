// The server over real sockets: what clients do wrong, streams, slow and leaving readers, the end.
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace hew {
namespace {

// Waits for a state that other threads bring about.
class Signal {
 public:
  void Set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class Client {
 public:
  explicit Client(int port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    const timeval limit{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { Leave(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void Leave() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void Say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  // Until `text` has come (with what is behind it so far), or the end.
  std::string HearUntil(const std::string& text) {
    char bytes[4096];
    while (heard_.find(text) == heard_.npos) {
      const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
      if (count <= 0) break;
      heard_.append(bytes, static_cast<size_t>(count));
    }
    return heard_;
  }
  std::string TakeUntil(const std::string& text) {
    HearUntil(text);
    return std::exchange(heard_, {});
  }
  std::string HearAll() { return HearUntil("\x01 never \x01"); }
  // One whole reply with a Content-Length.
  std::string HearReply() {
    HearUntil("\r\n\r\n");
    const size_t head = heard_.find("\r\n\r\n");
    if (head == heard_.npos) return std::exchange(heard_, {});
    size_t length = 0;
    if (const size_t at = heard_.find("Content-Length: "); at < head) length = std::stoul(heard_.substr(at + 16));
    char bytes[4096];
    while (heard_.size() < head + 4 + length) {
      const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
      if (count <= 0) break;
      heard_.append(bytes, static_cast<size_t>(count));
    }
    std::string reply = heard_.substr(0, head + 4 + length);
    heard_.erase(0, reply.size());
    return reply;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  std::string heard_;
};

int StatusOf(const std::string& reply) { return reply.size() > 12 ? std::stoi(reply.substr(9, 3)) : 0; }

class Server : public testing::Test {
 protected:
  Server() {
    router.Add("POST", "/echo", [](const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
      reply->Send(200, "text/plain", request.body);
    });
    router.Add("GET", "/hello", [](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
      reply->Send(200, "text/plain", "hello");
    });
    router.Add("GET", "/forgotten", [](const HttpRequest&, const std::shared_ptr<HttpReply>&) {});
    router.Add("GET", "/thrown",
               [](const HttpRequest&, const std::shared_ptr<HttpReply>&) { throw std::runtime_error("our fault"); });
    router.Add("GET", "/two-lines", [](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
      reply->Send(200, "text/plain", "x", {{"X-A", "b\r\nX-Evil: 1"}});
    });
    // A stream that the test writes into.
    router.Add("GET", "/stream", [this](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
      reply->BeginEvents();
      reply->Event("first");
      reply->OnClosed([this] { left.Set(); });
      stream = reply;
      streaming.Set();
    });
  }
  ~Server() override { Stop(); }

  void Start(ServerSettings settings = {}, double grace = 5) {
    auto listening = HttpServer::Listen(settings, router);
    ASSERT_TRUE(listening) << listening.error().message;
    server = *std::move(listening);
    thread = std::thread([this, grace] { server->Run(false, grace, [this] { stopping.Set(); }); });
  }
  void Stop() {
    if (!thread.joinable()) return;
    server->Stop();
    thread.join();
  }
  std::string Ask(const std::string& bytes) {
    Client client(server->port());
    client.Say(bytes);
    return client.HearReply();
  }
  void ExpectAlive() { EXPECT_EQ(StatusOf(Ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")), 200); }

  Router router;
  std::unique_ptr<HttpServer> server;
  std::thread thread;
  std::shared_ptr<HttpReply> stream;
  Signal streaming, left, stopping;
};

TEST_F(Server, KeepsAConnectionForManyRequestsAndTakesThemAhead) {
  Start();
  Client client(server->port());
  client.Say(
      "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
      "3\r\n\r\nabc"
      "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.HearReply().ends_with("hello"));
  EXPECT_TRUE(client.HearReply().ends_with("abc"));
  const std::string last = client.HearAll();
  EXPECT_TRUE(last.ends_with("hello"));
  EXPECT_NE(last.find("Connection: close"), last.npos);
}

TEST_F(Server, AnswersMethodsAndPathsThatItDoesNotHave) {
  Start();
  EXPECT_EQ(StatusOf(Ask("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")), 404);
  const std::string wrong = Ask("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(StatusOf(wrong), 405);
  EXPECT_NE(wrong.find("Allow: GET, HEAD"), wrong.npos);
  EXPECT_NE(wrong.find("\"error\":{\"message\":"), wrong.npos);
  const std::string options = Ask("OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(StatusOf(options), 204);
  EXPECT_NE(options.find("Allow: OPTIONS, GET, HEAD"), options.npos);
  Client head(server->port());
  head.Say("HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string heard = head.HearAll();
  EXPECT_EQ(StatusOf(heard), 200);
  EXPECT_NE(heard.find("Content-Length: 5\r\n"), heard.npos);
  EXPECT_TRUE(heard.ends_with("\r\n\r\n"));
}

TEST_F(Server, OurOwnMistakesCostOneRequest) {
  Start();
  EXPECT_EQ(StatusOf(Ask("GET /forgotten HTTP/1.1\r\nHost: localhost\r\n\r\n")), 500);
  EXPECT_EQ(StatusOf(Ask("GET /thrown HTTP/1.1\r\nHost: localhost\r\n\r\n")), 500);
  const std::string lines = Ask("GET /two-lines HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(lines.find("\r\nX-Evil"), lines.npos);
  ExpectAlive();
}

TEST_F(Server, RefusesMalformedRequestsAndGoesOn) {
  Start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"nonsense\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", 400},
      {post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Content-Length: 99999999999\r\n\r\n", 413},
      {"GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n", 403},
      {"GET /hello HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0" +
           [] {
             std::string ranges;
             for (int i = 0; i < 1000; ++i) ranges += ",0-0";
             return ranges;
           }() +
           "\r\n\r\n",
       200},
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414},
      {"GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(1 << 20, 'a') + "\r\n\r\n", 431},
  };
  for (const auto& [bytes, status] : cases) {
    EXPECT_EQ(StatusOf(Ask(bytes)), status) << bytes.substr(0, 120);
    ExpectAlive();
  }
}

TEST_F(Server, AHeaderWithoutEndIsCutOff) {
  Start();
  Client client(server->port());
  client.Say("GET /hello HTTP/1.1\r\nHost: localhost\r\nX: ");
  const std::string megabyte(1 << 20, 'a');
  std::atomic<bool> cut{false};
  std::thread sender([&] {
    for (int i = 0; i < 1024 && !cut; ++i) client.Say(megabyte);  // a gigabyte, were it taken
  });
  EXPECT_EQ(StatusOf(client.HearUntil("\r\n\r\n")), 431);
  cut = true;
  sender.join();
  ExpectAlive();
}

TEST_F(Server, AsksForAnExpectedBody) {
  Start();
  Client client(server->port());
  client.Say("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.HearReply(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Say("hello");
  EXPECT_TRUE(client.HearReply().ends_with("hello"));
}

TEST_F(Server, KeysAreCheckedBeforeABodyIsTaken) {
  ServerSettings settings;
  settings.access.api_keys = {"secret"};
  Start(settings);
  EXPECT_EQ(StatusOf(Ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")), 401);
  EXPECT_EQ(
      StatusOf(
          Ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: 1\r\n\r\na")),
      200);
}

TEST_F(Server, SlowRequestsEnd) {
  ServerSettings settings;
  settings.header_seconds = settings.body_pause_seconds = settings.idle_seconds = 0.1;
  Start(settings);
  Client half(server->port()), body(server->port()), idle(server->port());
  half.Say("GET /hel");
  body.Say("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(StatusOf(half.HearAll()), 408);
  EXPECT_EQ(StatusOf(body.HearAll()), 408);
  EXPECT_EQ(idle.HearAll(), "");
}

TEST_F(Server, StreamsAndSaysSomethingMeanwhile) {
  ServerSettings settings;
  settings.comment_seconds = 0.05;
  Start(settings);
  Client client(server->port());
  client.Say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.HearUntil("data: first\n\n");
  const std::string heard = client.HearUntil("\r\n:\n\n\r\n");
  EXPECT_NE(heard.find("Content-Type: text/event-stream"), heard.npos);
  EXPECT_NE(heard.find("\r\n:\n\n\r\n"), heard.npos);
  ASSERT_TRUE(streaming.Wait());
  stream->Event("second");
  stream->End();
  EXPECT_TRUE(client.HearUntil("0\r\n\r\n").ends_with("data: second\n\n\r\n0\r\n\r\n"));
  client.Say("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");  // the connection goes on
  EXPECT_NE(client.HearUntil("hello").find("hello"), std::string::npos);
}

// What a handler says while something is being written must not wait for the next comment, an hour away.
TEST_F(Server, WhatIsSaidDuringAWriteFollowsIt) {
  router.Add("GET", "/burst", [](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
    reply->BeginEvents();
    for (int i = 0; i < 300; ++i) reply->Event("word " + std::to_string(i));
    reply->End();
  });
  ServerSettings settings;
  settings.comment_seconds = 3600;
  Start(settings, 0);
  Client client(server->port());
  for (int round = 0; round < 30; ++round) {
    client.Say("GET /burst HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const std::string heard = client.TakeUntil("0\r\n\r\n");
    ASSERT_NE(heard.find("data: word 299\n\n\r\n0\r\n\r\n"), heard.npos) << round;
  }
}

TEST_F(Server, SeesThatAClientLeaves) {
  Start();
  Client client(server->port());
  client.Say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.HearUntil("data: first\n\n");
  ASSERT_TRUE(streaming.Wait());
  client.Leave();
  EXPECT_TRUE(left.Wait());
  EXPECT_TRUE(stream->closed());
}

TEST_F(Server, AReaderThatDoesNotReadLosesItsStream) {
  Start();
  Client client(server->port(), 4096);
  client.Say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(streaming.Wait());
  const std::string piece(1000, 'x');
  int sent = 0;
  for (; sent < 100000 && !stream->closed(); ++sent) stream->Event(piece);
  EXPECT_LT(sent, 100000);  // what waits is bounded, here and in the machine
  EXPECT_TRUE(left.Wait());
}

TEST_F(Server, ConnectionsAreBounded) {
  ServerSettings settings;
  settings.max_connections = 2;
  Start(settings);
  Client one(server->port()), two(server->port());
  one.Say("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  two.Say("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(StatusOf(one.HearReply()), 200);
  EXPECT_EQ(StatusOf(two.HearReply()), 200);
  Client three(server->port());
  EXPECT_EQ(StatusOf(three.HearAll()), 503);
}

TEST_F(Server, StopLetsStreamsEnd) {
  Start();
  Client client(server->port()), idle(server->port());
  client.Say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.HearUntil("data: first\n\n");
  ASSERT_TRUE(streaming.Wait());
  server->Stop();
  ASSERT_TRUE(stopping.Wait());
  EXPECT_EQ(idle.HearAll(), "");
  stream->Event("last");
  stream->End();
  EXPECT_NE(client.HearAll().find("data: last"), std::string::npos);
  thread.join();
  EXPECT_FALSE(Client(server->port()).connected());
}

TEST_F(Server, StopEndsWhatDoesNotEndItself) {
  Start({}, -1.9);  // a grace of 0.1 seconds in all
  Client client(server->port());
  client.Say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.HearUntil("data: first\n\n");
  ASSERT_TRUE(streaming.Wait());
  server->Stop();
  thread.join();
  EXPECT_TRUE(stream->closed());
}

TEST_F(Server, SaysWhatIsWrongWithItsAddress) {
  Start();
  ServerSettings settings;
  settings.port = server->port();
  const auto taken = HttpServer::Listen(settings, router);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("--port"), std::string::npos);
  settings.port = 0;
  settings.host = "no.such.host.invalid";
  EXPECT_FALSE(HttpServer::Listen(settings, router));
  settings.host = "127.0.0.1";
  settings.tls_certificate_path = settings.tls_key_path = "/nothing.pem";
  const auto tls = HttpServer::Listen(settings, router);
  ASSERT_FALSE(tls);
  EXPECT_NE(tls.error().message.find("/nothing.pem"), std::string::npos);
}

}  // namespace
}  // namespace hew
