#include "train/step_source.h"

#include <algorithm>
#include <numeric>

namespace hew {
namespace {

class ExampleSource : public StepSource {
 public:
  ExampleSource(const Dataset& data, const StepPlan& plan, const PackOptions& packing)
      : data_(data), plan_(plan), packing_(packing), sizes_(static_cast<size_t>(data.rows())) {
    for (size_t i = 0; i < data.examples.size(); ++i) sizes_[data.pairs ? i / 2 : i] += data.examples[i].size();
  }

  int64_t BeginEpoch(int64_t epoch) override {
    steps_ = PlanEpoch(plan_, epoch, sizes_);
    return static_cast<int64_t>(steps_.size());
  }
  Result<StepBatches> Step(int64_t step) const override { return Lay(steps_[static_cast<size_t>(step)]); }
  Result<StepBatches> All() const override {
    std::vector<int64_t> all(sizes_.size());
    std::iota(all.begin(), all.end(), 0);
    return Lay(all);
  }

 private:
  StepBatches Lay(std::span<const int64_t> rows) const {
    StepBatches out;
    const auto count = [&](int64_t i) {
      const TrainingExample& example = data_.examples[static_cast<size_t>(i)];
      out.tokens += example.size();
      out.learned_tokens += example.learned();
      return example.weight();
    };
    for (const int64_t row : rows) {
      if (data_.pairs) {
        out.totals.chosen_weight += count(2 * row);
        count(2 * row + 1);
        out.totals.weight += 1;
      } else {
        out.totals.weight += count(row);
      }
    }
    out.batches = data_.pairs ? PackPairs(data_.examples, rows, packing_) : Pack(data_.examples, rows, packing_);
    return out;
  }

  const Dataset& data_;
  const StepPlan plan_;
  const PackOptions packing_;
  std::vector<int64_t> sizes_;               // tokens of each row
  std::vector<std::vector<int64_t>> steps_;  // of the epoch
};

class WindowSource : public StepSource {
 public:
  WindowSource(TokenWindows windows, const WindowSteps& steps) : windows_(std::move(windows)), steps_(steps) {}

  int64_t BeginEpoch(int64_t epoch) override {
    epoch_ = epoch;
    // The last windows of an epoch that fill no step are left out, so that all steps weigh the same.
    return std::max<int64_t>(1, windows_.windows() / steps_.windows_per_step);
  }
  Result<StepBatches> Step(int64_t step) const override {
    const int64_t begin = step * steps_.windows_per_step;
    return Gather(epoch_, begin, std::min(begin + steps_.windows_per_step, windows_.windows()));
  }
  Result<StepBatches> All() const override { return Gather(0, 0, windows_.windows()); }

 private:
  Result<StepBatches> Gather(int64_t epoch, int64_t begin, int64_t end) const {
    StepBatches out;
    HEW_ASSIGN(out.batches, Read(epoch, begin, end));
    for (const PackedBatch& batch : out.batches) {
      out.tokens += static_cast<int64_t>(batch.ids.size());
      out.totals.weight += static_cast<double>(batch.learned_rows.size());
    }
    out.learned_tokens = static_cast<int64_t>(out.totals.weight);
    return out;
  }
  Result<std::vector<PackedBatch>> Read(int64_t epoch, int64_t begin, int64_t end) const {
    std::vector<PackedBatch> batches;
    for (int64_t w = begin; w < end; ++w) {
      if ((w - begin) % steps_.windows_per_batch == 0) batches.emplace_back();
      HEW_ASSIGN(const TokenWindow window, windows_.Read(epoch, w));
      Add(window, &batches.back());
    }
    return batches;
  }
  bool BeginsAlone(const TokenWindow& window, int32_t place) const {
    return steps_.separate_documents &&
           std::binary_search(window.document_begins.begin(), window.document_begins.end(), place);
  }
  void Add(const TokenWindow& window, PackedBatch* batch) const {
    const auto first = static_cast<int32_t>(batch->ids.size());
    int32_t document = 0;  // where the present one begins
    for (int32_t i = 0; i < static_cast<int32_t>(steps_.length); ++i) {
      if (BeginsAlone(window, i)) document = i;
      if (i == document) batch->segments.push_back({first + i, 0, 0, 0});
      ++batch->segments.back().rows;
      batch->ids.push_back(window.ids[static_cast<size_t>(i)]);
      batch->positions.push_back(i - document);
      if (BeginsAlone(window, i + 1)) continue;  // nothing before it tells
      batch->learned_rows.push_back(first + i);
      batch->targets.push_back(window.ids[static_cast<size_t>(i) + 1]);
      batch->weights.push_back(1);
    }
  }

  const TokenWindows windows_;
  const WindowSteps steps_;
  int64_t epoch_ = 0;
};

}  // namespace

std::unique_ptr<StepSource> MakeExampleSource(const Dataset& data, const StepPlan& plan, const PackOptions& packing) {
  return std::make_unique<ExampleSource>(data, plan, packing);
}

std::unique_ptr<StepSource> MakeWindowSource(TokenWindows windows, const WindowSteps& steps) {
  return std::make_unique<WindowSource>(std::move(windows), steps);
}

}  // namespace hew
