// Bytes of a connection to requests, with limits; Beast's parser behind a small face. Knows no sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/router.h"

namespace hew {

struct HttpLimits {
  size_t header_bytes = 64 << 10;  // request line and fields
  size_t uri_bytes = 8 << 10;
  size_t body_bytes = 32 << 20;
};

struct HttpFault {  // what a client did wrong
  int status = 400;
  std::string message;
};

// One request. Refused: what is no HTTP/1.0 or 1.1, a missing or second Host, Content-Length beside Transfer-Encoding,
// any encoding but "chunked", and all that is beyond the limits.
class HttpParser {
 public:
  explicit HttpParser(const HttpLimits& limits);
  ~HttpParser();
  HttpParser(HttpParser&&) noexcept;

  // Takes what it can use of `bytes`, which begin where it stopped before; gives how many. Bytes that it leaves and
  // more behind them come again.
  size_t Put(std::string_view bytes);

  bool started() const;  // a byte of the request has come
  bool header_done() const;
  bool done() const;
  const std::optional<HttpFault>& fault() const { return fault_; }

  // Once the header is done:
  bool keep_alive() const;
  bool http_1_1() const;
  bool wants_continue() const;  // "Expect: 100-continue", and a body is to come
  uint64_t body_bytes() const;  // so far
  HttpRequest Head() const;     // without the body
  HttpRequest Take();           // once all is done

 private:
  struct Impl;
  void Refuse(int status, std::string message);
  void CheckHeader();

  std::unique_ptr<Impl> impl_;
  std::optional<HttpFault> fault_;
};

// "%41+b" to "A b" (plus only where `plus_is_space`); nullopt: broken escapes, a NUL or no UTF-8.
std::optional<std::string> DecodeUrl(std::string_view text, bool plus_is_space);

}  // namespace hew
