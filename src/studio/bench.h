// How fast this machine is, measured, and how near to that Hew comes with a model. docs/bench.md explains every number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/machine_peak.h"
#include "studio/open_model.h"

namespace hew {

struct BenchResult {
  std::string name;
  double value = 0;
  std::string unit;
  double limit = 0;  // of the machine, in the same unit; 0 when there is none
  bool lower_is_better = false;
  double fraction() const { return limit <= 0 ? 0 : lower_is_better ? limit / value : value / limit; }
};

struct BenchSettings {
  int64_t prompt_tokens = 512;
  int64_t generated_tokens = 64;
  int64_t train_rows = 512;  // packed tokens of one LoRA step, rank 16 on all linear layers, a third of them learned
  int repeats = 3;           // the best counts: other programs only ever take away
};

inline constexpr int64_t kBenchRowLength = 64;  // of each document of the training step
inline constexpr int64_t kBenchRank = 16;

// A model opened to be measured, each call one run.
class ModelBench {
 public:
  static Result<ModelBench> Open(const Runtime& rt, const std::string& path, const BenchSettings& settings);
  ModelBench(ModelBench&&) noexcept;
  ~ModelBench();

  double load_s() const;
  void SetPrecision(Precision precision);  // kDefault or kInt8, if it was opened with either
  double FirstTokenSeconds();              // of a prompt: through the decoder, logits of its end, the likeliest token
  double PromptTokensPerSecond();
  double GeneratedTokensPerSecond();   // from an empty cache
  bool TrainsInFull() const;           // a model with experts does not
  double FullRowsPerSecond();          // all weights learn, from one document of which every token is learned
  Result<double> LoraRowsPerSecond();  // forward and backward of packed rows; the optimiser is not counted

  // Limits by what `peak` says; units as above.
  double LoadLimit(const MachinePeak& peak) const;
  double FirstTokenLimit(const MachinePeak& peak) const;
  double PromptLimit(const MachinePeak& peak) const;
  double GenerationLimit(const MachinePeak& peak) const;
  double LoraLimit(const MachinePeak& peak) const;
  double FullLimit(const MachinePeak& peak) const;  // 6 flops per weight and token

 private:
  struct State;
  explicit ModelBench(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Rates of the machine for every number of threads up to the pool's (above 8: doubled each time).
struct ThreadPeak {
  int threads = 1;
  MachinePeak peak;
};
std::vector<ThreadPeak> MeasureThreads(const Runtime& rt);

// From here on PeakRssBytes counts anew, where the system lets it.
void ResetPeak();

// Load, first token, prompt, generation (both again with int8 activations), a LoRA step, a full-training step, and the
// memory that each held at most.
Result<std::vector<BenchResult>> BenchModel(const Runtime& rt, const std::string& path, const MachinePeak& peak,
                                            const BenchSettings& settings);

}  // namespace hew
