// hew plan: what a training run would cost.
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "cli/command.h"
#include "kernels/machine_peak.h"
#include "studio/plan_model.h"

namespace hew {
namespace {

struct PlanOptions {
  std::string what;  // a preset's name, a model, or nothing
  double parameters = 0, tokens = 0, peak = 0, utilization = 0, price = -1;
  std::vector<std::string> data;
  double epochs = 1;
  std::string device;
  int64_t devices = 0, rank = 16, batch_tokens = 2048;
  bool lora = false;
};

// Of what `hew bench` measures as the peak, training steps reach this share.
constexpr double kOwnUtilization = 0.6;

PlanDevice ThisMachine(const Runtime& rt) {
  return {"this machine", MeasureProductPeak(rt) * 1e9, kOwnUtilization, 0, 0};
}

std::string Names() {
  std::string names;
  for (const auto& preset : PlanPresets()) names += (names.empty() ? "" : ", ") + preset.name;
  return names;
}

void TakePreset(const PlanPreset& preset, PlanRequest* request) {
  request->name = preset.name;
  request->shape = preset.shape;
  request->tokens = preset.tokens;
  request->published = preset.published;
  const PlanDevice* device = FindDevice(preset.device);
  if (!device) return;
  request->device = *device;
  request->devices = preset.devices;
  if (preset.utilization > 0) request->device.utilization = preset.utilization;
  if (preset.price_per_hour > 0) request->device.price_per_hour = preset.price_per_hour;
}

Result<PlanRequest> MakeRequest(const Runtime& rt, const PlanOptions& options) {
  PlanRequest request;
  request.device = ThisMachine(rt);
  if (const PlanPreset* preset = FindPreset(options.what)) {
    TakePreset(*preset, &request);
    // Published figures hold for the run as it was.
    if (options.tokens > 0 || options.lora || !options.device.empty() || options.devices > 0) request.published.clear();
  } else if (!options.what.empty()) {
    if (!std::filesystem::exists(options.what))
      return BadInput("{}: expected a model or one of {}; found neither", options.what, Names());
    HEW_RETURN_IF_ERROR(TakeModel(options.what, &request));
  } else {
    if (!(options.parameters > 0))
      return BadInput("plan: expected a model, a preset ({}) or --params, found none", Names());
    request.name = "a model";
  }
  if (options.parameters > 0) {
    request.parameters = options.parameters;
    request.shape.reset();
  }
  request.lora = options.lora;
  request.rank = options.rank;
  request.batch_rows = options.batch_tokens;
  if (options.tokens > 0) request.tokens = options.tokens;
  if (!options.data.empty()) {
    HEW_ASSIGN(request.tokens, CountTokens(options.what, options.data));
    request.tokens *= options.epochs;
  }
  if (!options.device.empty() && options.device != "this") {
    const PlanDevice* device = FindDevice(options.device);
    if (!device) return BadInput("--device: expected this, v100, a100, h100 or h200, found '{}'", options.device);
    request.device = *device;
  } else if (options.device == "this") {
    request.device = ThisMachine(rt);
  }
  if (options.devices > 0) request.devices = options.devices;
  if (options.peak > 0) request.device.peak = options.peak;
  if (options.utilization > 0) request.device.utilization = options.utilization;
  if (options.price >= 0) request.device.price_per_hour = options.price;
  if (!(request.tokens > 0)) return BadInput("plan: expected --tokens, or --data with a model; found neither");
  return request;
}

Result<int> RunPlan(CommandContext& context, const PlanOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const PlanRequest request, MakeRequest(rt, options));
  HEW_ASSIGN(Plan plan, MakePlan(request));
  if (request.device.name != "this machine") {
    const PlanDevice own = ThisMachine(rt);
    plan.costs.push_back({own, plan.flops / (own.peak * own.utilization) / 3600, 0});
  }
  if (context.common.json) {
    context.PrintJson(ToJson(plan));
  } else {
    fmt::print("{}", ToText(plan));
  }
  return kExitDone;
}

}  // namespace

void AddPlanCommand(CLI::App& app, CommandContext& context) {
  auto* plan = app.add_subcommand("plan", "what a training run would cost: arithmetic, memory, time, money");
  auto options = std::make_shared<PlanOptions>();
  plan->add_option("WHAT", options->what, "a known run (" + Names() + "), a model, or its config.json");
  plan->add_option("--params", options->parameters, "parameters of a model that does not exist yet, such as 8e9");
  plan->add_option("--tokens", options->tokens, "tokens to train on, over all epochs, such as 1e12");
  plan->add_option("--data", options->data, "text or rows whose tokens are counted with the model's tokenizer");
  plan->add_option("--epochs", options->epochs, "times that --data is read")->capture_default_str();
  plan->add_flag("--lora", options->lora, "an adapter on the frozen model instead of full training");
  plan->add_option("--rank", options->rank, "of the adapter")->capture_default_str();
  plan->add_option("--batch-tokens", options->batch_tokens, "tokens in memory at a time")->capture_default_str();
  plan->add_option("--device", options->device,
                   "this (measured), v100, a100, h100 or h200: what seconds and cost are for");
  plan->add_option("--devices", options->devices, "how many of them");
  plan->add_option("--peak", options->peak, "flop/s of one device, in place of the known");
  plan->add_option("--utilization", options->utilization,
                   "share of the peak that training reaches, in place of the known");
  plan->add_option("--price", options->price, "US dollars for an hour of one device, in place of the known");
  plan->footer(
      "Example:\n  hew plan gpt3-175b\n  hew plan --params 8e9 --tokens 1e12 --device h100 --devices 64\n"
      "  hew plan model.gguf --lora --data my.jsonl --epochs 3");
  plan->callback([&context, options] { context.run = [&context, options] { return RunPlan(context, *options); }; });
}

}  // namespace hew
