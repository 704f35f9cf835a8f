#include "http/http_parser.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/shown.h"

namespace hew {

namespace http = boost::beast::http;

struct HttpParser::Impl {
  http::request_parser<http::string_body> parser;
  HttpLimits limits;
  bool started = false, checked = false;
  std::string path;
  std::map<std::string, std::string> query;
};

namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::string> DecodeUrl(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    out.push_back(c);
  }
  if (FindInvalidUtf8(out) != std::string::npos) return std::nullopt;
  return out;
}

HttpParser::HttpParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>()) {
  impl_->limits = limits;
  impl_->parser.header_limit(static_cast<uint32_t>(limits.header_bytes));
  impl_->parser.body_limit(limits.body_bytes);
  impl_->parser.eager(true);
}

HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;

void HttpParser::Refuse(int status, std::string message) {
  if (!fault_) fault_ = HttpFault{status, std::move(message)};
}

size_t HttpParser::Put(std::string_view bytes) {
  if (fault_ || bytes.empty()) return 0;
  impl_->started = true;
  // The header first and alone: what it says decides whether the body is wanted.
  impl_->parser.eager(impl_->checked);
  boost::system::error_code error;
  size_t used = impl_->parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::need_more) {
    if (bytes.size() - used > impl_->limits.header_bytes)
      Refuse(431, fmt::format("expected a header of at most {} bytes", impl_->limits.header_bytes));
    return used;
  }
  if (error == http::error::header_limit) {
    Refuse(431, fmt::format("expected a header of at most {} bytes", impl_->limits.header_bytes));
  } else if (error == http::error::body_limit) {
    Refuse(413, fmt::format("expected a body of at most {} bytes", impl_->limits.body_bytes));
  } else if (error) {
    Refuse(400, fmt::format("expected an HTTP request, found one with a {}", error.message()));
  }
  if (fault_) return used;
  if (impl_->parser.is_header_done() && !impl_->checked) {
    impl_->checked = true;
    CheckHeader();
    if (!fault_ && !impl_->parser.is_done() && used < bytes.size()) used += Put(bytes.substr(used));
  }
  return used;
}

void HttpParser::CheckHeader() {
  const auto& message = impl_->parser.get();
  if (message.version() != 10 && message.version() != 11)
    return Refuse(
        400, fmt::format("expected HTTP/1.0 or HTTP/1.1, found {}.{}", message.version() / 10, message.version() % 10));
  if (message.target().size() > impl_->limits.uri_bytes)
    return Refuse(414, fmt::format("expected an address of at most {} bytes", impl_->limits.uri_bytes));
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11))
    return Refuse(400, fmt::format("Host: expected once, found {} times", hosts));
  const auto encodings = message.count(http::field::transfer_encoding);
  if (encodings > 0 && message.count(http::field::content_length) > 0)
    return Refuse(400, "Content-Length: expected none beside Transfer-Encoding");
  if (encodings > 1 || (encodings == 1 && Lower(View(message[http::field::transfer_encoding])) != "chunked"))
    return Refuse(400, "Transfer-Encoding: expected 'chunked' or none");
  if (encodings == 1 && message.version() == 10) return Refuse(400, "Transfer-Encoding: expected none in HTTP/1.0");
  const auto length = impl_->parser.content_length();
  if (length && *length > impl_->limits.body_bytes)
    return Refuse(413, fmt::format("expected a body of at most {} bytes, found {}", impl_->limits.body_bytes, *length));

  std::string_view target = View(message.target());
  for (std::string_view scheme : {"http://", "https://"}) {  // the absolute form, as proxies send it
    if (!target.starts_with(scheme)) continue;
    const size_t slash = target.find('/', scheme.size());
    target = slash == target.npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  const auto path = DecodeUrl(target.substr(0, mark), false);
  if (!path || (!path->starts_with('/') && *path != "*"))
    return Refuse(400, fmt::format("expected a path in UTF-8 that begins with '/', found '{}'", Shown(target)));
  for (size_t i = 0; i < path->size(); ++i) {
    if (i == 0 || (*path)[i] != '/' || (*path)[i - 1] != '/') impl_->path.push_back((*path)[i]);
  }
  std::string_view query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const auto name = DecodeUrl(pair.substr(0, equals), true);
    const auto value = DecodeUrl(equals == pair.npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return Refuse(400, fmt::format("expected a query in UTF-8, found '{}'", Shown(pair)));
    if (!name->empty()) impl_->query[*name] = *value;
  }
}

bool HttpParser::started() const { return impl_->started; }
bool HttpParser::header_done() const { return impl_->checked; }
bool HttpParser::done() const { return !fault_ && impl_->checked && impl_->parser.is_done(); }
bool HttpParser::keep_alive() const { return impl_->parser.keep_alive(); }
bool HttpParser::http_1_1() const { return impl_->parser.get().version() == 11; }
uint64_t HttpParser::body_bytes() const { return impl_->parser.get().body().size(); }

bool HttpParser::wants_continue() const {
  return impl_->checked && !impl_->parser.is_done() && http_1_1() &&
         Lower(View(impl_->parser.get()[http::field::expect])) == "100-continue";
}

HttpRequest HttpParser::Head() const {
  const auto& message = impl_->parser.get();
  HttpRequest request;
  request.method = std::string(View(message.method_string()));
  request.path = impl_->path;
  request.query = impl_->query;
  for (const auto& field : message) {
    std::string& value = request.headers[Lower(View(field.name_string()))];
    if (!value.empty()) value += ", ";
    value += View(field.value());
  }
  return request;
}

HttpRequest HttpParser::Take() {
  HttpRequest request = Head();
  request.body = std::move(impl_->parser.get().body());
  return request;
}

}  // namespace hew
