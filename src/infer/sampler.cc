#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace hew {
namespace {

struct Candidate {
  int32_t id;
  float logit;
  double probability;
};

Status CheckRange(const char* field, float value, float low, float high) {
  if (std::isfinite(value) && value >= low && value <= high) return {};
  return BadInput("{}: expected a number from {} to {}, found {}", field, low, high, value);
}

void ApplyPenalties(const SamplingSettings& s, std::span<const int32_t> history, std::span<float> logits) {
  if (s.repeat_penalty == 1.0f && s.presence_penalty == 0 && s.frequency_penalty == 0) return;
  if (s.repeat_last_n >= 0 && static_cast<int64_t>(history.size()) > s.repeat_last_n) {
    history = history.last(static_cast<size_t>(s.repeat_last_n));
  }
  std::unordered_map<int32_t, int> counts;
  for (int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / s.repeat_penalty : logit * s.repeat_penalty;
    logit -= static_cast<float>(count) * s.frequency_penalty + s.presence_penalty;
  }
}

bool Likelier(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

// The `keep` likeliest, likeliest first: a heap with the least of them on top, which few of the others pass.
std::vector<Candidate> Likeliest(std::span<const float> logits, size_t keep) {
  std::vector<Candidate> heap;
  heap.reserve(keep);
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate c = {static_cast<int32_t>(i), logits[i], 0};
    if (heap.size() < keep) {
      heap.push_back(c);
      if (heap.size() == keep) std::make_heap(heap.begin(), heap.end(), Likelier);
    } else if (c.logit > heap.front().logit) {  // among equals the lower id is in already
      std::pop_heap(heap.begin(), heap.end(), Likelier);
      heap.back() = c;
      std::push_heap(heap.begin(), heap.end(), Likelier);
    }
  }
  std::sort_heap(heap.begin(), heap.end(), Likelier);
  return heap;
}

// Softmax at `temperature` over candidates sorted by logit, highest first.
void SetProbabilities(std::vector<Candidate>& candidates, float temperature) {
  double sum = 0;
  for (auto& c : candidates) sum += c.probability = std::exp(double{c.logit - candidates[0].logit} / temperature);
  for (auto& c : candidates) c.probability /= sum;
}

}  // namespace

Status CheckSettings(const SamplingSettings& s) {
  HEW_RETURN_IF_ERROR(CheckRange("temperature", s.temperature, 0, 100));
  HEW_RETURN_IF_ERROR(CheckRange("top_p", s.top_p, 0, 1));
  HEW_RETURN_IF_ERROR(CheckRange("min_p", s.min_p, 0, 1));
  HEW_RETURN_IF_ERROR(CheckRange("repeat_penalty", s.repeat_penalty, 0.01f, 100));
  HEW_RETURN_IF_ERROR(CheckRange("presence_penalty", s.presence_penalty, -100, 100));
  HEW_RETURN_IF_ERROR(CheckRange("frequency_penalty", s.frequency_penalty, -100, 100));
  if (s.top_k < 0) return BadInput("top_k: expected 0 or more, found {}", s.top_k);
  return {};
}

int32_t ArgMax(std::span<const float> logits) {
  // Side by side, which a compiler turns into vectors: a vocabulary is long, and a batch asks for many.
  constexpr size_t kLanes = 16;
  float best[kLanes];
  std::fill_n(best, kLanes, logits[0]);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      best[lane] = logits[i + lane] > best[lane] ? logits[i + lane] : best[lane];
  }
  for (; i < logits.size(); ++i) best[0] = std::max(best[0], logits[i]);
  const auto first = std::find(logits.begin(), logits.end(), *std::max_element(best, best + kLanes));
  return first == logits.end() ? 0 : static_cast<int32_t>(first - logits.begin());
}

std::vector<NextToken> TopTokens(std::span<const float> logits, float normalizer, int64_t k) {
  std::vector<NextToken> top;
  if (k <= 0) return top;
  for (const Candidate& c : Likeliest(logits, std::min(static_cast<size_t>(k), logits.size()))) {
    top.push_back({c.id, double{c.logit} - normalizer});
  }
  return top;
}

int32_t Sampler::Sample(std::span<float> logits, std::span<const int32_t> history) {
  ApplyPenalties(settings_, history, logits);
  if (settings_.temperature == 0 || settings_.top_k == 1) return ArgMax(logits);

  const size_t keep = settings_.top_k > 0 ? std::min<size_t>(settings_.top_k, logits.size()) : logits.size();
  std::vector<Candidate> candidates = Likeliest(logits, keep);
  while (candidates.size() > 1 && std::isinf(candidates.back().logit)) candidates.pop_back();

  SetProbabilities(candidates, 1.0f);
  if (settings_.top_p < 1) {
    double sum = 0;
    size_t count = 0;
    while (count < candidates.size() && (count == 0 || sum < settings_.top_p)) sum += candidates[count++].probability;
    candidates.resize(count);
  }
  if (settings_.min_p > 0) {
    const double least = candidates[0].probability * settings_.min_p;
    while (candidates.size() > 1 && candidates.back().probability < least) candidates.pop_back();
  }
  SetProbabilities(candidates, settings_.temperature);

  double left = random_.Uniform();
  for (const auto& c : candidates) {
    if ((left -= c.probability) < 0) return c.id;
  }
  return candidates.back().id;
}

}  // namespace hew
