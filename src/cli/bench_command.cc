// hew bench: this machine's limits, how near Hew comes, and other programs beside it.
#include "base/progress.h"
#include "cli/command.h"
#include "studio/bench_peers.h"

namespace hew {
namespace {

struct BenchOptions {
  std::string model;
  BenchSettings settings;
  std::vector<std::string> compare;
  int pairs = 3;
};

struct PeerResult {
  std::string peer;
  Comparison comparison;
};

nlohmann::ordered_json ToJson(const MachinePeak& peak, int threads) {
  return {{"threads", threads},
          {"fp32_gflops", peak.fp32_gflops},
          {"bf16_gflops", peak.bf16_gflops},
          {"int8_gops", peak.int8_gops},
          {"read_gb_per_s", peak.read_gbps}};
}

nlohmann::ordered_json ToJson(const BenchResult& r) {
  nlohmann::ordered_json json = {
      {"name", r.name}, {"value", r.value}, {"unit", r.unit}, {"limit", nullptr}, {"fraction", nullptr}};
  if (r.limit > 0) {
    json["limit"] = r.limit;
    json["fraction"] = r.fraction();
  }
  return json;
}

nlohmann::ordered_json ToJson(const PeerResult& r) {
  const auto ratios = r.comparison.Ratios();
  nlohmann::ordered_json pairs = nlohmann::ordered_json::array();
  for (const auto& [ours, theirs] : r.comparison.pairs) pairs.push_back({ours, theirs});
  return {{"name", fmt::format("{}, hew / {}", r.comparison.name, r.peer)},
          {"value", Median(ratios)},
          {"unit", "ratio"},
          {"limit", nullptr},
          {"fraction", nullptr},
          {"min", ratios.front()},
          {"max", ratios.back()},
          {"pairs", pairs},
          {"pair_unit", r.comparison.unit}};
}

void Print(const std::vector<ThreadPeak>& threads, const Runtime& rt) {
  fmt::print("machine ({})\n  threads   fp32 Gop/s   bf16 Gop/s   int8 Gop/s   reads GB/s\n", NameOf(rt.isa));
  for (const auto& [count, peak] : threads) {
    fmt::print("  {:>7} {:>12.0f} {:>12.0f} {:>12.0f} {:>12.1f}\n", count, peak.fp32_gflops, peak.bf16_gflops,
               peak.int8_gops, peak.read_gbps);
  }
}

void Print(const BenchResult& r) {
  fmt::print("  {:<26} {:>9.4g} {:<6}", r.name, r.value, r.unit);
  if (r.limit > 0) fmt::print("{:>3.0f}% of the limit, {:.4g}", 100 * r.fraction(), r.limit);
  fmt::print("\n");
}

void Print(const PeerResult& r) {
  const auto ratios = r.comparison.Ratios();
  fmt::print("  {:<26} {:.2f} times as good as {} ({:.2f} to {:.2f}:", r.comparison.name, Median(ratios), r.peer,
             ratios.front(), ratios.back());
  for (const auto& [ours, theirs] : r.comparison.pairs) fmt::print(" {:.4g}/{:.4g}", ours, theirs);
  fmt::print(" {})\n", r.comparison.unit);
}

Result<int> RunBench(CommandContext& context, const BenchOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  std::vector<PeerSpec> peers;
  for (const auto& spec : options.compare) {
    HEW_ASSIGN(auto peer, ParsePeer(spec));
    peers.push_back(std::move(peer));
  }
  if (!peers.empty() && options.model.empty()) return BadInput("--compare: expected a MODEL, found none");
  const auto threads = MeasureThreads(rt);
  const MachinePeak& peak = threads.back().peak;
  std::vector<BenchResult> results;
  std::vector<PeerResult> peer_results;
  if (!options.model.empty()) {
    HEW_ASSIGN(const std::string model, context.FindModel(options.model));
    HEW_ASSIGN(results, BenchModel(rt, model, peak, options.settings));
    for (const auto& peer : peers) {
      HEW_ASSIGN(auto compared, ComparePeer(rt, model, peer, options.pairs, options.settings, &Cancelled()));
      for (auto& comparison : compared) peer_results.push_back({peer.name, std::move(comparison)});
    }
  }
  if (context.common.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array(), by_threads = nlohmann::ordered_json::array();
    for (const auto& [count, measured] : threads) by_threads.push_back(ToJson(measured, count));
    for (const auto& r : results) list.push_back(ToJson(r));
    for (const auto& r : peer_results) list.push_back(ToJson(r));
    auto machine = ToJson(peak, rt.pool->threads());
    machine["isa"] = NameOf(rt.isa);
    machine["by_threads"] = std::move(by_threads);
    context.PrintJson({{"machine", machine}, {"results", list}});
    return kExitDone;
  }
  Print(threads, rt);
  if (!results.empty()) fmt::print("{}\n", options.model);
  for (const auto& r : results) Print(r);
  for (const auto& r : peer_results) Print(r);
  return kExitDone;
}

}  // namespace

void AddBenchCommand(CLI::App& app, CommandContext& context) {
  auto* bench = app.add_subcommand("bench", "measure this machine's limits, and a model's share of them");
  auto options = std::make_shared<BenchOptions>();
  BenchSettings& s = options->settings;
  bench->add_option("MODEL", options->model, "a .gguf file or a model folder; without one, the machine alone");
  bench->add_option("--prompt-tokens", s.prompt_tokens, "tokens of the prompt")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  bench->add_option("--generated-tokens", s.generated_tokens, "tokens generated")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  bench->add_option("--train-rows", s.train_rows, "packed tokens of a training step")
      ->capture_default_str()
      ->check(CLI::Range(8, 1 << 16));
  bench->add_option("--repeats", s.repeats, "runs of each; the best counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  bench
      ->add_option("--compare", options->compare,
                   "a program to run in turn with Hew: llama.cpp=LLAMA_BENCH or peft=PYTHON; may be repeated")
      ->allow_extra_args(false);
  bench->add_option("--pairs", options->pairs, "runs of each side in a comparison")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  bench->footer(
      "Example:\n  hew bench models/smollm2-135m-instruct-q4_1.gguf\n"
      "  hew bench model.gguf --compare llama.cpp=llama.cpp/build/bin/llama-bench --compare peft=venv/bin/python");
  bench->callback([&context, options] { context.run = [&context, options] { return RunBench(context, *options); }; });
}

}  // namespace hew
