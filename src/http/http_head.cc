#include "http/http_head.h"

#include <fmt/format.h>

#include <ctime>

namespace hew {
namespace {

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
  }
  return status < 400 ? "OK" : "Error";
}

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc));
}

// No header can end early by what a handler put into it.
std::string OneLine(std::string text) {
  std::erase_if(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return text;
}

}  // namespace

std::string FormatHttpHead(int status, std::map<std::string, std::string> fields, std::optional<size_t> length,
                           bool keep, bool chunked) {
  fields.emplace("X-Content-Type-Options", "nosniff");
  fields.emplace("Referrer-Policy", "no-referrer");
  fields.emplace("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  fields.emplace("Cache-Control", "no-store");
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nServer: hew\r\nDate: {}\r\nConnection: {}\r\n", status,
                                 ReasonOf(status), HttpDate(), keep ? "keep-alive" : "close");
  for (const auto& [name, value] : fields) text += OneLine(name) + ": " + OneLine(value) + "\r\n";
  if (length && status != 204) text += fmt::format("Content-Length: {}\r\n", *length);
  if (chunked) text += "Transfer-Encoding: chunked\r\n";
  return text + "\r\n";
}

}  // namespace hew
