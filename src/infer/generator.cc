#include "infer/generator.h"

#include <algorithm>
#include <numeric>

#include "infer/lookup.h"
#include "infer/prompts.h"
#include "infer/running_answer.h"

namespace hew {
namespace {

// Runs ids through the decoder in slices; returns the hidden states of the last row, [1, hidden_size].
Matrix Prefill(const Engine& engine, std::span<const int32_t> ids, KvCache* cache) {
  constexpr size_t kRows = kPromptSlice;
  for (; ids.size() > kRows; ids = ids.subspan(kRows)) {
    const SequenceRows slice{ids.first(kRows), cache};
    DecoderForward(engine.rt, *engine.model, engine.adapters, {&slice, 1}, OutputRows::kNone);
  }
  const SequenceRows last{ids, cache};
  return DecoderForward(engine.rt, *engine.model, engine.adapters, {&last, 1}, OutputRows::kLast);
}

}  // namespace

double GenerateResult::tokens_per_s() const {
  return ids.size() > 1 && generation_seconds > 0 ? static_cast<double>(ids.size() - 1) / generation_seconds : 0;
}

Generator::Generator(Engine engine) : engine_(std::move(engine)) {
  cache_ = std::make_unique<KvCache>(engine_.rt, engine_.model->config, engine_.context_size);
}

Result<GenerateResult> Generator::Generate(const GenerateRequest& request, const TextCallback& on_text) {
  HEW_RETURN_IF_ERROR(CheckRequest(engine_, request));
  RunningAnswer answer(engine_, request);
  // At least the last token of the prompt is run again: its logits are what is asked for.
  const auto mismatch =
      std::mismatch(cached_ids_.begin(), cached_ids_.end(), request.prompt.begin(), request.prompt.end());
  const size_t common = std::min<size_t>(mismatch.first - cached_ids_.begin(), request.prompt.size() - 1);
  cache_->Truncate(static_cast<int64_t>(common));
  answer.result.cached_tokens = static_cast<int64_t>(common);
  cached_ids_ = request.prompt;

  double start = MonotonicSeconds();
  Matrix hidden = Prefill(engine_, std::span(request.prompt).subspan(common), cache_.get());
  Matrix logits(DType::kF32, 1, engine_.model->config.vocab_size);
  const std::span<float> row(logits.view().f32(), static_cast<size_t>(engine_.model->config.vocab_size));
  ComputeLogits(engine_.rt, *engine_.model, hidden.view(), logits.view());
  answer.result.prompt_seconds = MonotonicSeconds() - start;

  start = MonotonicSeconds();
  if (!answer.Take(row, on_text)) Continue(request, on_text, answer);
  answer.result.generation_seconds = MonotonicSeconds() - start;
  return std::move(answer.result);
}

// From the first token on: each pass runs the last token and, behind it, what is guessed to follow. A row's bits do not depend on
// the rows beside it, so that a guess which is what would have been said has the logits that it would have had.
void Generator::Continue(const GenerateRequest& request, const TextCallback& on_text, RunningAnswer& answer) {
  const int64_t vocab = engine_.model->config.vocab_size;
  Matrix logits;
  Lookup lookup;
  for (bool done = false; !done;) {
    std::vector<int32_t> rows = {answer.last_id()};
    if (request.lookup) {
      const auto draft = lookup.Draft(answer.history(), std::min(answer.left(), cache_->capacity() - cache_->length()) - 1);
      rows.insert(rows.end(), draft.begin(), draft.end());
      answer.result.drafted_tokens += static_cast<int64_t>(draft.size());
    }
    const auto count = static_cast<int64_t>(rows.size());
    const int64_t before = cache_->length();
    const SequenceRows next{rows, cache_.get()};
    const Matrix hidden = DecoderForward(engine_.rt, *engine_.model, engine_.adapters, {&next, 1});
    if (logits.row_count() < count) logits = Matrix(DType::kF32, count, vocab);
    ComputeLogits(engine_.rt, *engine_.model, hidden.view(), logits.rows(0, count));
    for (int64_t i = 0; i < count; ++i) {
      cached_ids_.push_back(rows[static_cast<size_t>(i)]);
      done = answer.Take({logits.view().f32(i), static_cast<size_t>(vocab)}, on_text);
      lookup.Observe(answer.last_id());
      if (done || i + 1 == count || answer.last_id() != rows[static_cast<size_t>(i + 1)]) {
        cache_->Truncate(before + i + 1);
        break;
      }
      ++answer.result.accepted_tokens;
    }
  }
}

Result<std::vector<GenerateResult>> GenerateAll(const Engine& engine, const std::vector<GenerateRequest>& requests, int64_t batch,
                                                const std::function<void(size_t)>& on_done) {
  for (size_t i = 0; i < requests.size(); ++i) {
    if (auto status = CheckRequest(engine, requests[i]); !status) {
      return Annotate(fmt::format("request {}", i + 1), std::move(status).error());
    }
  }
  struct Running {
    size_t index;
    std::unique_ptr<KvCache> cache;
    std::unique_ptr<RunningAnswer> answer;
    int32_t next = 0;
    double start = 0;
  };
  const int64_t vocab = engine.model->config.vocab_size;
  std::vector<GenerateResult> results(requests.size());
  std::vector<Running> running;
  // Prompts that begin alike follow each other, so that what those taken up together share is run once.
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return requests[a].prompt < requests[b].prompt; });
  size_t next_request = 0;
  PromptStem stem(engine);
  const auto finish = [&](Running& r) {
    r.answer->result.generation_seconds = MonotonicSeconds() - r.start;
    results[r.index] = std::move(r.answer->result);
    if (on_done) on_done(r.index);
  };
  const auto take = [&](Running& r, std::span<float> logits) {
    if (!r.answer->Take(logits, nullptr)) {
      r.next = r.answer->last_id();
      return false;
    }
    finish(r);
    return true;
  };

  // Takes up as many requests as there is room for: their prompts go through the decoder together.
  const auto admit = [&](size_t count) {
    const auto prompt_of = [&](size_t i) { return IdSpan(requests[order[next_request + i]].prompt); };
    IdSpan shared = prompt_of(0);
    for (size_t i = 0; i < count; ++i)
      shared = shared.first(std::min(CommonPrefix(shared, prompt_of(i)), prompt_of(i).size() - 1));
    const double start = MonotonicSeconds();
    stem.Set(shared);
    std::vector<Running> admitted;
    std::vector<KvCache*> caches;
    std::vector<IdSpan> rest;
    for (size_t i = 0; i < count; ++i) {
      const GenerateRequest& request = requests[order[next_request + i]];
      const int64_t room =
          std::min<int64_t>(engine.context_size, static_cast<int64_t>(request.prompt.size()) + request.max_tokens);
      admitted.push_back({order[next_request + i], stem.Branch(room), std::make_unique<RunningAnswer>(engine, request)});
      admitted.back().answer->result.cached_tokens = i == 0 ? 0 : stem.length();
      caches.push_back(admitted.back().cache.get());
      rest.push_back(prompt_of(i).subspan(shared.size()));
    }
    next_request += count;
    const Matrix hidden = RunTogether(engine, rest, caches);
    Matrix logits(DType::kF32, static_cast<int64_t>(count), vocab);
    ComputeLogits(engine.rt, *engine.model, hidden.view(), logits.view());
    const double now = MonotonicSeconds();
    for (size_t i = 0; i < count; ++i) {
      admitted[i].start = now;
      admitted[i].answer->result.prompt_seconds = (now - start) / static_cast<double>(count);
      const std::span<float> row(logits.view().f32(static_cast<int64_t>(i)), static_cast<size_t>(vocab));
      if (!take(admitted[i], row)) running.push_back(std::move(admitted[i]));
    }
  };

  while (next_request < requests.size() || !running.empty()) {
    // A quarter of the batch at a time: prompts one by one would run at a fraction of the speed.
    const auto room = static_cast<size_t>(batch) - running.size();
    const size_t count = std::min(room, requests.size() - next_request);
    if (count > 0 && (running.empty() || room >= std::max<size_t>(1, static_cast<size_t>(batch) / 4))) admit(count);
    if (running.empty()) continue;
    std::vector<SequenceRows> rows;
    for (auto& r : running) rows.push_back({{&r.next, 1}, r.cache.get()});
    Matrix hidden = DecoderForward(engine.rt, *engine.model, engine.adapters, rows);
    Matrix logits(DType::kF32, static_cast<int64_t>(running.size()), vocab);
    ComputeLogits(engine.rt, *engine.model, hidden.view(), logits.view());
    std::vector<Running> still;
    for (size_t i = 0; i < running.size(); ++i) {
      const std::span<float> row(logits.view().f32(static_cast<int64_t>(i)), static_cast<size_t>(vocab));
      if (!take(running[i], row)) still.push_back(std::move(running[i]));
    }
    running = std::move(still);
  }
  return results;
}

Result<std::vector<std::optional<double>>> ScoreTokens(const Engine& engine, const std::vector<int32_t>& ids) {
  HEW_RETURN_IF_ERROR(CheckPrompt(engine, ids));
  constexpr int64_t kLogitRows = 64;
  const int64_t count = static_cast<int64_t>(ids.size()), vocab = engine.model->config.vocab_size;
  KvCache cache(engine.rt, engine.model->config, count);
  std::vector<std::optional<double>> logprobs(1);
  Matrix logits(DType::kF32, std::min(kLogitRows, count), vocab);
  for (int64_t begin = 0; begin < count; begin += kPromptSlice) {
    const int64_t rows = std::min(kPromptSlice, count - begin);
    const SequenceRows sequence{std::span(ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)), &cache};
    Matrix hidden = DecoderForward(engine.rt, *engine.model, engine.adapters, {&sequence, 1});
    const int64_t scored = std::min(rows, count - 1 - begin);  // nothing follows the last token
    for (int64_t row = 0; row < scored; row += kLogitRows) {
      const int64_t chunk = std::min(kLogitRows, scored - row);
      MatrixView chunk_logits = logits.rows(0, chunk);
      ComputeLogits(engine.rt, *engine.model, hidden.rows(row, chunk), chunk_logits);
      std::vector<float> normalizer(static_cast<size_t>(chunk));
      LogSumExp(engine.rt, chunk_logits, normalizer.data());
      for (int64_t i = 0; i < chunk; ++i) {
        const int32_t target = ids[static_cast<size_t>(begin + row + i + 1)];
        logprobs.push_back(double{chunk_logits.f32(i)[target]} - normalizer[static_cast<size_t>(i)]);
      }
    }
  }
  return logprobs;
}

namespace {

// Logits [1, vocab_size] after ids, with their log-sum-exp.
struct NextLogits {
  Matrix logits;
  float normalizer = 0;
  std::span<const float> row() const { return {logits.view().f32(), static_cast<size_t>(logits.view().cols)}; }
};

Result<NextLogits> LogitsAfter(const Engine& engine, const std::vector<int32_t>& ids) {
  HEW_RETURN_IF_ERROR(CheckPrompt(engine, ids));
  KvCache cache(engine.rt, engine.model->config, static_cast<int64_t>(ids.size()));
  const Matrix hidden = Prefill(engine, ids, &cache);
  NextLogits next{Matrix(DType::kF32, 1, engine.model->config.vocab_size)};
  ComputeLogits(engine.rt, *engine.model, hidden.view(), next.logits.view());
  LogSumExp(engine.rt, next.logits.view(), &next.normalizer);
  return next;
}

}  // namespace

Result<std::vector<double>> NextLogprobs(const Engine& engine, const std::vector<int32_t>& ids) {
  HEW_ASSIGN(const NextLogits next, LogitsAfter(engine, ids));
  std::vector<double> logprobs;
  for (const float logit : next.row()) logprobs.push_back(double{logit} - next.normalizer);
  return logprobs;
}

Result<std::vector<NextToken>> NextTokens(const Engine& engine, const std::vector<int32_t>& ids, int64_t k) {
  HEW_RETURN_IF_ERROR(CheckPrompt(engine, ids));
  if (k < 1) return BadInput("k: expected 1 or more, found {}", k);
  HEW_ASSIGN(const NextLogits next, LogitsAfter(engine, ids));
  return TopTokens(next.row(), next.normalizer, k);
}

}  // namespace hew
