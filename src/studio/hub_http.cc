#include "studio/hub_http.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <thread>

#include "base/shown.h"
#include "studio/hub_url.h"

namespace hew {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaderBytes = 256 << 10;

struct Free {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// One exchange with one server. What the callbacks find stands here when curl returns.
struct Exchange {
  const HttpSettings& settings;
  HttpReceiver* receiver;
  std::map<std::string, std::string> inherited;  // headers of the redirects that led here
  DownloadResponse response{};
  size_t header_bytes = 0;
  uint64_t body_bytes = 0;
  bool begun = false;
  Status refused{};  // by the receiver

  bool cancelled() const { return settings.cancel && settings.cancel->load(); }

  void Header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // an answer begins; before it may have come "100 Continue" or a proxy's
      response.headers = inherited;
      return;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && std::string_view(" \t\r\n").find(value.front()) != std::string_view::npos)
      value.remove_prefix(1);
    while (!value.empty() && std::string_view(" \t\r\n").find(value.back()) != std::string_view::npos)
      value.remove_suffix(1);
    response.headers[AsciiLower(line.substr(0, colon))] = value;
  }

  // Bodies of errors and redirects are not for the receiver and of no interest beyond a little.
  bool Body(CURL* curl, std::string_view bytes) {
    body_bytes += bytes.size();
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) return body_bytes <= (64 << 10);
    if (!Begin(status)) return false;
    refused = receiver->Write(bytes);
    return refused.has_value();
  }

  bool Begin(long status) {
    if (begun) return refused.has_value();
    begun = true;
    response.status = static_cast<int>(status);
    refused = receiver->Begin(response);
    return refused.has_value();
  }
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto* exchange = static_cast<Exchange*>(user);
  exchange->header_bytes += size;
  if (exchange->header_bytes > kMaxHeaderBytes) return 0;
  exchange->Header({data, size});
  return size;
}

struct BodyContext {
  Exchange* exchange;
  CURL* curl;
};

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto* context = static_cast<BodyContext*>(user);
  return context->exchange->Body(context->curl, {data, size}) ? size : 0;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(user)->cancelled() ? 1 : 0;
}

// How an attempt ended, when it did not end well.
struct Failure {
  Error error;
  bool again = false;   // worth another attempt
  bool reached = true;  // a server was found at all
  double retry_after_s = 0;
};

tl::unexpected<Failure> Final(Error error) { return tl::unexpected(Failure{std::move(error)}); }

tl::unexpected<Failure> OfCurl(CURLcode code, const char* detail, const HttpTarget& target, const Exchange& exchange) {
  if (exchange.cancelled()) return Final({ErrorCode::kCancelled, "stopped"});
  if (!exchange.refused) return Final(exchange.refused.error());
  if (exchange.header_bytes > kMaxHeaderBytes) {
    return Final({ErrorCode::kBadInput, fmt::format("{}: expected at most {} bytes of headers, found more",
                                                    Shown(target.url), kMaxHeaderBytes)});
  }
  const std::string reason = detail[0] ? detail : curl_easy_strerror(code);
  Failure failure{{ErrorCode::kEnvironment, fmt::format("{}: {}", target.origin, Shown(reason, 160))}};
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      failure.error.message = fmt::format("{}: cannot be reached: {}", target.origin, Shown(reason, 160));
      failure.again = true;
      failure.reached = false;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_OUT_OF_MEMORY:
      break;
    default:
      failure.again = true;
  }
  return tl::unexpected(std::move(failure));
}

Failure OfStatus(const DownloadResponse& response, const DownloadRequest& request) {
  const int status = response.status;
  const std::string url = Shown(response.url, 200);
  if (status == 408 || status == 429 || status >= 500) {
    Failure failure{{ErrorCode::kEnvironment, fmt::format("{}: the server answers {}", url, status)}, true};
    const auto seconds = Number(response.Header("retry-after"));
    failure.retry_after_s = seconds ? static_cast<double>(std::min<uint64_t>(*seconds, 60)) : 0;
    return failure;
  }
  if (status == 401 || status == 403) {
    return {{ErrorCode::kBadInput, fmt::format("{}: the server answers {}: {}", url, status,
                                               request.token.empty() ? "expected a token in HF_TOKEN, found none"
                                                                     : "the token in HF_TOKEN does not open it")}};
  }
  if (status == 404 || status == 410) return {{ErrorCode::kBadInput, fmt::format("{}: not found ({})", url, status)}};
  return {{ErrorCode::kBadInput, fmt::format("{}: expected status 200, found {}", url, status)}};
}

class Client {
 public:
  Client(const HttpSettings& settings, const DownloadRequest& request, HttpReceiver* receiver)
      : settings_(settings), request_(request), receiver_(receiver), curl_(curl_easy_init()) {}

  // Follows redirects to the end of one attempt.
  tl::expected<DownloadResponse, Failure> Attempt() {
    auto target = ParseHttpTarget("", request_.url);
    if (!target) return Final(target.error());
    std::map<std::string, std::string> inherited;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
      auto response = Ask(*target, inherited);
      if (!response) return tl::unexpected(std::move(response).error());
      const int status = response->status;
      const bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
      if (!redirect) {
        if (status == 200 || status == 206) return response;
        if (status == 416 && receiver_->offset() > 0) {
          if (auto refused = receiver_->RangeRefused(); !refused) return Final(refused.error());
          continue;
        }
        return tl::unexpected(OfStatus(*response, request_));
      }
      auto next = ParseHttpTarget(target->url, response->Header("location"));
      if (!next)
        return Final({ErrorCode::kBadInput, fmt::format("{}: redirect: {}", Shown(target->url), next.error().message)});
      if (target->scheme == "https" && next->scheme == "http") {
        return Final({ErrorCode::kBadInput,
                      fmt::format("{}: redirect: expected https, found {}", Shown(target->url), Shown(next->url))});
      }
      target = std::move(next);
      inherited = std::move(response->headers);
      std::erase_if(inherited, [](const auto& header) { return !header.first.starts_with("x-linked-"); });
    }
    return Final({ErrorCode::kBadInput,
                  fmt::format("{}: expected at most {} redirects, found more", Shown(request_.url), kMaxRedirects)});
  }

 private:
  // One request to one server.
  tl::expected<DownloadResponse, Failure> Ask(const HttpTarget& target,
                                          const std::map<std::string, std::string>& inherited) {
    Exchange exchange{settings_, receiver_, inherited};
    exchange.response.url = target.url;
    BodyContext body{&exchange, curl_.get()};
    detail_[0] = '\0';
    CURL* curl = curl_.get();
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, target.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hew/0.1");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail_);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.timeout_s));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.timeout_s));
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
    std::vector<std::string> lines;
    const auto authorised = MaySendToken(target);
    if (!authorised) return Final(authorised.error());
    if (*authorised) lines.push_back("Authorization: Bearer " + request_.token);
    if (const uint64_t from = receiver_->offset(); from > 0) {
      lines.push_back(fmt::format("Range: bytes={}-", from));
      if (const std::string tag = receiver_->if_range(); !tag.empty()) lines.push_back("If-Range: " + tag);
    }
    std::unique_ptr<curl_slist, Free> headers;
    for (const auto& line : lines) headers.reset(curl_slist_append(headers.release(), line.c_str()));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) return OfCurl(code, detail_, target, exchange);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    exchange.response.status = static_cast<int>(status);
    if ((status == 200 || status == 206) && !exchange.Begin(status))
      return Final(exchange.refused.error());  // an empty body
    return exchange.response;
  }

  Result<bool> MaySendToken(const HttpTarget& target) const {
    if (request_.token.empty()) return false;
    HEW_ASSIGN(const HttpTarget owner, ParseHttpTarget("", request_.token_origin));
    if (owner.origin != target.origin) return false;
    if (target.scheme == "https" || IsThisMachine(target.host)) return true;
    return BadInput("HF_TOKEN: {}: expected https before a token is sent, found http", target.origin);
  }

  const HttpSettings& settings_;
  const DownloadRequest& request_;
  HttpReceiver* receiver_;
  char detail_[CURL_ERROR_SIZE] = "";
  std::unique_ptr<CURL, Free> curl_;  // holds on to detail_
};

// False: the user stopped it.
bool Sleep(double seconds, const std::atomic<bool>* cancel) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (cancel && cancel->load()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

class TextReceiver : public HttpReceiver {
 public:
  explicit TextReceiver(uint64_t max_bytes) : max_bytes_(max_bytes) {}
  Status Begin(const DownloadResponse& response) override {
    url_ = response.url;
    text.clear();
    return {};
  }
  Status Write(std::string_view bytes) override {
    if (text.size() + bytes.size() > max_bytes_) {
      return BadInput("{}: expected at most {} bytes, found more", Shown(url_), max_bytes_);
    }
    text += bytes;
    return {};
  }
  std::string text;

 private:
  uint64_t max_bytes_;
  std::string url_;
};

}  // namespace

std::string DownloadResponse::Header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

std::optional<uint64_t> DownloadResponse::content_length() const { return Number(Header("content-length")); }

Result<DownloadResponse> HttpGet(const HttpSettings& settings, const DownloadRequest& request, HttpReceiver* receiver) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!ready) return EnvironmentError("the HTTP library cannot be started");
  Client client(settings, request, receiver);
  bool ever_reached = false;
  for (int failed = 0;; ++failed) {
    const uint64_t before = receiver->offset();
    auto response = client.Attempt();
    if (response) return *response;
    const Failure& failure = response.error();
    ever_reached |= failure.reached;
    if (receiver->offset() > before) failed = 0;
    // Without a network at all the user hears so at once.
    if (!failure.again || failed >= settings.retries || !ever_reached) return tl::unexpected(failure.error);
    const double wait = std::max(failure.retry_after_s,
                                 std::min(60.0, settings.retry_wait_s * static_cast<double>(1 << std::min(failed, 6))));
    if (!Sleep(wait, settings.cancel)) return tl::unexpected(Error{ErrorCode::kCancelled, "stopped"});
  }
}

Result<std::string> HttpGetText(const HttpSettings& settings, const DownloadRequest& request, uint64_t max_bytes) {
  TextReceiver receiver(max_bytes);
  HEW_RETURN_IF_ERROR(HttpGet(settings, request, &receiver));
  return std::move(receiver.text);
}

}  // namespace hew
