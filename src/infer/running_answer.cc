#include "infer/running_answer.h"

#include <algorithm>
#include <chrono>

namespace hew {

Status CheckPrompt(const Engine& engine, const std::vector<int32_t>& ids) {
  if (ids.empty()) return BadInput("prompt: expected at least one token, found none");
  if (static_cast<int64_t>(ids.size()) > engine.context_size) {
    return BadInput("prompt: expected at most {} tokens (the context), found {}", engine.context_size, ids.size());
  }
  for (int32_t id : ids) {
    if (id < 0 || id >= engine.model->config.vocab_size) {
      return BadInput("prompt: expected token ids below {}, found {}", engine.model->config.vocab_size, id);
    }
  }
  return {};
}

Status CheckRequest(const Engine& engine, const GenerateRequest& request) {
  HEW_RETURN_IF_ERROR(CheckSettings(request.sampling));
  if (request.max_tokens < 0) return BadInput("max_tokens: expected 0 or more, found {}", request.max_tokens);
  return CheckPrompt(engine, request.prompt);
}

double MonotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

RunningAnswer::RunningAnswer(const Engine& engine, const GenerateRequest& request)
    : request_(request), tokenizer_(*engine.tokenizer), sampler_(request.sampling), history_(request.prompt) {
  const int64_t room = engine.context_size - static_cast<int64_t>(request.prompt.size());
  limit_ = std::min(request.max_tokens, room);
  result.prompt_tokens = static_cast<int64_t>(request.prompt.size());
}

bool RunningAnswer::Take(std::span<float> logits, const TextCallback& on_text) {
  if (limit_ <= 0) return Finish("length", on_text);
  const int32_t id = sampler_.Sample(logits, history_);
  history_.push_back(id);
  result.ids.push_back(id);
  const auto& ends = tokenizer_.end_ids();
  if (std::find(ends.begin(), ends.end(), id) != ends.end()) return Finish("stop", on_text);
  result.text += utf8_.Push(tokenizer_.TokenBytes(id));
  for (const auto& stop : request_.stop) {
    const size_t from = shown_ > stop.size() ? shown_ - stop.size() : 0;
    const size_t at = stop.empty() ? std::string::npos : result.text.find(stop, from);
    if (at == std::string::npos) continue;
    result.text.resize(at);
    utf8_ = {};
    return Finish("stop", on_text);
  }
  if (!Show(HeldBack(), on_text)) return Finish("stop", nullptr);
  if (static_cast<int64_t>(result.ids.size()) >= limit_) return Finish("length", on_text);
  return false;
}

bool RunningAnswer::Finish(const char* reason, const TextCallback& on_text) {
  result.text += utf8_.Flush();
  Show(0, on_text);
  result.finish_reason = reason;
  return true;
}

// Bytes at the end of the text that may be the beginning of a stop text.
size_t RunningAnswer::HeldBack() const {
  size_t held = 0;
  for (const auto& stop : request_.stop) {
    for (size_t n = std::min(stop.size(), result.text.size()); n > held; --n) {
      if (result.text.compare(result.text.size() - n, n, stop, 0, n) == 0) held = n;
    }
  }
  return held;
}

bool RunningAnswer::Show(size_t held_back, const TextCallback& on_text) {
  const size_t end = result.text.size() - held_back;
  if (!on_text || end <= shown_) return true;
  const std::string_view piece = std::string_view(result.text).substr(shown_, end - shown_);
  shown_ = end;
  return on_text(piece);
}

}  // namespace hew
