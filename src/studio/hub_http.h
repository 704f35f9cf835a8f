// Getting one thing over HTTP, from a server that may be slow, broken or hostile.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

struct HttpSettings {
  int timeout_s = 30;  // to connect, and of a connection on which nothing comes
  int retries = 5;     // in a row without a byte gained; answers 408, 429, 5xx and broken connections are tried again
  double retry_wait_s =
      1;  // before the first retry, doubled for each further one, or what Retry-After says, at most 60 s
  const std::atomic<bool>* cancel = nullptr;
};

struct DownloadRequest {
  std::string url;
  std::string token;         // a bearer token, "" for none
  std::string token_origin;  // the URL of the server that may see it: same scheme, host and port
};

struct DownloadResponse {
  int status = 0;
  std::string url;                             // where redirects led
  std::map<std::string, std::string> headers;  // names in lower case; X-Linked-... of a redirect are kept
  std::string Header(const std::string& name) const;
  std::optional<uint64_t> content_length() const;
};

// Takes what comes. A broken transfer is asked for again from offset() on, if the file is still the one of if_range().
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;
  virtual uint64_t offset() const { return 0; }
  virtual std::string if_range() const { return ""; }
  virtual Status Begin(const DownloadResponse& response) = 0;  // status 200 or 206, before the first byte
  virtual Status Write(std::string_view bytes) = 0;
  virtual Status RangeRefused() { return {}; }  // status 416: offset() must be 0 afterwards
};

// Errors, one line each: kBadInput for what asking again would not change (404, a redirect that leads astray, what the
// receiver refuses); kEnvironment when the server cannot be reached or goes on failing; kCancelled.
// At most ten redirects, never from https to http; the token goes to its origin alone, and over plain http only to this
// very machine.
Result<DownloadResponse> HttpGet(const HttpSettings& settings, const DownloadRequest& request, HttpReceiver* receiver);

// A document of at most max_bytes.
Result<std::string> HttpGetText(const HttpSettings& settings, const DownloadRequest& request, uint64_t max_bytes);

}  // namespace hew
