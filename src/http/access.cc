#include "http/access.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/digest.h"
#include "base/shown.h"

namespace hew {
namespace {

std::string Header(const HttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string() : found->second;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return out;
}

bool IsPublic(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return false;
  return request.path == "/" || request.path == "/health" || request.path == "/favicon.ico" ||
         request.path.starts_with("/page/");
}

}  // namespace

std::string HostOf(std::string_view authority) {
  if (authority.starts_with('[')) return Lower(authority.substr(1, authority.find(']') - 1));
  if (std::count(authority.begin(), authority.end(), ':') > 1) return Lower(authority);  // IPv6 without brackets
  return Lower(authority.substr(0, authority.rfind(':')));
}

bool IsLoopback(std::string_view host) {
  const std::string name = HostOf(host);
  const bool digits = name.find_first_not_of("0123456789.") == name.npos;
  return name == "localhost" || name == "::1" || (digits && name.starts_with("127."));
}

AccessRules::AccessRules(AccessSettings settings) : settings_(std::move(settings)) {
  for (const auto& key : settings_.api_keys) key_digests_.push_back(Sha256Hex(key));
  for (auto& host : settings_.hosts) host = HostOf(host);
}

bool AccessRules::KnownHost(std::string_view authority) const {
  const bool local = IsLoopback(settings_.host);
  if (!local && settings_.hosts.empty()) return true;
  const std::string host = HostOf(authority);
  if (host == HostOf(settings_.host) || (local && IsLoopback(host))) return true;
  return std::find(settings_.hosts.begin(), settings_.hosts.end(), host) != settings_.hosts.end();
}

bool AccessRules::KnownOrigin(const HttpRequest& request) const {
  const std::string origin = Header(request, "origin");
  if (origin.empty() || settings_.cors_origin == "*" || origin == settings_.cors_origin) return true;
  const size_t scheme = origin.find("://");
  return scheme != origin.npos && Lower(origin.substr(scheme + 3)) == Lower(Header(request, "host"));
}

// Digests are compared, all of them and wholly, so that the time tells nothing of a key.
bool AccessRules::HasKey(const HttpRequest& request) const {
  std::string given = Header(request, "x-api-key");  // as Anthropic's clients send it
  const std::string bearer = Header(request, "authorization");
  if (Lower(bearer.substr(0, 7)) == "bearer ") given = bearer.substr(7);
  const std::string digest = Sha256Hex(given);
  int found = 0;
  for (const auto& key : key_digests_) found |= CRYPTO_memcmp(key.data(), digest.data(), digest.size()) == 0;
  return found != 0;
}

std::optional<ApiError> AccessRules::Check(const HttpRequest& request) const {
  if (const std::string host = Header(request, "host"); !host.empty() && !KnownHost(host)) {
    ApiError error = PlainError(
        403, fmt::format("Host: expected a name of this server, found '{}' (--host-name adds one)", Shown(host)));
    error.code = "host_not_allowed";
    return error;
  }
  const bool changes = request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
  if ((changes || request.path.starts_with("/api")) && !KnownOrigin(request)) {
    ApiError error =
        PlainError(403, fmt::format("Origin: expected this server's own page, found '{}' (--cors allows another)",
                                    Shown(Header(request, "origin"))));
    error.code = "origin_not_allowed";
    return error;
  }
  if (!key_digests_.empty() && request.method != "OPTIONS" && !IsPublic(request) && !HasKey(request)) {
    ApiError error =
        PlainError(401, "Authorization: expected 'Bearer' and an API key of this server, found none that is known");
    error.code = "invalid_api_key";
    error.headers["WWW-Authenticate"] = "Bearer";
    return error;
  }
  return std::nullopt;
}

std::map<std::string, std::string> AccessRules::CorsHeaders(const HttpRequest& request) const {
  const std::string origin = Header(request, "origin");
  if (settings_.cors_origin.empty() || origin.empty() || !KnownOrigin(request)) return {};
  std::map<std::string, std::string> headers = {
      {"Access-Control-Allow-Origin", settings_.cors_origin == "*" ? "*" : origin}, {"Vary", "Origin"}};
  if (request.method == "OPTIONS") {
    headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS";
    const std::string asked = Header(request, "access-control-request-headers");
    headers["Access-Control-Allow-Headers"] = asked.empty() ? "authorization, content-type, x-api-key" : asked;
    headers["Access-Control-Max-Age"] = "600";
  }
  return headers;
}

}  // namespace hew
