#include "train/packer.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/random.h"

namespace hew {
namespace {

constexpr uint64_t kShuffleStream = uint64_t{0x5368} << 48;  // apart from the streams of weights and dropout

// How many first rows an example may share: the row before the first learned token predicts it and stays its own.
int64_t ShareableRows(const TrainingExample& example) {
  return std::max<int64_t>(0, std::min(example.first_learned() - 1, RowsOf(example) - 1));
}

int64_t CommonTokens(const TrainingExample& a, const TrainingExample& b, int64_t limit) {
  const auto end = a.ids.begin() + std::min({a.size(), b.size(), limit});
  return std::mismatch(a.ids.begin(), end, b.ids.begin()).first - a.ids.begin();
}

// Adds rows [from, to) of an example as one segment, learned rows included.
void AddSegment(const TrainingExample& example, int64_t from, int64_t to, PackedSegment shared, PackedBatch* batch) {
  const auto begin = static_cast<int64_t>(batch->ids.size());
  shared.begin = begin;
  shared.rows = to - from;
  batch->segments.push_back(shared);
  for (int64_t i = from; i < to; ++i) {
    batch->ids.push_back(example.ids[static_cast<size_t>(i)]);
    batch->positions.push_back(static_cast<int32_t>(i));
    const auto next = static_cast<size_t>(i + 1);
    if (next >= example.ids.size() || !(example.weights[next] > 0)) continue;
    batch->learned_rows.push_back(static_cast<int32_t>(begin + i - from));
    batch->targets.push_back(example.ids[next]);
    batch->weights.push_back(example.weights[next]);
  }
}

int64_t RowsOfGroup(std::span<const TrainingExample> examples, const PrefixGroup& group) {
  int64_t rows = group.prefix_rows;
  for (const int64_t i : group.examples) rows += RowsOf(examples[static_cast<size_t>(i)]) - group.prefix_rows;
  return rows;
}

// A pair as one group: behind what both begin with, where it is long enough.
PrefixGroup GroupOfPair(std::span<const TrainingExample> examples, int64_t pair, bool share) {
  const int64_t both[] = {2 * pair, 2 * pair + 1};
  PrefixGroup group{0, {both[0], both[1]}};
  if (share) {
    const auto groups = GroupByPrefix(examples, both, true);
    if (groups.size() == 1) group.prefix_rows = groups[0].prefix_rows;
  }
  return group;
}

class BatchBuilder {
 public:
  BatchBuilder(int64_t limit, bool pack) : limit_(limit), pack_(pack) {}

  // `whole`: the group is not parted, whatever its size.
  void AddGroup(std::span<const TrainingExample> examples, const PrefixGroup& group, bool whole = false) {
    int64_t prefix_begin = -1;  // of this group in the open batch; -1: not yet in it
    if (whole && !open_.ids.empty() && (!pack_ || used() + RowsOfGroup(examples, group) > limit_)) Close();
    for (size_t k = 0; k < group.examples.size(); ++k) {
      const auto& example = examples[static_cast<size_t>(group.examples[k])];
      const int64_t rows = RowsOf(example), own = rows - group.prefix_rows;
      const int64_t needed = prefix_begin >= 0 ? own : rows;
      if (!whole && !open_.ids.empty() && (!pack_ || used() + needed > limit_)) {
        Close();
        prefix_begin = -1;
      }
      if (group.prefix_rows == 0) {
        AddSegment(example, 0, rows, {}, &open_);
        open_.examples.push_back(group.examples[k]);
        continue;
      }
      if (prefix_begin < 0) {
        prefix_begin = used();
        AddSegment(example, 0, group.prefix_rows, {}, &open_);
        open_.examples.push_back(-1);
      }
      AddSegment(example, group.prefix_rows, rows, {0, 0, prefix_begin, group.prefix_rows}, &open_);
      open_.examples.push_back(group.examples[k]);
    }
  }

  std::vector<PackedBatch> Finish() {
    if (!open_.ids.empty()) Close();
    return std::move(batches_);
  }

 private:
  int64_t used() const { return static_cast<int64_t>(open_.ids.size()); }
  void Close() {
    batches_.push_back(std::move(open_));
    open_ = PackedBatch();
  }

  int64_t limit_;
  bool pack_;
  PackedBatch open_;
  std::vector<PackedBatch> batches_;
};

}  // namespace

std::vector<std::vector<int64_t>> PlanEpoch(const StepPlan& plan, int64_t epoch,
                                            std::span<const TrainingExample> examples) {
  std::vector<int64_t> sizes;
  for (const TrainingExample& example : examples) sizes.push_back(example.size());
  return PlanEpoch(plan, epoch, sizes);
}

std::vector<std::vector<int64_t>> PlanEpoch(const StepPlan& plan, int64_t epoch, std::span<const int64_t> sizes) {
  std::vector<int64_t> order(sizes.size());
  std::iota(order.begin(), order.end(), 0);
  if (plan.shuffle) {
    Random random{plan.seed, kShuffleStream + static_cast<uint64_t>(epoch), 0};
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  }
  std::vector<std::vector<int64_t>> steps;
  int64_t tokens = 0;
  for (const int64_t index : order) {
    const int64_t size = sizes[static_cast<size_t>(index)];
    const bool full = !steps.empty() &&
                      (plan.tokens_per_step > 0 ? tokens + size > plan.tokens_per_step
                                                : static_cast<int64_t>(steps.back().size()) >= plan.examples_per_step);
    if (steps.empty() || full) {
      steps.emplace_back();
      tokens = 0;
    }
    steps.back().push_back(index);
    tokens += size;
  }
  return steps;
}

int64_t RowsOf(const TrainingExample& example) {
  size_t last = example.weights.size();
  while (last > 0 && !(example.weights[last - 1] > 0)) --last;
  return last == 0 ? 0 : static_cast<int64_t>(last) - 1;
}

std::vector<PrefixGroup> GroupByPrefix(std::span<const TrainingExample> examples, std::span<const int64_t> chosen,
                                       bool share) {
  std::vector<PrefixGroup> groups;
  std::vector<int64_t> sorted(chosen.begin(), chosen.end());
  const auto at = [&](int64_t i) -> const TrainingExample& { return examples[static_cast<size_t>(i)]; };
  if (share) {
    std::stable_sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) { return at(a).ids < at(b).ids; });
  }
  for (const int64_t index : sorted) {
    HEW_CHECK(RowsOf(at(index)) >= 1);
    PrefixGroup* group = groups.empty() ? nullptr : &groups.back();
    if (share && group) {
      const auto members = static_cast<int64_t>(group->examples.size());
      const TrainingExample& first = at(group->examples[0]);
      const int64_t limit = members == 1 ? ShareableRows(first) : group->prefix_rows;
      const int64_t common = CommonTokens(first, at(index), std::min(limit, ShareableRows(at(index))));
      // n followers of p rows save (n - 1) p; a further member must not make that less.
      if (common >= kLeastSharedRows && members * common >= (members - 1) * group->prefix_rows) {
        group->prefix_rows = common;
        group->examples.push_back(index);
        continue;
      }
    }
    groups.push_back({0, {index}});
  }
  return groups;
}

int64_t RowsOfPair(std::span<const TrainingExample> examples, int64_t pair, bool share) {
  return RowsOfGroup(examples, GroupOfPair(examples, pair, share));
}

std::vector<PackedBatch> PackPairs(std::span<const TrainingExample> examples, std::span<const int64_t> pairs,
                                   const PackOptions& options) {
  BatchBuilder builder(options.micro_tokens, options.pack);
  for (const int64_t pair : pairs) builder.AddGroup(examples, GroupOfPair(examples, pair, options.share_prefix), true);
  return builder.Finish();
}

std::vector<PackedBatch> Pack(std::span<const TrainingExample> examples, std::span<const int64_t> chosen,
                              const PackOptions& options) {
  BatchBuilder builder(options.micro_tokens, options.pack);
  for (const auto& group : GroupByPrefix(examples, chosen, options.share_prefix && options.pack))
    builder.AddGroup(examples, group);
  return builder.Finish();
}

}  // namespace hew
