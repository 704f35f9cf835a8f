// Requests as they come from a socket: whole, and in pieces, which must make no difference.
#include "http/http_parser.h"
#include "mutate.h"
#include "target.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"GET ",
                                  "POST ",
                                  "HEAD ",
                                  "OPTIONS ",
                                  " HTTP/1.1\r\n",
                                  " HTTP/1.0\r\n",
                                  " HTTP/2.0\r\n",
                                  "Host: a\r\n",
                                  "Host: \r\n",
                                  "Content-Length: 5\r\n",
                                  "Content-Length: 18446744073709551615\r\n",
                                  "Content-Length: -1\r\n",
                                  "Transfer-Encoding: chunked\r\n",
                                  "Transfer-Encoding: gzip, chunked\r\n",
                                  "Connection: close\r\n",
                                  "Expect: 100-continue\r\n",
                                  "\r\n",
                                  "\r\n\r\n",
                                  "5\r\nhello\r\n",
                                  "0\r\n\r\n",
                                  "-2\r\n",
                                  "ffffffffffffffff\r\n",
                                  ";x=y",
                                  "%00",
                                  "%ff",
                                  "%",
                                  "//",
                                  "?a=b&c",
                                  "X: y\r\n z\r\n",
                                  ":",
                                  "\n",
                                  "\r",
                                  "Range: bytes=0-1,2-3\r\n"};

std::vector<std::string> Seeds() {
  return {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          "POST /v1/chat?x=%41+b&y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Two: 1\r\nX-Two: 2\r\n\r\nhello",
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
          "world\r\n0\r\nTrailer: x\r\n\r\n",
          "GET http://a:80//v1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n\r\n"};
}

struct Outcome {
  int status = 0;  // of the fault; 0: none
  bool done = false;
  HttpRequest request;
};

Outcome Parse(std::string_view bytes, size_t step) {
  HttpParser parser({.header_bytes = 600, .uri_bytes = 100, .body_bytes = 300});
  std::string waiting;
  while (!bytes.empty() && !parser.done() && !parser.fault()) {
    waiting.append(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (size_t used = 1; used > 0 && !waiting.empty() && !parser.done() && !parser.fault();) {
      used = parser.Put(waiting);
      HEW_CHECK(used <= waiting.size());
      waiting.erase(0, used);
    }
  }
  Outcome out;
  out.done = parser.done() && !parser.fault();
  if (parser.fault()) {
    out.status = parser.fault()->status;
    HEW_CHECK(out.status >= 400 && out.status < 600 &&
              FindInvalidUtf8(parser.fault()->message) == std::string_view::npos);
  }
  if (out.done) out.request = parser.Take();
  HEW_CHECK(out.request.body.size() <= 300);
  return out;
}

void Run(std::string_view bytes) {
  const Outcome whole = Parse(bytes, bytes.size() + 1), pieces = Parse(bytes, 1 + bytes.size() % 7);
  if (whole.done && pieces.done) {
    HEW_CHECK(whole.request.path == pieces.request.path && whole.request.body == pieces.request.body);
    HEW_CHECK(whole.request.headers == pieces.request.headers);
  }
  for (const bool plus : {false, true}) {
    if (const auto decoded = DecodeUrl(bytes, plus)) HEW_CHECK(FindInvalidUtf8(*decoded) == std::string_view::npos);
  }
}

std::string Mutate(std::string_view bytes, Random& random) { return MutateText(bytes, kWords, random); }

}  // namespace

const FuzzTarget http_target = {"http", Seeds, Run, Mutate};

}  // namespace hew::fuzz
