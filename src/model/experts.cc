#include "model/experts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/float16.h"
#include "kernels/linear.h"
#include "kernels/ops.h"

namespace hew {
namespace {

const LayerWeights& WeightsOf(const DecoderContext& context, int64_t layer) {
  return context.model.layers[static_cast<size_t>(layer)];
}

Runtime InFp32(const Runtime& rt) {
  Runtime fp32 = rt;
  fp32.precision = Precision::kFp32;
  return fp32;
}

// The `count` greatest of `logits`, by rising index; of equal ones those that come first.
void Choose(std::span<const float> logits, int64_t count, std::span<int32_t> order, int32_t* chosen) {
  for (size_t e = 0; e < order.size(); ++e) order[e] = static_cast<int32_t>(e);
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(order.begin(), order.begin() + count, order.end(), before);
  std::copy_n(order.begin(), count, chosen);
  std::sort(chosen, chosen + count);
}

// exp(logit - greatest) / sum, in place, the sum over `chosen` or, where that is empty, over all.
void Softmax(std::span<float> logits, std::span<const int32_t> chosen) {
  const float greatest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float& v : logits) v = static_cast<float>(std::exp(static_cast<double>(v) - greatest));
  if (chosen.empty()) {
    for (const float v : logits) sum += v;
  } else {
    for (const int32_t e : chosen) sum += logits[static_cast<size_t>(e)];
  }
  for (float& v : logits) v = static_cast<float>(v / sum);
}

std::span<float> RowOf(MatrixView x, int64_t row) { return {x.f32(row), static_cast<size_t>(x.cols)}; }

// Calls run(experts) for experts that see equally many rows, so that their products can be made at once; those that see
// none are left out.
template <typename Run>
void ForExperts(const Routing& routing, const Run& run) {
  std::map<int64_t, std::vector<size_t>> by_rows;
  for (size_t e = 0; e + 1 < routing.begin.size(); ++e) by_rows[routing.begin[e + 1] - routing.begin[e]].push_back(e);
  for (const auto& [rows, experts] : by_rows) {
    if (rows > 0) run(experts);
  }
}

// Products of slots with the weights of their expert: for each of `parts`, y[slots of e] = sum of x[slots of e] times
// e's weight of each of its terms.
struct SlotTerm {
  MatrixView x;
  Projection projection;
};
struct SlotProduct {
  std::vector<SlotTerm> terms;
  MatrixView y;
};

void MultiplySlots(const DecoderContext& context, int64_t layer, const Routing& routing,
                   const std::vector<SlotProduct>& parts, bool backward) {
  ForExperts(routing, [&](const std::vector<size_t>& experts) {
    std::vector<std::vector<LinearTerm>> terms;  // products look into them
    terms.reserve(experts.size() * parts.size());
    std::vector<LinearProduct> products;
    for (const size_t e : experts) {
      const Expert& expert = WeightsOf(context, layer).experts[e];
      const int64_t begin = routing.begin[e], rows = routing.begin[e + 1] - begin;
      for (const SlotProduct& part : parts) {
        std::vector<LinearTerm>& list = terms.emplace_back();
        for (const SlotTerm& t : part.terms) list.push_back({t.x.Rows(begin, rows), &expert[t.projection]});
        products.push_back({list, nullptr, part.y.Rows(begin, rows)});
      }
    }
    backward ? LinearInputGradientAll(context.rt, products) : LinearAll(context.rt, products);
  });
}

// row of y += (or =) the sum, over its slots by rising expert, of their rows of x, times their weights if `weighted`.
void SumSlots(const Runtime& rt, const Routing& routing, ConstMatrixView x, bool weighted, bool accumulate,
              MatrixView y) {
  const auto per_row = routing.row_slots.size() / static_cast<size_t>(y.rows);
  rt.pool->ParallelFor(y.rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = y.f32(row);
      if (!accumulate) std::fill(to, to + y.cols, 0.0f);
      for (size_t i = 0; i < per_row; ++i) {
        const int32_t slot = routing.row_slots[static_cast<size_t>(row) * per_row + i];
        const float* from = x.f32(slot);
        const float weight = weighted ? routing.weights[static_cast<size_t>(slot)] : 1;
        for (int64_t c = 0; c < y.cols; ++c) to[c] += weight * from[c];
      }
    }
  });
}

float Value(ConstMatrixView x, int64_t row, int64_t col) {
  return x.dtype == DType::kF32 ? x.f32(row)[col] : BF16ToFloat(x.bf16(row)[col]);
}

// d_weights[slot] = a[slot] . b[slot]; then a[slot] *= weights[slot].
void WeightGradients(const Runtime& rt, const Routing& routing, MatrixView a, ConstMatrixView b,
                     std::span<float> d_weights) {
  rt.pool->ParallelFor(routing.slots(), 8, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      const auto at = static_cast<size_t>(slot);
      float sum = 0;
      for (int64_t c = 0; c < a.cols; ++c) {
        const float value = Value(a, slot, c);
        sum += value * Value(b, slot, c);
        if (a.dtype == DType::kF32) {
          a.f32(slot)[c] = value * routing.weights[at];
        } else {
          a.bf16(slot)[c] = FloatToBF16(value * routing.weights[at]);
        }
      }
      d_weights[at] = sum;
    }
  });
}

// shares become the gradient of the router's logits. The weight w of a slot is the share s of its expert, and
// ds_i / dlogit_j = s_i ([i = j] - s_j) for i, j among those that the softmax was over.
void LogitGradients(const DecoderContext& context, const Routing& routing, std::span<const float> d_weights,
                    MatrixView shares) {
  const bool chosen_only = context.model.config.norm_topk_prob;
  const auto per_row = routing.row_slots.size() / static_cast<size_t>(shares.rows);
  context.rt.pool->ParallelFor(shares.rows, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> gradient(static_cast<size_t>(shares.cols));
    for (int64_t row = begin; row < end; ++row) {
      const std::span<float> share = RowOf(shares, row);
      std::fill(gradient.begin(), gradient.end(), 0.0f);
      float dot = 0;
      for (size_t i = 0; i < per_row; ++i) {
        const auto slot = static_cast<size_t>(routing.row_slots[static_cast<size_t>(row) * per_row + i]);
        dot += routing.weights[slot] * d_weights[slot];
      }
      if (!chosen_only) {
        for (size_t e = 0; e < share.size(); ++e) gradient[e] = -share[e] * dot;
      }
      for (size_t i = 0; i < per_row; ++i) {
        const int32_t slot = routing.row_slots[static_cast<size_t>(row) * per_row + i];
        const auto next = std::upper_bound(routing.begin.begin(), routing.begin.end(), int64_t{slot});
        const auto e = static_cast<size_t>(next - routing.begin.begin() - 1);
        gradient[e] = share[e] * (d_weights[static_cast<size_t>(slot)] - dot);
      }
      std::copy(gradient.begin(), gradient.end(), share.begin());
    }
  });
}

}  // namespace

Routing Route(const DecoderContext& context, int64_t layer, ConstMatrixView normed, MatrixView shares) {
  const ModelConfig& config = context.model.config;
  const auto per_row = static_cast<size_t>(config.num_experts_per_tok);
  const LinearTerm term{normed, &WeightsOf(context, layer).router};
  Linear(InFp32(context.rt), {&term, 1}, nullptr, shares);
  std::vector<int32_t> chosen(static_cast<size_t>(normed.rows) * per_row);
  context.rt.pool->ParallelFor(normed.rows, 8, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> order(static_cast<size_t>(config.num_experts));
    for (int64_t row = begin; row < end; ++row) {
      int32_t* own = chosen.data() + static_cast<size_t>(row) * per_row;
      const std::span<float> share = RowOf(shares, row);
      Choose(share, config.num_experts_per_tok, order, own);
      Softmax(share, config.norm_topk_prob ? std::span<const int32_t>(own, per_row) : std::span<const int32_t>());
    }
  });
  Routing routing;
  routing.begin.resize(static_cast<size_t>(config.num_experts) + 1);
  for (const int32_t e : chosen) ++routing.begin[static_cast<size_t>(e) + 1];
  for (size_t e = 1; e < routing.begin.size(); ++e) routing.begin[e] += routing.begin[e - 1];
  routing.rows.resize(chosen.size());
  routing.weights.resize(chosen.size());
  routing.row_slots.resize(chosen.size());
  std::vector<int64_t> next(routing.begin.begin(), routing.begin.end() - 1);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto e = static_cast<size_t>(chosen[i]);
    const auto slot = static_cast<size_t>(next[e]++), row = i / per_row;
    routing.rows[slot] = static_cast<int32_t>(row);
    routing.weights[slot] = shares.f32(static_cast<int64_t>(row))[e];
    routing.row_slots[i] = static_cast<int32_t>(slot);
  }
  return routing;
}

void ExpertsForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                    ExpertScratch& scratch) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  const int64_t rows = residual.rows, hidden = config.hidden_size;
  if (rows == 0) return;
  const Routing routing =
      Route(context, layer, views.normed, scratch.shares.View(DType::kF32, rows, config.num_experts));
  const MatrixView gathered = scratch.gathered.View(views.normed.dtype, routing.slots(), hidden);
  GatherRows(rt, views.normed, routing.rows, gathered);
  MultiplySlots(context, layer, routing,
                {{{{gathered, Projection::kUp}}, views.up}, {{{gathered, Projection::kGate}}, views.gate}}, false);
  ActivateFeedForward(context, views);
  const MatrixView given = scratch.of_slots.View(DType::kF32, routing.slots(), hidden);
  MultiplySlots(context, layer, routing, {{{{views.activated, Projection::kDown}}, given}}, false);
  if (!config.output_norms) return SumSlots(rt, routing, given, true, true, residual);
  SumSlots(rt, routing, given, true, false, views.feed_forward_output);
  NormForward(context, WeightsOf(context, layer).feed_forward_output_norm, views.feed_forward_output, residual, true);
}

void ExpertsBackward(const DecoderContext& context, int64_t layer, const LayerViews& views, ConstMatrixView d_output,
                     MatrixView d_activated, MatrixView d_normed, ExpertScratch& scratch) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  const int64_t rows = d_output.rows, hidden = config.hidden_size;
  if (rows == 0) return;
  const MatrixView shares = scratch.shares.View(DType::kF32, rows, config.num_experts);
  const Routing routing = Route(context, layer, views.normed, shares);
  ActivateFeedForward(context, views);
  const MatrixView d_given = scratch.gathered.View(d_output.dtype, routing.slots(), hidden);
  GatherRows(rt, d_output, routing.rows, d_given);
  MultiplySlots(context, layer, routing, {{{{d_given, Projection::kDown}}, d_activated}}, true);
  // The weight of a slot multiplies what its expert gives, W a: its gradient is d . W a = W'd . a.
  std::vector<float> d_weights(routing.weights.size());
  WeightGradients(rt, routing, d_activated, views.activated, d_weights);
  GatedActivationBackward(rt, config.hidden_act, views.gate, views.up, d_activated, views.gate, views.up);
  const MatrixView d_gathered = scratch.of_slots.View(DType::kF32, routing.slots(), hidden);
  MultiplySlots(context, layer, routing, {{{{views.gate, Projection::kGate}, {views.up, Projection::kUp}}, d_gathered}},
                true);
  SumSlots(rt, routing, d_gathered, false, false, d_normed);
  LogitGradients(context, routing, d_weights, shares);
  const LinearTerm term{shares, &WeightsOf(context, layer).router};
  LinearInputGradient(InFp32(rt), {&term, 1}, d_normed, true);
}

}  // namespace hew
