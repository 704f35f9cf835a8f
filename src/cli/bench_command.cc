// hew bench: this machine's limits, and how near Hew comes.
#include "cli/command.h"
#include "studio/bench.h"

namespace hew {
namespace {

struct BenchOptions {
  std::string model;
  BenchSettings settings;
};

Result<int> RunBench(CommandContext& context, const BenchOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  const MachinePeak peak = MeasureMachine(rt);
  std::vector<BenchResult> results;
  if (!options.model.empty()) {
    HEW_ASSIGN(const std::string model, context.FindModel(options.model));
    HEW_ASSIGN(results, BenchModel(rt, model, peak, options.settings));
  }
  if (context.common.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& r : results) {
      list.push_back({{"name", r.name}, {"value", r.value}, {"unit", r.unit}, {"limit", nullptr}, {"fraction", nullptr}});
      if (r.limit <= 0) continue;
      list.back()["limit"] = r.limit;
      list.back()["fraction"] = r.fraction();
    }
    context.PrintJson({{"machine",
                        {{"isa", NameOf(rt.isa)},
                         {"threads", rt.pool->threads()},
                         {"fp32_gflops", peak.fp32_gflops},
                         {"bf16_gflops", peak.bf16_gflops},
                         {"int8_gops", peak.int8_gops},
                         {"read_gb_per_s", peak.read_gbps}}},
                       {"results", list}});
    return kExitDone;
  }
  fmt::print("machine: {} threads, {}: fp32 {:.0f}, bf16 {:.0f}, int8 {:.0f} Gop/s; reads {:.1f} GB/s\n", rt.pool->threads(), NameOf(rt.isa),
             peak.fp32_gflops, peak.bf16_gflops, peak.int8_gops, peak.read_gbps);
  for (const auto& r : results) {
    fmt::print("  {:<22} {:>9.2f} {:<6}", r.name, r.value, r.unit);
    if (r.limit > 0) fmt::print(" of {:>7.0f}: {:>3.0f}% of this machine's limit", r.limit, 100 * r.fraction());
    fmt::print("\n");
  }
  return kExitDone;
}

}  // namespace

void AddBenchCommand(CLI::App& app, CommandContext& context) {
  auto* bench = app.add_subcommand("bench", "measure this machine's limits, and a model's share of them");
  auto options = std::make_shared<BenchOptions>();
  bench->add_option("MODEL", options->model, "a .gguf file or a model folder");
  bench->add_option("--prompt-tokens", options->settings.prompt_tokens, "tokens of the prompt")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  bench->add_option("--generated-tokens", options->settings.generated_tokens, "tokens generated")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  bench->add_option("--train-rows", options->settings.train_rows, "packed tokens of a training step")->capture_default_str()->check(CLI::Range(8, 1 << 16));
  bench->add_option("--repeats", options->settings.repeats, "runs of each; the best counts")->capture_default_str()->check(CLI::Range(1, 100));
  bench->footer("Example:\n  hew bench models/smollm2-135m-instruct-q4_1.gguf");
  bench->callback([&context, options] { context.run = [&context, options] { return RunBench(context, *options); }; });
}

}  // namespace hew
