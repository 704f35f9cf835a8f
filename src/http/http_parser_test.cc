#include "http/http_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace hew {
namespace {

struct Parsed {
  std::optional<HttpFault> fault;
  bool done = false;
  HttpRequest request;
  size_t used = 0;
};

// Feeds `bytes` in pieces of `step`, as a connection does.
Parsed Parse(const std::string& bytes, size_t step = std::string::npos, const HttpLimits& limits = {}) {
  HttpParser parser(limits);
  Parsed out;
  std::string buffer;
  for (size_t at = 0; at < bytes.size() && !parser.done() && !parser.fault();) {
    const size_t count = std::min(step, bytes.size() - at);
    buffer.append(bytes, at, count);
    at += count;
    for (size_t used = 1; used > 0 && !buffer.empty() && !parser.done();) {
      used = parser.Put(buffer);
      buffer.erase(0, used);
      out.used += used;
    }
  }
  out.fault = parser.fault();
  out.done = parser.done();
  if (out.done) out.request = parser.Take();
  return out;
}

int StatusOf(const std::string& bytes, const HttpLimits& limits = {}) {
  const auto parsed = Parse(bytes, std::string::npos, limits);
  return parsed.fault ? parsed.fault->status : parsed.done ? 200 : 0;
}

constexpr const char* kPost =
    "POST /v1/chat?x=%41+b&y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Two: 1\r\nX-Two: 2\r\n\r\nhello";

TEST(HttpParser, ReadsARequestInPiecesOfAnySize) {
  for (size_t step : {1, 2, 3, 7, 1000}) {
    const auto parsed = Parse(kPost, step);
    ASSERT_TRUE(parsed.done) << step << (parsed.fault ? parsed.fault->message : "");
    EXPECT_EQ(parsed.request.method, "POST");
    EXPECT_EQ(parsed.request.path, "/v1/chat");
    EXPECT_EQ(parsed.request.query.at("x"), "A b");
    EXPECT_EQ(parsed.request.query.at("y"), "");
    EXPECT_EQ(parsed.request.headers.at("x-two"), "1, 2");
    EXPECT_EQ(parsed.request.body, "hello");
  }
}

TEST(HttpParser, LeavesTheNextRequestAlone) {
  const std::string first = kPost;
  EXPECT_EQ(Parse(first + "GET / HTTP/1.1\r\n").used, first.size());
}

TEST(HttpParser, ReadsChunks) {
  for (size_t step : {1, 5, 1000}) {
    const auto parsed = Parse(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
        step);
    ASSERT_TRUE(parsed.done) << step << (parsed.fault ? parsed.fault->message : "");
    EXPECT_EQ(parsed.request.body, "hello world");
  }
}

TEST(HttpParser, DoubledSlashesAreOne) {
  EXPECT_EQ(Parse("GET //v1//models HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/v1/models");
  EXPECT_EQ(Parse("GET http://a:80/v1 HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/v1");
}

TEST(HttpParser, RefusesWhatIsNoRequest) {
  for (const char* bytes : {
           "hello\r\n\r\n",
           "GET /\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET nothing HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nxx\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxxx\r\n0\r\n\r\n",
       }) {
    EXPECT_EQ(StatusOf(bytes), 400) << bytes;
  }
}

TEST(HttpParser, KeepsItsLimits) {
  const HttpLimits small{.header_bytes = 1000, .uri_bytes = 100, .body_bytes = 50};
  const std::string host = " HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(StatusOf("GET /" + std::string(99, 'a') + host + "\r\n", small), 200);
  EXPECT_EQ(StatusOf("GET /" + std::string(100, 'a') + host + "\r\n", small), 414);
  EXPECT_EQ(StatusOf("GET /" + std::string(5000, 'a'), small), 431);
  EXPECT_EQ(StatusOf("GET /" + host + "X: " + std::string(2000, 'a') + "\r\n\r\n", small), 431);
  EXPECT_EQ(StatusOf("GET /" + host + "X: " + std::string(20000, 'a'), small), 431);
  EXPECT_EQ(StatusOf("POST /" + host + "Content-Length: 51\r\n\r\n", small), 413);
  EXPECT_EQ(
      StatusOf("POST /" + host + "Transfer-Encoding: chunked\r\n\r\n33\r\n" + std::string(51, 'a') + "\r\n0\r\n\r\n",
               small),
      413);
}

TEST(HttpParser, AsksForABodyThatWaits) {
  HttpParser parser(HttpLimits{});
  parser.Put("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(parser.wants_continue());
  parser.Put("hello");
  EXPECT_FALSE(parser.wants_continue());
  EXPECT_TRUE(parser.done());
}

TEST(HttpParser, SurvivesDamagedRequests) {
  std::mt19937 random(7);
  const std::string whole =
      std::string(kPost) + "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole.substr(random() % whole.size());
    for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    Parse(bytes, 1 + random() % 64, {.header_bytes = 512, .uri_bytes = 64, .body_bytes = 64});
  }
}

TEST(DecodeUrl, ReadsEscapes) {
  EXPECT_EQ(DecodeUrl("a%20b+c", false), "a b+c");
  EXPECT_EQ(DecodeUrl("%ED%95%9C", false), "한");
  EXPECT_EQ(DecodeUrl("%E", false), std::nullopt);
  EXPECT_EQ(DecodeUrl("%ED", false), std::nullopt);
}

}  // namespace
}  // namespace hew
