#include "infer/batch_sequence.h"

#include <algorithm>

namespace hew {
namespace {

constexpr int64_t kRounding = 64, kAhead = 256;  // tokens

}  // namespace

BatchSequence::BatchSequence(const Engine& engine, BatchRequest request, std::shared_ptr<BatchListener> listener,
                             uint64_t number)
    : request_(std::move(request)),
      listener_(std::move(listener)),
      number_(number),
      constraint_(request_.grammar ? request_.grammar->Begin() : nullptr),
      answer_(engine, request_.generate) {
  for (const auto& adapter : request_.adapters) adapters_.push_back(adapter.get());
}

int64_t BatchSequence::CapacityFor(int64_t rows) const {
  const int64_t needed = (cache ? cache->length() : 0) + rows, held = cache ? cache->capacity() : 0;
  if (needed <= held) return held;
  const int64_t wished = std::max({needed, held + held / 2, static_cast<int64_t>(history().size()) + kAhead});
  const int64_t capacity = std::max(needed, std::min(wished, final_length()));
  return (capacity + kRounding - 1) / kRounding * kRounding;
}

void BatchSequence::Cached(int64_t count) {
  if (begun_ == 0) answer_.result.cached_tokens = count;
}

void BatchSequence::Plan(int64_t count, bool guess) {
  if (begun_ == 0) begun_ = MonotonicSeconds();
  const auto said = history();
  start_ = cache->length();
  given_ = count;
  rows_.assign(said.begin() + start_, said.begin() + start_ + count);
  const bool ends = start_ + count == static_cast<int64_t>(said.size());
  if (ends && guess && request_.generate.lookup) {
    const auto draft = lookup_.Draft(said, std::min(answer_.left(), cache->capacity() - start_) - 1);
    rows_.insert(rows_.end(), draft.begin(), draft.end());
    answer_.result.drafted_tokens += static_cast<int64_t>(draft.size());
  }
  const auto prompt = static_cast<int64_t>(request_.generate.prompt.size());
  const bool all = request_.prompt_logprobs && start_ < prompt - 1;
  end_wanted_ = ends || all ? static_cast<int64_t>(rows_.size()) : 0;
  first_wanted_ = all ? 0 : ends ? count - 1 : 0;
}

void BatchSequence::Read(int64_t row, std::span<float> logits, float normalizer) {
  const auto said = history();
  const auto at = static_cast<size_t>(start_ + row);
  if (done_ || at >= said.size() || said[at] != rows_[static_cast<size_t>(row)]) return;  // behind a wrong guess
  const auto& prompt = request_.generate.prompt;
  if (at + 1 < prompt.size()) {
    if (request_.prompt_logprobs && prompt_choices_.size() == at) ReadPrompt(logits, normalizer, prompt[at + 1]);
  } else if (at + 1 == said.size()) {
    if (row >= given_) ++answer_.result.accepted_tokens;
    ReadAnswer(logits, normalizer);
  }
}

void BatchSequence::ReadPrompt(std::span<const float> logits, float normalizer, int32_t next) {
  prompt_choices_.push_back({next, double{logits[static_cast<size_t>(next)]} - normalizer,
                             TopTokens(logits, normalizer, request_.top_logprobs)});
}

void BatchSequence::ReadAnswer(std::span<float> logits, float normalizer) {
  if (first_token_ == 0) first_token_ = MonotonicSeconds();
  TokenChoice choice;
  const size_t said = answer_.result.ids.size();
  std::vector<float> own;  // of the model, before anything is changed
  if (request_.top_logprobs >= 0) {
    own.assign(logits.begin(), logits.end());
    choice.top = TopTokens(logits, normalizer, request_.top_logprobs);
  }
  for (const auto& [id, bias] : request_.logit_bias) logits[static_cast<size_t>(id)] += bias;
  if (constraint_) constraint_->Mask(logits);
  done_ = answer_.Take(logits, [this](std::string_view piece) {
    text_ += piece;
    return true;
  });
  if (answer_.result.ids.size() == said) return;  // there was no room for one
  const int32_t id = answer_.last_id();
  lookup_.Observe(id);
  if (constraint_) constraint_->Take(id);
  if (request_.top_logprobs < 0) return;
  choice.id = id;
  choice.logprob = double{own[static_cast<size_t>(id)]} - normalizer;
  choices_.push_back(std::move(choice));
}

bool BatchSequence::EndStep() {
  const auto said = history();
  int64_t right = start_;
  while (right < start_ + static_cast<int64_t>(rows_.size()) && right < static_cast<int64_t>(said.size()) &&
         said[static_cast<size_t>(right)] == rows_[static_cast<size_t>(right - start_)]) {
    ++right;
  }
  cache->Truncate(right);
  Tell();
  return done_;
}

void BatchSequence::EndCancelled() {
  done_ = answer_.Finish("cancelled", [this](std::string_view piece) {
    text_ += piece;
    return true;
  });
  Tell();
}

void BatchSequence::Tell() {
  const bool whole = prompt_choices_.size() + 1 == request_.generate.prompt.size();
  if (request_.prompt_logprobs && whole) {
    request_.prompt_logprobs = false;  // once
    listener_->OnPrompt(prompt_choices_);
    prompt_choices_.clear();
  }
  if (!text_.empty() || !choices_.empty()) listener_->OnText(text_, choices_);
  text_.clear();
  choices_.clear();
  if (!done_) return;
  GenerateResult& result = answer_.result;
  const double now = MonotonicSeconds();
  if (begun_ > 0) result.prompt_seconds = (first_token_ > 0 ? first_token_ : now) - begun_;
  if (first_token_ > 0) result.generation_seconds = now - first_token_;
  listener_->OnDone(result);
}

}  // namespace hew
