#include "studio/plan.h"

#include <cmath>

namespace hew {
namespace {

// Hoffmann et al. 2022, approach 3: L(N, D) = E + A / N^alpha + B / D^beta.
constexpr double kE = 1.69, kA = 406.4, kB = 410.7, kAlpha = 0.34, kBeta = 0.28;
constexpr double kTokensPerParameter = 20;

// 6 operations for each parameter and token: two forward, two for the gradient of the input, two for that of the
// weight (Kaplan et al. 2020). A frozen base needs no gradient of its weights: 4; its adapters need all 6.
double Flops(const PlanRequest& request, double trained) {
  const double active = request.parameters - request.idle_parameters;
  if (!request.lora) return 6 * active * request.tokens;
  return (4 * active + 6 * trained) * request.tokens;
}

// Full training: weights and gradients in 16 bits, a copy of the weights and AdamW's two moments in 32. An adapter is
// kept in 32 bits throughout, with its gradients and moments.
PlanMemory MemoryOf(const PlanRequest& request, double trained) {
  PlanMemory memory;
  if (request.lora) {
    memory.weights = (request.base_bytes > 0 ? request.base_bytes : 2 * request.parameters) + 4 * trained;
    memory.gradients = 4 * trained;
    memory.optimizer = 8 * trained;
  } else {
    memory.weights = 2 * request.parameters;
    memory.gradients = 2 * request.parameters;
    memory.optimizer = 12 * request.parameters;
  }
  if (request.shape) {
    const auto rows = static_cast<double>(request.batch_rows);
    memory.activations = rows * static_cast<double>(ActivationBytesPerRow(*request.shape));
    memory.logits = rows * 4 * static_cast<double>(request.shape->vocab_size);  // the gradient takes their place
  }
  return memory;
}

// The N and D = C / 6N with the least loss: N = G (C / 6)^(beta / (alpha + beta)), G^(alpha + beta) = alpha A / beta B.
PlanLoss LossOf(double parameters, double tokens) {
  PlanLoss loss;
  loss.expected = ExpectedLoss(parameters, tokens);
  loss.tokens_enough = kTokensPerParameter * parameters;
  const double product = parameters * tokens;
  const double g = std::pow(kAlpha * kA / (kBeta * kB), 1 / (kAlpha + kBeta));
  loss.best_parameters = g * std::pow(product, kBeta / (kAlpha + kBeta));
  loss.best_tokens = product / loss.best_parameters;
  loss.best_loss = ExpectedLoss(loss.best_parameters, loss.best_tokens);
  return loss;
}

PlanDeviceCost CostOn(const PlanDevice& device, double flops) {
  const double hours = flops / (device.peak * device.utilization) / 3600;
  return {device, hours, hours * device.price_per_hour};
}

}  // namespace

double ExpectedLoss(double parameters, double tokens) {
  return kE + kA / std::pow(parameters, kAlpha) + kB / std::pow(tokens, kBeta);
}

Result<Plan> MakePlan(const PlanRequest& request) {
  Plan plan;
  plan.request = request;
  PlanRequest& r = plan.request;
  if (r.shape) {
    const ParameterCount count = CountParameters(*r.shape);
    r.parameters = static_cast<double>(count.total());
    r.idle_parameters = static_cast<double>(count.idle_experts);
  }
  const std::pair<const char*, double> above_zero[] = {{"parameters", r.parameters},
                                                       {"tokens", r.tokens},
                                                       {"devices", static_cast<double>(r.devices)},
                                                       {"batch-tokens", static_cast<double>(r.batch_rows)},
                                                       {"peak", r.device.peak},
                                                       {"utilization", r.device.utilization}};
  for (const auto& [name, value] : above_zero) {
    if (!(value > 0) || !std::isfinite(value))
      return BadInput("{}: expected a number above 0, found {:g}", name, value);
  }
  if (r.device.utilization > 1) return BadInput("utilization: expected at most 1, found {:g}", r.device.utilization);
  if (r.lora && !r.shape)
    return BadInput("lora: expected a model or a preset whose sizes are known, found parameters alone");
  if (r.lora && r.rank < 1) return BadInput("rank: expected 1 or more, found {}", r.rank);
  plan.trained_parameters = r.lora ? static_cast<double>(LoraParameters(*r.shape, r.rank)) : r.parameters;
  plan.flops = Flops(r, plan.trained_parameters);
  plan.memory = MemoryOf(r, plan.trained_parameters);
  plan.costs.push_back(CostOn(r.device, plan.flops));
  for (const PlanDevice& device : PlanDevices()) {
    if (device.name != r.device.name) plan.costs.push_back(CostOn(device, plan.flops));
  }
  plan.seconds = plan.costs[0].device_hours * 3600 / static_cast<double>(r.devices);
  plan.cost = plan.costs[0].cost;
  plan.loss = LossOf(r.parameters, r.tokens);
  return plan;
}

std::optional<double> PlannedFigure(const Plan& plan, const std::string& what) {
  if (what == "parameters") return plan.request.parameters;
  if (what == "flops") return plan.flops;
  if (what == "device hours") return plan.costs[0].device_hours;
  if (what == "hours") return plan.seconds / 3600;
  if (what == "dollars") return plan.cost;
  return std::nullopt;
}

nlohmann::ordered_json ToJson(const Plan& plan) {
  using Json = nlohmann::ordered_json;
  const PlanRequest& r = plan.request;
  Json devices = Json::array(), published = Json::array();
  for (const auto& c : plan.costs) {
    devices.push_back({{"name", c.device.name},
                       {"peak_flops", c.device.peak},
                       {"utilization", c.device.utilization},
                       {"device_hours", c.device_hours},
                       {"price_per_hour", c.device.price_per_hour},
                       {"cost", c.cost}});
  }
  for (const auto& figure : r.published) {
    const auto planned = PlannedFigure(plan, figure.what);
    if (!planned) continue;
    published.push_back(
        {{"what", figure.what}, {"published", figure.value}, {"planned", *planned}, {"source", figure.source}});
  }
  return {{"name", r.name},
          {"method", r.lora ? "lora" : "full"},
          {"parameters", r.parameters},
          {"active_parameters", r.parameters - r.idle_parameters},
          {"trained_parameters", plan.trained_parameters},
          {"tokens", r.tokens},
          {"flops", plan.flops},
          {"device", r.device.name},
          {"devices", r.devices},
          {"seconds", plan.seconds},
          {"cost", plan.cost},
          {"memory_bytes", plan.memory.total()},
          {"memory",
           {{"weights", plan.memory.weights},
            {"gradients", plan.memory.gradients},
            {"optimizer", plan.memory.optimizer},
            {"activations", plan.memory.activations},
            {"logits", plan.memory.logits}}},
          {"on", devices},
          {"loss_law",
           {{"expected_loss", plan.loss.expected},
            {"tokens_enough", plan.loss.tokens_enough},
            {"best_parameters", plan.loss.best_parameters},
            {"best_tokens", plan.loss.best_tokens},
            {"best_loss", plan.loss.best_loss}}},
          {"published", published}};
}

}  // namespace hew
