// What a training run would cost, before it is begun: arithmetic, memory, time, money, and whether the text is enough.
// Formulas and their sources: docs/plan.md.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "studio/plan_presets.h"
#include "studio/plan_shape.h"

namespace hew {

struct PlanRequest {
  std::string name;                // of the preset or model, for the report
  std::optional<PlanShape> shape;  // absent when only `parameters` is known
  double parameters = 0;           // taken from the shape when there is one
  double idle_parameters = 0;      // of experts that a token does not go through, likewise
  double tokens = 0;               // that the run goes through, over all epochs
  bool lora = false;               // adapters of `rank` on a frozen base
  int64_t rank = 16;
  double base_bytes = 0;      // LoRA: of the frozen base in memory; 0: 2 per parameter
  int64_t batch_rows = 2048;  // tokens in memory at a time
  PlanDevice device;          // that seconds and cost are for
  int64_t devices = 1;
  std::vector<PublishedFigure> published;
};

struct PlanMemory {
  double weights = 0, gradients = 0, optimizer = 0, activations = 0, logits = 0;  // bytes
  double total() const { return weights + gradients + optimizer + activations + logits; }
};

// The loss law of Hoffmann et al. 2022 and what it says about this run.
struct PlanLoss {
  double expected = 0;                          // nats a token, on text like theirs
  double tokens_enough = 0;                     // 20 for each parameter
  double best_parameters = 0, best_tokens = 0;  // of the same arithmetic, by the law
  double best_loss = 0;
};

struct PlanDeviceCost {
  PlanDevice device;
  double device_hours = 0, cost = 0;
};

struct Plan {
  PlanRequest request;
  double trained_parameters = 0;  // of the adapter for LoRA
  double flops = 0;
  PlanMemory memory;
  double seconds = 0, cost = 0;       // on request.devices of request.device
  std::vector<PlanDeviceCost> costs;  // request.device first, then the known ones
  PlanLoss loss;
};

// Errors: parameters, tokens, devices or a rate that are not above 0.
Result<Plan> MakePlan(const PlanRequest& request);

double ExpectedLoss(double parameters, double tokens);

// What the plan says of a published figure, in the figure's unit; nullopt for an unknown one.
std::optional<double> PlannedFigure(const Plan& plan, const std::string& what);

nlohmann::ordered_json ToJson(const Plan& plan);
std::string ToText(const Plan& plan);

}  // namespace hew
