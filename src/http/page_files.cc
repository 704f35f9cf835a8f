#include "http/page_files.h"

#include "base/digest.h"

namespace hew {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Whether If-None-Match has this tag (or "*"), weak or not.
bool Matches(const HttpRequest& request, const std::string& tag) {
  const auto found = request.headers.find("if-none-match");
  return found != request.headers.end() && (found->second == "*" || found->second.find(tag) != std::string::npos);
}

}  // namespace

void AddPageFiles(Router& router) {
  for (const PageFile& file : PageFiles()) {
    const std::string tag = "\"" + Sha256Hex(file.bytes).substr(0, 32) + "\"";
    router.Add("GET", file.path, [&file, tag](const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
      const std::map<std::string, std::string> headers = {{"ETag", tag},
                                                          {"Cache-Control", "no-cache"},
                                                          {"Content-Security-Policy", std::string(kPolicy)},
                                                          {"X-Content-Type-Options", "nosniff"},
                                                          {"Referrer-Policy", "no-referrer"},
                                                          {"Cross-Origin-Opener-Policy", "same-origin"}};
      if (Matches(request, tag)) {
        reply->Send(304, file.content_type, "", headers);
      } else {
        reply->Send(200, file.content_type, std::string(file.bytes), headers);
      }
    });
  }
}

}  // namespace hew
