// Hew beside another program on the same machine, in turn: A B A B ..., so that what else the machine does meets both.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "studio/bench.h"

namespace hew {

struct PeerSpec {
  std::string name,
      program;  // "llama.cpp" and its llama-bench, or "peft" and a Python that has torch, transformers and peft
};
Result<PeerSpec> ParsePeer(const std::string& spec);  // "llama.cpp=BIN", "peft=PYTHON"

// One measured thing: the figures of each pair, Hew's first.
struct Comparison {
  std::string name, unit;
  std::vector<std::pair<double, double>> pairs;
  bool lower_is_better = false;  // memory

  // How many times as good Hew is: value over value, or the inverse where less is better. Sorted.
  std::vector<double> Ratios() const;
};

double Median(const std::vector<double>& sorted);

// Runs Hew's side and the peer's `pairs` times in turn. llama.cpp: prompt and generation, each alone. peft: a LoRA step
// (forward and backward) in bf16 on the same dequantised weights, with the same rows.
Result<std::vector<Comparison>> ComparePeer(const Runtime& rt, const std::string& model_path, const PeerSpec& peer,
                                            int pairs, const BenchSettings& settings, const std::atomic<bool>* cancel);

}  // namespace hew
