#include "infer/batch_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/ops.h"

namespace hew {
namespace {

constexpr int64_t kLogitRows = 64;  // at once: bounded memory

// A run of wanted rows of one sequence.
struct Wanted {
  BatchSequence* sequence;
  int64_t row, hidden_row;  // of the sequence's rows; of the decoder's output
};

// Who takes part and with how many rows.
std::vector<BatchSequence*> PlanStep(std::span<const std::shared_ptr<BatchSequence>> sequences, int64_t prompt_slice) {
  std::vector<BatchSequence*> step, prompts;
  for (const auto& s : sequences) (s->pending() == 1 ? step : prompts).push_back(s.get());
  for (BatchSequence* s : step) s->Plan(1, sequences.size() == 1);
  int64_t room = step.empty() ? MostRowsOfAStep(prompt_slice) : prompt_slice;
  // Shared out evenly; what a short one leaves is the others'.
  std::stable_sort(prompts.begin(), prompts.end(),
                   [](const auto* a, const auto* b) { return a->pending() < b->pending(); });
  for (size_t i = 0; i < prompts.size(); ++i) {
    const int64_t share = std::max<int64_t>(1, room / static_cast<int64_t>(prompts.size() - i));
    const int64_t rows = std::min(share, prompts[i]->pending());
    prompts[i]->Plan(rows, false);
    room -= rows;
  }
  step.insert(step.end(), prompts.begin(), prompts.end());
  // Rows of the same adapters side by side; DoRA apart, which goes through the weights by itself.
  const auto kind = [](const BatchSequence* s) {
    return std::any_of(s->adapters().begin(), s->adapters().end(), [](const LoraAdapter* a) { return a->config.dora; });
  };
  std::stable_sort(step.begin(), step.end(), [&](const BatchSequence* a, const BatchSequence* b) {
    if (kind(a) != kind(b)) return kind(a) < kind(b);
    return std::lexicographical_compare(a->adapters().begin(), a->adapters().end(), b->adapters().begin(),
                                        b->adapters().end(), std::less<>());
  });
  return step;
}

// Logits of the wanted rows, some at a time, to their sequences: each reads its own on one of the pool's threads.
void ReadLogits(const Engine& engine, ConstMatrixView hidden, std::span<const Wanted> wanted) {
  const int64_t vocab = engine.model->config.vocab_size;
  const auto most = std::min<int64_t>(kLogitRows, static_cast<int64_t>(wanted.size()));
  Matrix gathered(DType::kF32, most, hidden.cols), logits(DType::kF32, most, vocab);
  std::vector<float> normalizers(static_cast<size_t>(most));
  for (; !wanted.empty(); wanted = wanted.subspan(std::min<size_t>(wanted.size(), static_cast<size_t>(kLogitRows)))) {
    const auto part = wanted.first(std::min<size_t>(wanted.size(), static_cast<size_t>(kLogitRows)));
    const auto count = static_cast<int64_t>(part.size());
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(gathered.view().f32(i), hidden.f32(part[static_cast<size_t>(i)].hidden_row),
                  static_cast<size_t>(hidden.cols) * sizeof(float));
    }
    const MatrixView part_logits = logits.rows(0, count);
    ComputeLogits(engine.rt, *engine.model, gathered.rows(0, count), part_logits);
    if (std::any_of(part.begin(), part.end(), [](const Wanted& w) { return w.sequence->wants_normalizer(); })) {
      LogSumExp(engine.rt, part_logits, normalizers.data());
    }
    std::vector<size_t> first;  // of each sequence
    for (size_t i = 0; i < part.size(); ++i) {
      if (i == 0 || part[i].sequence != part[i - 1].sequence) first.push_back(i);
    }
    first.push_back(part.size());
    engine.rt.pool->Run(static_cast<int64_t>(first.size()) - 1, [&](int64_t task) {
      for (size_t i = first[static_cast<size_t>(task)]; i < first[static_cast<size_t>(task) + 1]; ++i) {
        part[i].sequence->Read(part[i].row, {part_logits.f32(static_cast<int64_t>(i)), static_cast<size_t>(vocab)},
                               normalizers[i]);
      }
    });
  }
}

}  // namespace

int64_t MostRowsOfAStep(int64_t prompt_slice) { return std::max(prompt_slice, kPromptSlice); }

BatchStepCounts RunBatchStep(const Engine& engine, std::span<const std::shared_ptr<BatchSequence>> sequences,
                             int64_t prompt_slice) {
  const std::vector<BatchSequence*> step = PlanStep(sequences, prompt_slice);
  BatchStepCounts counts;
  std::vector<SequenceRows> rows;
  OutputRows output = OutputRows::kNone;
  for (BatchSequence* s : step) {
    rows.push_back({s->rows(), s->cache.get(), s->adapters()});
    const int64_t wanted = s->end_wanted() - s->first_wanted();
    if (wanted > 1) output = OutputRows::kAll;
    if (wanted == 1 && output == OutputRows::kNone) output = OutputRows::kLast;  // one wanted row is the last
    if (s->pending() > 1) counts.prompt_tokens += static_cast<int64_t>(s->rows().size());
    counts.generated_tokens -= static_cast<int64_t>(s->history().size());
  }
  const Matrix hidden = DecoderForward(engine.rt, *engine.model, rows, output);
  std::vector<Wanted> wanted;
  int64_t first = 0;
  for (BatchSequence* s : step) {
    const auto count = static_cast<int64_t>(s->rows().size());
    for (int64_t row = s->first_wanted(); row < s->end_wanted(); ++row) {
      wanted.push_back({s, row, output == OutputRows::kAll ? first + row : first});
    }
    first += output == OutputRows::kAll ? count : 1;
  }
  if (!wanted.empty()) ReadLogits(engine, hidden.view(), wanted);
  for (BatchSequence* s : step) {
    s->EndStep();
    counts.generated_tokens += static_cast<int64_t>(s->history().size());
  }
  return counts;
}

Embedding::Embedding(const Engine& engine, IdSpan ids)
    : ids_(ids),
      cache_(engine.rt, engine.model->config, static_cast<int64_t>(ids.size()), engine.context_size),
      sum_(static_cast<size_t>(engine.model->config.hidden_size)) {}

void Embedding::Continue(const Engine& engine, int64_t most_rows) {
  const IdSpan left = ids_.subspan(static_cast<size_t>(cache_.length()));
  const SequenceRows rows{left.first(std::min(left.size(), static_cast<size_t>(most_rows))), &cache_};
  const Matrix hidden = DecoderForward(engine.rt, *engine.model, {&rows, 1});
  for (int64_t r = 0; r < hidden.row_count(); ++r) {
    for (size_t c = 0; c < sum_.size(); ++c) sum_[c] += hidden.view().f32(r)[c];
  }
}

std::vector<float> Embedding::Take() const {
  double squares = 0;
  for (const double v : sum_) squares += v * v;
  std::vector<float> row;
  for (const double v : sum_) row.push_back(squares > 0 ? static_cast<float>(v / std::sqrt(squares)) : 0.0f);
  return row;
}

}  // namespace hew
