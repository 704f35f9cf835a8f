#include "infer/continuations.h"

#include <algorithm>

#include "infer/prompts.h"

namespace hew {
namespace {

constexpr int64_t kLogitRows = 64;      // logits are made for so many rows at a time
constexpr int64_t kBatchRows = 1024;    // rows of contexts and continuations taken up together
constexpr size_t kBatchRequests = 256;  // and no more caches than this at once

// Adds up log p and whether each target is the likeliest, over rows of hidden states gathered for it.
class TargetScorer {
 public:
  explicit TargetScorer(const Engine& engine)
      : engine_(engine),
        hidden_(DType::kF32, kLogitRows, engine.model->config.hidden_size),
        logits_(DType::kF32, kLogitRows, engine.model->config.vocab_size) {}
  ~TargetScorer() { Flush(); }

  void Add(const Matrix& rows, int64_t row, int32_t target, ContinuationScore* score) {
    const ConstMatrixView all = rows.view(), one{all.f32(row), all.dtype, 1, all.cols, all.stride};
    CopyOrAdd(engine_.rt, one, hidden_.rows(static_cast<int64_t>(waiting_.size()), 1), false);
    waiting_.push_back({target, score});
    if (waiting_.size() == static_cast<size_t>(kLogitRows)) Flush();
  }

  void Flush() {
    const auto rows = static_cast<int64_t>(waiting_.size());
    if (rows == 0) return;
    const MatrixView logits = logits_.rows(0, rows);
    ComputeLogits(engine_.rt, *engine_.model, hidden_.rows(0, rows), logits);
    std::vector<float> normalizer(static_cast<size_t>(rows));
    LogSumExp(engine_.rt, logits, normalizer.data());
    for (int64_t i = 0; i < rows; ++i) {
      const auto& [target, score] = waiting_[static_cast<size_t>(i)];
      const std::span<const float> row(logits.f32(i), static_cast<size_t>(logits.cols));
      score->logprob += double{row[static_cast<size_t>(target)]} - normalizer[static_cast<size_t>(i)];
      score->greedy = score->greedy && ArgMax(row) == target;
    }
    waiting_.clear();
  }

 private:
  struct Waiting {
    int32_t target;
    ContinuationScore* score;
  };
  const Engine& engine_;
  Matrix hidden_, logits_;
  std::vector<Waiting> waiting_;
};

// Neighbours with one context.
struct Group {
  size_t begin = 0, end = 0;  // requests
};

Status CheckRequests(const Engine& engine, const std::vector<ContinuationRequest>& requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& r = requests[i];
    if (r.context.empty() || r.continuation.empty()) {
      return BadInput("request {}: expected a context and a continuation of at least one token each, found {} and {}",
                      i + 1, r.context.size(), r.continuation.size());
    }
    const size_t tokens = r.context.size() + r.continuation.size();
    if (static_cast<int64_t>(tokens) > engine.context_size) {
      return BadInput("request {}: expected at most {} tokens (the context), found {}", i + 1, engine.context_size,
                      tokens);
    }
    for (const auto* ids : {&r.context, &r.continuation}) {
      for (const int32_t id : *ids) {
        if (id < 0 || id >= engine.model->config.vocab_size)
          return BadInput("request {}: expected token ids below {}, found {}", i + 1, engine.model->config.vocab_size,
                          id);
      }
    }
  }
  return {};
}

// Contexts of some groups together, then all their continuations together.
void ScoreGroups(const Engine& engine, const std::vector<ContinuationRequest>& requests, std::span<const Group> groups,
                 PromptStem* stem, std::vector<ContinuationScore>* scores) {
  IdSpan shared = requests[groups[0].begin].context;
  for (const Group& group : groups) {
    const auto& context = requests[group.begin].context;
    shared =
        shared.first(std::min(CommonPrefix(shared, context), context.size() - 1));  // each runs its last token itself
  }
  stem->Set(shared);
  std::vector<std::unique_ptr<KvCache>> contexts;
  std::vector<KvCache*> caches;
  std::vector<IdSpan> rest;
  for (const Group& group : groups) {
    const auto& context = requests[group.begin].context;
    // A group of one goes on in its context's cache.
    const size_t longest = group.end - group.begin == 1 ? requests[group.begin].continuation.size() : 0;
    contexts.push_back(stem->Branch(static_cast<int64_t>(context.size() + longest)));
    caches.push_back(contexts.back().get());
    rest.push_back(IdSpan(context).subspan(shared.size()));
  }
  TargetScorer scorer(engine);
  const Matrix last = RunTogether(engine, rest, caches);

  std::vector<std::unique_ptr<KvCache>> branches;
  std::vector<KvCache*> branch_caches;
  std::vector<IdSpan> continuations;
  std::vector<size_t> owners;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = groups[g].begin; i < groups[g].end; ++i) {
      const IdSpan ids = requests[i].continuation;
      scorer.Add(last, static_cast<int64_t>(g), ids[0], &(*scores)[i]);
      if (ids.size() == 1) continue;
      KvCache* cache = caches[g];
      if (groups[g].end - groups[g].begin > 1) {
        branches.push_back(std::make_unique<KvCache>(engine.rt, engine.model->config,
                                                     cache->length() + static_cast<int64_t>(ids.size()),
                                                    engine.context_size));
        CopyPrefix(*engine.model, *cache, cache->length(), branches.back().get());
        cache = branches.back().get();
      }
      branch_caches.push_back(cache);
      continuations.push_back(ids.first(ids.size() - 1));
      owners.push_back(i);
    }
  }
  if (owners.empty()) return;
  const Matrix hidden = RunTogether(engine, continuations, branch_caches, true);
  int64_t row = 0;
  for (size_t c = 0; c < owners.size(); ++c) {
    const auto& targets = requests[owners[c]].continuation;
    for (size_t k = 1; k < targets.size(); ++k) scorer.Add(hidden, row++, targets[k], &(*scores)[owners[c]]);
  }
  scorer.Flush();
}

}  // namespace

Result<std::vector<ContinuationScore>> ScoreContinuations(const Engine& engine,
                                                          const std::vector<ContinuationRequest>& requests,
                                                          const std::function<void(size_t)>& on_done,
                                                          const std::function<bool()>& cancelled) {
  HEW_RETURN_IF_ERROR(CheckRequests(engine, requests));
  std::vector<ContinuationScore> scores(requests.size());
  PromptStem stem(engine);
  std::vector<Group> groups;
  int64_t rows = 0;
  size_t at = 0;
  while (at < requests.size()) {
    Group group{at, at + 1};
    const auto cost = [&](size_t i) { return static_cast<int64_t>(requests[i].continuation.size()); };
    int64_t group_rows = static_cast<int64_t>(requests[at].context.size()) + cost(at);
    while (group.end < requests.size() && group.end - group.begin < kBatchRequests &&
           requests[group.end].context == requests[at].context) {
      group_rows += cost(group.end++);
    }
    at = group.end;
    groups.push_back(group);
    rows += group_rows;
    if (at < requests.size() && rows < kBatchRows && at - groups[0].begin < kBatchRequests) continue;
    ScoreGroups(engine, requests, groups, &stem, &scores);
    groups.clear();
    rows = 0;
    if (on_done) on_done(at);
    if (cancelled && cancelled()) {
      scores.resize(at);
      return scores;
    }
  }
  return scores;
}

}  // namespace hew
