#include "infer/lookup.h"

#include <algorithm>

namespace hew {
namespace {

constexpr int64_t kMostDrafted = 7;  // with the token before them, the rows of one pass of the few-row kernel
// Time of a pass over 1 + k rows beside that of one row, measured (docs/LOG.md).
constexpr double kCost[kMostDrafted + 1] = {1, 1.25, 1.65, 1.65, 2.2, 2.35, 2.5, 2.65};
constexpr double kSmoothing = 0.15;

// How many guesses pay at this rate of hits: those with the most tokens expected for the time.
int64_t BestCount(double hit_rate, int64_t most) {
  int64_t best = 0;
  double expected = 1, best_rate = 1.02, all_true = 1;  // a gain too small to measure is none
  for (int64_t k = 1; k <= std::min(most, kMostDrafted); ++k) {
    all_true *= hit_rate;
    expected += all_true;
    if (expected / kCost[k] > best_rate) best_rate = expected / kCost[k], best = k;
  }
  return best;
}

}  // namespace

std::vector<int32_t> Lookup::Draft(std::span<const int32_t> history, int64_t most) {
  guess_.clear();
  next_ = 0;
  const auto size = static_cast<int64_t>(history.size());
  int64_t longest = 0, place = 0;  // the latest of the longest matches; history[place..) followed it
  for (int64_t end = size - 1; end >= kShortest && longest < kLongest; --end) {
    if (history[static_cast<size_t>(end - 1)] != history.back()) continue;
    int64_t length = 1;
    while (length < std::min(kLongest, end) && history[static_cast<size_t>(end - 1 - length)] == history[static_cast<size_t>(size - 1 - length)]) ++length;
    if (length > longest) longest = length, place = end;
  }
  if (longest < kShortest) return {};
  matched_ = longest;
  const int64_t count = std::min(kMostDrafted, size - place);
  guess_.assign(history.begin() + place, history.begin() + place + count);
  const int64_t drafted = BestCount(hit_rate_[static_cast<size_t>(longest)], std::min(most, count));
  return {guess_.begin(), guess_.begin() + drafted};
}

void Lookup::Observe(int32_t id) {
  if (next_ >= guess_.size()) return;
  const bool hit = guess_[next_] == id;
  double& rate = hit_rate_[static_cast<size_t>(matched_)];
  rate += kSmoothing * ((hit ? 1.0 : 0.0) - rate);
  next_ = hit ? next_ + 1 : guess_.size();
}

}  // namespace hew
