#include "text/chat_spans.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace hew {
namespace {

using Json = nlohmann::ordered_json;
using Span = std::pair<size_t, size_t>;

constexpr std::string_view kSpace = " \t\r\n\v\f";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string_view TrimEnd(std::string_view text) { return text.substr(0, text.find_last_not_of(kSpace) + 1); }

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

std::string_view CommonPrefix(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  const auto end = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first;
  return a.substr(0, static_cast<size_t>(end - a.begin()));
}

// The text of "content": itself, or the text parts of a list joined.
std::string ContentText(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end()) return {};
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  if (!content->is_array()) return text;
  for (const Json& part : *content) {
    if (!part.is_object()) continue;
    const auto found = part.find("text");
    if (found != part.end() && found->is_string()) text += found->get_ref<const std::string&>();
  }
  return text;
}

bool IsLearned(const Json& message) {
  if (message["role"] != "assistant") return false;
  const auto weight = message.find("weight");
  if (weight == message.end()) return true;
  if (weight->is_boolean()) return weight->get<bool>();
  return !weight->is_number() || weight->get<double>() != 0;
}

// How the content may stand in the rendering: as it is, trimmed, or without the thinking before it.
std::vector<std::string> ContentForms(const std::string& content) {
  std::vector<std::string> forms;
  const auto add = [&forms](std::string_view form) {
    if (!form.empty() && std::find(forms.begin(), forms.end(), form) == forms.end()) forms.emplace_back(form);
  };
  add(content);
  add(Trim(content));
  if (const size_t thought = content.rfind("</think>"); thought != std::string::npos) {
    add(Trim(std::string_view(content).substr(thought + std::string_view("</think>").size())));
  }
  return forms;
}

// What two continuations after the content have in common, not ending inside a token such as "<|im_start|>".
std::string_view CommonTail(std::string_view a, std::string_view b) {
  std::string_view common = CommonPrefix(a, b);
  if (common.size() == a.size() || common.size() == b.size()) return common;
  const size_t whole = common.find_last_of(" \t\r\n>]}");
  return whole == std::string_view::npos ? std::string_view() : common.substr(0, whole + 1);
}

// The end-of-turn token with the space before it; a tail of white space alone ends the turn as it is.
size_t EndOfTurnBytes(std::string_view tail) {
  const size_t begin = tail.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return tail.size();
  return std::min(tail.find_first_of(kSpace, begin), tail.size());
}

class Finder {
 public:
  Finder(const Json& messages, const std::string& text, const RenderFirst& render_first)
      : messages_(messages), text_(text), render_first_(render_first) {}

  Result<std::vector<Span>> Run() {
    std::vector<Span> spans;
    for (size_t i = 0; i < messages_.size(); ++i) {
      if (messages_[i]["role"] != "assistant") {
        SkipContent(i);
        continue;
      }
      const auto span = Locate(i);
      if (!span && !IsLearned(messages_[i])) continue;
      if (!span) {
        return BadInput("messages[{}]: expected the assistant's content in what the chat template renders, not found",
                        i);
      }
      cursor_ = span->second;
      if (IsLearned(messages_[i]) && span->first < span->second) spans.push_back(*span);
    }
    return spans;
  }

 private:
  // Moves behind a message that others said, where it can be seen.
  void SkipContent(size_t i) {
    for (const std::string& form : ContentForms(ContentText(messages_[i]))) {
      const size_t at = text_.find(form, cursor_);
      if (at == std::string::npos) continue;
      cursor_ = at + form.size();
      return;
    }
  }

  // The length of the rendering of the first messages if the whole rendering begins with it. A template may refuse an
  // unfinished conversation: that is no error here.
  std::optional<size_t> PrefixBytes(size_t count, bool prompt) {
    const auto rendered = render_first_(count, prompt);
    if (!rendered || !StartsWith(text_, *rendered)) return std::nullopt;
    return rendered->size();
  }

  std::optional<Span> Locate(size_t i) {
    const auto begin = PrefixBytes(i, true);
    // Where the message can begin: a prefix that fits is surer than what the search has passed.
    size_t from = begin.value_or(cursor_);
    if (!begin) from = PrefixBytes(i, false).value_or(cursor_);
    const auto rendered = render_first_(i + 1, false);
    const bool bounded = begin && rendered && StartsWith(text_, *rendered) && rendered->size() >= *begin;
    // Where the turn is known to end: nothing behind it is this message's.
    const std::string_view searched = std::string_view(text_).substr(0, bounded ? rendered->size() : text_.size());
    for (const std::string& form : ContentForms(ContentText(messages_[i]))) {
      // In a bounded turn the last one counts: thinking before it may speak of the answer.
      const size_t at = bounded ? searched.rfind(form) : searched.find(form, from);
      if (at == std::string_view::npos || at < from) continue;
      const size_t end = at + form.size();
      if (HasToolCalls(i)) break;  // they follow the content, and are said by the model, too
      return Span{begin ? from : at, end + EndOfTurn(i, form, std::string_view(text_).substr(end), rendered)};
    }
    if (bounded) return Span{from, from + TrimEnd(searched.substr(from)).size()};
    if (!begin || !rendered || rendered->size() < from) return std::nullopt;
    const auto common = CommonTail(std::string_view(text_).substr(from), std::string_view(*rendered).substr(from));
    if (Trim(common).empty()) return std::nullopt;
    return Span{from, from + TrimEnd(common).size()};
  }

  bool HasToolCalls(size_t i) const {
    const auto calls = messages_[i].find("tool_calls");
    return calls != messages_[i].end() && !calls->empty();
  }

  // Bytes of `tail`, the text behind the content, that belong to the turn: what also follows when the conversation
  // ends there, or is to be continued there.
  size_t EndOfTurn(size_t i, const std::string& form, std::string_view tail, const Result<std::string>& rendered) {
    const auto common_with = [&](const Result<std::string>& other) -> std::string_view {
      if (!other) return {};
      const size_t at = other->rfind(form);
      if (at == std::string::npos) return {};
      return CommonTail(tail, std::string_view(*other).substr(at + form.size()));
    };
    const std::string_view at_end = common_with(rendered);
    if (!Trim(at_end).empty()) return EndOfTurnBytes(at_end);
    const auto continued = render_first_(i + 1, true);
    const std::string_view in_between = common_with(continued);
    return EndOfTurnBytes(Trim(in_between).empty() ? at_end : in_between);
  }

  const Json& messages_;
  const std::string& text_;
  const RenderFirst& render_first_;
  size_t cursor_ = 0;  // everything before it belongs to earlier messages
};

}  // namespace

Result<std::vector<Span>> FindLearnedSpans(const Json& messages, const std::string& text,
                                           const RenderFirst& render_first) {
  return Finder(messages, text, render_first).Run();
}

}  // namespace hew
