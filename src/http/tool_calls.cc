#include "http/tool_calls.h"

#include <algorithm>

#include "base/json.h"
#include "http/http_error.h"

namespace hew {
namespace {

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
constexpr std::string_view kSpace = " \n\r\t";

bool OnlySpace(std::string_view text) { return text.find_first_not_of(kSpace) == text.npos; }

// How much of the end of `text` may be the beginning of the opening word, with the space before it.
size_t HeldBack(std::string_view text) {
  size_t keep = 0;
  for (size_t n = std::min(text.size(), kOpen.size() - 1); n > 0 && keep == 0; --n) {
    if (text.ends_with(kOpen.substr(0, n))) keep = n;
  }
  while (keep < text.size() && kSpace.find(text[text.size() - keep - 1]) != kSpace.npos) ++keep;
  return keep;
}

}  // namespace

void ToolCallParser::TakeCall(std::string_view body, std::vector<ToolPiece>* out) {
  const auto json = ParseJson(body, "call");
  const bool whole = json && json->is_object() && json->contains("name") && (*json)["name"].is_string();
  const Json arguments = whole ? json->value("arguments", json->value("parameters", Json::object())) : Json();
  if (!whole || !arguments.is_object()) {
    out->push_back({std::string(kOpen) + std::string(body) + std::string(kClose), false, {}});
    return;
  }
  out->push_back({"", true, {(*json)["name"].get<std::string>(), DumpJson(arguments)}});
}

std::vector<ToolPiece> ToolCallParser::Push(std::string_view text) {
  std::vector<ToolPiece> out;
  waiting_ += text;
  for (;;) {
    const size_t at = waiting_.find(inside_ ? kClose : kOpen);
    if (inside_) {
      if (at == waiting_.npos) return out;
      TakeCall(std::string_view(waiting_).substr(0, at), &out);
      waiting_.erase(0, at + kClose.size());
      inside_ = false;
      continue;
    }
    size_t end = at == waiting_.npos ? waiting_.size() - HeldBack(waiting_) : at;
    std::string words = waiting_.substr(0, end);
    waiting_.erase(0, at == waiting_.npos ? end : at + kOpen.size());
    if (at != std::string::npos) words.erase(words.find_last_not_of(kSpace) + 1);
    if (!said_) words.erase(0, std::min(words.size(), words.find_first_not_of(kSpace)));
    if (!words.empty()) {
      said_ = true;
      out.push_back({std::move(words), false, {}});
    }
    if (at == std::string::npos) return out;
    inside_ = true;
  }
}

std::vector<ToolPiece> ToolCallParser::Flush() {
  std::vector<ToolPiece> out;
  if (inside_) {
    if (ParseJson(waiting_, "call")) {
      TakeCall(waiting_, &out);  // whole but for its closing word
    } else {
      out.push_back({std::string(kOpen) + waiting_, false, {}});
    }
  } else if (!OnlySpace(waiting_)) {
    out.push_back({waiting_, false, {}});
  }
  waiting_.clear();
  inside_ = false;
  return out;
}

}  // namespace hew
