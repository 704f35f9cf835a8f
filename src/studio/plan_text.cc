// A plan for people.
#include <cmath>

#include "base/progress.h"
#include "studio/plan.h"

namespace hew {
namespace {

// "175 billion", "1.72 million", "512"
std::string Spoken(double value) {
  const std::pair<double, const char*> scales[] = {
      {1e15, " quadrillion"}, {1e12, " trillion"}, {1e9, " billion"}, {1e6, " million"}};
  for (const auto& [scale, word] : scales) {
    if (value >= 0.9995 * scale) return fmt::format("{:.4g}{}", value / scale, word);
  }
  return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string Long(double seconds) {
  constexpr double kDay = 86400, kYear = 365.25 * kDay;
  if (seconds >= 2 * kYear) return Spoken(seconds / kYear) + " years";
  if (seconds >= 2 * kDay) return fmt::format("{:.0f} days", seconds / kDay);
  return HumanDuration(seconds);
}

std::string Money(double dollars) {
  if (dollars <= 0) return "-";
  if (dollars < 1000) return fmt::format("${:.2f}", dollars);
  return dollars < 1e6 ? fmt::format("${:.3g} thousand", dollars / 1e3) : "$" + Spoken(dollars);
}

std::string Bytes(double bytes) {
  if (bytes >= 1e15) return fmt::format("{:.1f} PB", bytes / 1e15);
  return HumanBytes(static_cast<uint64_t>(bytes));
}

std::string MemoryLines(const Plan& plan) {
  const PlanMemory& m = plan.memory;
  std::string text = fmt::format("memory      {}: weights {}, gradients {}, optimiser {}", Bytes(m.total()),
                                 Bytes(m.weights), Bytes(m.gradients), Bytes(m.optimizer));
  if (m.activations > 0) {
    text += fmt::format(",\n            activations {} and logits {} for {} tokens at a time", Bytes(m.activations),
                        Bytes(m.logits), plan.request.batch_rows);
  }
  text += "\n";
  if (const double device = plan.request.device.memory_bytes; device > 0) {
    text += fmt::format("            {} {} at least, at {} each\n", std::ceil(m.total() / device),
                        plan.request.device.name, Bytes(device));
  }
  return text;
}

std::string DeviceLines(const Plan& plan) {
  std::string text = "time        one device            at (share of peak)      price/h   cost\n";
  for (const auto& c : plan.costs) {
    text +=
        fmt::format("  {:<13} {:<20} {:>9}flop/s ({:>3.0f}%)  {:>7}   {}\n", c.device.name, Long(c.device_hours * 3600),
                    fmt::format("{:.3g} T", c.device.peak * c.device.utilization / 1e12), 100 * c.device.utilization,
                    Money(c.device.price_per_hour), Money(c.cost));
  }
  if (plan.request.devices > 1) {
    text += fmt::format("  {} x {}: {}\n", plan.request.devices, plan.request.device.name, Long(plan.seconds));
  }
  return text;
}

std::string LossLines(const Plan& plan) {
  const PlanRequest& r = plan.request;
  if (r.lora) return "";
  return fmt::format("text        {:.3g} tokens for each parameter; 20 is the rule (Chinchilla): {} tokens\n",
                     r.tokens / r.parameters, Spoken(plan.loss.tokens_enough)) +
         fmt::format(
             "loss law    {:.2f} expected; the same arithmetic is best spent on {} parameters and {} tokens: {:.2f}\n",
             plan.loss.expected, Spoken(plan.loss.best_parameters), Spoken(plan.loss.best_tokens), plan.loss.best_loss);
}

std::string PublishedLines(const Plan& plan) {
  std::string text;
  for (const auto& figure : plan.request.published) {
    const auto planned = PlannedFigure(plan, figure.what);
    if (!planned) continue;
    const auto show = [&](double v) { return figure.what == "flops" ? fmt::format("{:.3g}", v) : Spoken(v); };
    text += fmt::format("  {:<13} published {:<14} planned {:<14} {:>4.0f}%   {}\n", figure.what, show(figure.value),
                        show(*planned), 100 * *planned / figure.value, figure.source);
  }
  return text.empty() ? "" : "published\n" + text;
}

}  // namespace

std::string ToText(const Plan& plan) {
  const PlanRequest& r = plan.request;
  std::string text = fmt::format("{}: {} parameters, {} tokens\n", r.name, Spoken(r.parameters), Spoken(r.tokens));
  if (r.lora) {
    text += fmt::format("trained     an adapter of rank {}: {} parameters, {:.2g}% of the model\n", r.rank,
                        Spoken(plan.trained_parameters), 100 * plan.trained_parameters / r.parameters);
  }
  text += fmt::format("arithmetic  {:.3g} operations: {} for each parameter and token\n", plan.flops,
                      r.lora ? "4 (the base is frozen; 6 in the adapter)" : "6");
  return text + MemoryLines(plan) + DeviceLines(plan) + LossLines(plan) + PublishedLines(plan);
}

}  // namespace hew
