#include "studio/hub_url.h"

#include <curl/curl.h>

#include <memory>

#include "base/shown.h"

namespace hew {
namespace {

struct Free {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};
using Url = std::unique_ptr<CURLU, Free>;

std::string Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  std::unique_ptr<char, Free> owned(text);
  return text;
}

}  // namespace

std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Result<HttpTarget> ParseHttpTarget(const std::string& base, const std::string& location) {
  Url url(curl_url());
  if (location.empty() || (!base.empty() && curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) ||
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return BadInput("{}: expected a URL", Shown(location));
  }
  HttpTarget target{Part(url, CURLUPART_URL), AsciiLower(Part(url, CURLUPART_SCHEME)),
                    AsciiLower(Part(url, CURLUPART_HOST)), ""};
  if (target.scheme != "http" && target.scheme != "https") {
    return BadInput("{}: expected http or https, found {}", Shown(location), Shown(target.scheme));
  }
  target.origin = fmt::format("{}://{}:{}", target.scheme, target.host, Part(url, CURLUPART_PORT));
  return target;
}

bool IsThisMachine(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

}  // namespace hew
