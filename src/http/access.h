// Who may ask: names this machine goes by (against DNS rebinding), origins of pages, keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/http_error.h"
#include "http/router.h"

namespace hew {

struct AccessSettings {
  std::string host;                   // that the server listens on; HttpServer fills in its own
  std::vector<std::string> hosts;     // further names for it; without any, every name will do unless `host` is loopback
  std::vector<std::string> api_keys;  // none: everybody may
  std::string cors_origin;            // one origin, "*" or none
};

class AccessRules {
 public:
  explicit AccessRules(AccessSettings settings);
  // nullopt: welcome.
  std::optional<ApiError> Check(const HttpRequest& request) const;
  // Headers that let the page of an allowed other site read the answer; none for all others.
  std::map<std::string, std::string> CorsHeaders(const HttpRequest& request) const;

 private:
  bool KnownHost(std::string_view host) const;
  bool KnownOrigin(const HttpRequest& request) const;
  bool HasKey(const HttpRequest& request) const;

  AccessSettings settings_;
  std::vector<std::string> key_digests_;
};

bool IsLoopback(std::string_view host);  // "localhost", "127.…", "::1", in brackets or not
// "Name:8080" to "name", "[::1]:8080" to "::1".
std::string HostOf(std::string_view authority);

}  // namespace hew
