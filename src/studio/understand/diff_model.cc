#include "studio/understand/diff_model.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "model/names.h"
#include "studio/registry/workspace.h"

namespace hew {
namespace {

Status CheckSameShape(const OpenedModel& a, const OpenedModel& b) {
  const ModelConfig &x = a.model->config, &y = b.model->config;
  const std::tuple<const char*, int64_t, int64_t> fields[] = {
      {"vocab_size", x.vocab_size, y.vocab_size},
      {"hidden_size", x.hidden_size, y.hidden_size},
      {"intermediate_size", x.intermediate_size, y.intermediate_size},
      {"num_hidden_layers", x.num_hidden_layers, y.num_hidden_layers},
      {"num_attention_heads", x.num_attention_heads, y.num_attention_heads},
      {"num_key_value_heads", x.num_key_value_heads, y.num_key_value_heads},
      {"head_dim", x.head_dim, y.head_dim},
      {"num_experts", x.num_experts, y.num_experts},
      {"moe_intermediate_size", x.moe_intermediate_size, y.moe_intermediate_size}};
  for (const auto& [name, expected, found] : fields) {
    if (expected != found)
      return BadInput("{}: {}: expected {} (of {}), found {}", b.path, name, expected, a.path, found);
  }
  if (x.gated != y.gated) return BadInput("{}: feed-forward: expected the kind of {}, found another", b.path, a.path);
  return {};
}

std::vector<const LoraAdapter*> AdaptersOf(const OpenedModel& opened) {
  std::vector<const LoraAdapter*> list;
  for (const auto& adapter : opened.adapters) list.push_back(adapter.get());
  return list;
}

// Adds what an adapter changes in one row of its module, in double precision's sum of squares later: row [in].
void AddAdapterRow(const LoraAdapter& adapter, const LoraModule& m, int64_t row, const float* base, float* out,
                   std::vector<float>* scratch) {
  std::vector<float>& delta = *scratch;
  delta.assign(static_cast<size_t>(m.in), 0.0f);
  const float scale = m.scale * adapter.user_scale;
  const float* b = adapter.parameters.data() + m.b_offset + row * m.rank;
  for (int64_t r = 0; r < m.rank; ++r) {
    const float factor = scale * b[r];
    const float* a = adapter.parameters.data() + m.a_offset + r * m.in;
    for (int64_t i = 0; i < m.in; ++i) delta[static_cast<size_t>(i)] += factor * a[i];
  }
  // DoRA scales the sum: m (W + sBA) / ||W + sBA|| - W is what it adds to W.
  const float column = adapter.config.dora ? m.column_scale[static_cast<size_t>(row)] : 1;
  for (int64_t i = 0; i < m.in; ++i) out[i] += column * (base[i] + delta[static_cast<size_t>(i)]) - base[i];
}

// One matrix of one side: the weight and what stands on it.
struct Side {
  const Weight* weight;
  std::vector<std::pair<const LoraAdapter*, const LoraModule*>> modules;

  void Row(int64_t row, std::vector<float>* base, std::vector<float>* out, std::vector<float>* scratch) const {
    ReadWeightRow(*weight, row, base->data());
    *out = *base;
    for (const auto& [adapter, module] : modules)
      AddAdapterRow(*adapter, *module, row, base->data(), out->data(), scratch);
  }
};

// Sums of squares are made per row and added in the order of rows, so that threads do not change them.
WeightChange Compare(const Runtime& rt, const Side& a, const Side& b) {
  const int64_t rows = a.weight->rows, cols = a.weight->cols;
  std::vector<double> norms(static_cast<size_t>(rows)), changes(norms);
  rt.pool->ParallelFor(rows, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> base(static_cast<size_t>(cols)), x(base), y(base), scratch;
    for (int64_t row = begin; row < end; ++row) {
      a.Row(row, &base, &x, &scratch);
      b.Row(row, &base, &y, &scratch);
      double norm = 0, change = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double d = double{y[i]} - x[i];
        norm += double{x[i]} * x[i];
        change += d * d;
      }
      norms[static_cast<size_t>(row)] = norm;
      changes[static_cast<size_t>(row)] = change;
    }
  });
  WeightChange result;
  for (size_t row = 0; row < norms.size(); ++row) {
    result.before_norm += norms[row];
    result.change_norm += changes[row];
  }
  result.before_norm = std::sqrt(result.before_norm);
  result.change_norm = std::sqrt(result.change_norm);
  return result;
}

// Of a sparse layer: its router, and each projection over all experts.
void AddExpertChanges(const Runtime& rt, const Model& a, const Model& b, int64_t layer,
                      std::vector<WeightChange>* changes) {
  const LayerWeights &x = a.layers[static_cast<size_t>(layer)], &y = b.layers[static_cast<size_t>(layer)];
  if (x.experts.empty() || x.experts.size() != y.experts.size()) return;
  const auto add = [&](WeightChange change, std::string name) {
    change.layer = layer;
    change.name = std::move(name);
    changes->push_back(std::move(change));
  };
  for (const Projection p : {Projection::kGate, Projection::kUp, Projection::kDown}) {
    WeightChange all;
    for (size_t e = 0; e < x.experts.size(); ++e) {
      const WeightChange one = Compare(rt, {&x.experts[e][p], {}}, {&y.experts[e][p], {}});
      all.before_norm += one.before_norm * one.before_norm;
      all.change_norm += one.change_norm * one.change_norm;
    }
    all.before_norm = std::sqrt(all.before_norm);
    all.change_norm = std::sqrt(all.change_norm);
    add(std::move(all), std::string(ModuleName(p)));
  }
  add(Compare(rt, {&x.router, {}}, {&y.router, {}}), "router");
}

Result<std::vector<int32_t>> IdsOf(const OpenedModel& opened, const std::string& prompt, const DiffOptions& options) {
  if (!options.chat) return PromptIds(*opened.tokenizer, prompt);
  Json messages = Json::array();
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return ChatPrompt(opened, messages, nullptr, options.now);
}

// The places of the k largest.
std::vector<size_t> Largest(const std::vector<double>& values, int64_t k) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto count = std::min<std::ptrdiff_t>(k, static_cast<std::ptrdiff_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](size_t x, size_t y) { return values[x] > values[y] || (values[x] == values[y] && x < y); });
  order.resize(static_cast<size_t>(count));
  return order;
}

Result<PromptChange> ComparePrompt(const ModelPair& pair, const Engine& before, const Engine& after,
                                   const std::string& prompt, const DiffOptions& options) {
  PromptChange change;
  change.prompt = prompt;
  HEW_ASSIGN(const auto before_ids, IdsOf(pair.before, prompt, options));
  HEW_ASSIGN(const auto after_ids, IdsOf(pair.after, prompt, options));
  HEW_ASSIGN(const auto p, NextLogprobs(before, before_ids));
  HEW_ASSIGN(const auto q, NextLogprobs(after, after_ids));
  for (size_t i = 0; i < q.size(); ++i) change.kl += std::exp(q[i]) * (q[i] - p[i]);
  change.kl = std::max(0.0, change.kl);
  std::vector<size_t> shown = Largest(q, options.k);
  for (const size_t id : Largest(p, options.k)) {
    if (std::find(shown.begin(), shown.end(), id) == shown.end()) shown.push_back(id);
  }
  for (const size_t i : shown) {
    const auto id = static_cast<int32_t>(i);
    change.tokens.push_back({id, after.tokenizer->TokenBytes(id, true), p[i], q[i]});
  }
  if (options.max_tokens > 0) {
    HEW_ASSIGN(change.before_text, GreedyText(before, before_ids, options.max_tokens));
    HEW_ASSIGN(change.after_text, GreedyText(after, after_ids, options.max_tokens));
  }
  return change;
}

std::string NameWithAdapters(const std::string& name, const std::vector<std::string>& adapters) {
  std::string all = name;
  for (const auto& adapter : adapters) all += " + " + adapter;
  return all;
}

}  // namespace

Result<ModelPair> OpenPair(const Runtime& rt, const std::string& before, const std::string& after,
                           const std::vector<std::string>& adapters) {
  if (after.empty() && adapters.empty()) return BadInput("AFTER: expected a second model or --adapter, found neither");
  HEW_ASSIGN(const ModelRef first, ResolveModel(before));
  HEW_ASSIGN(ModelRef second, ResolveModel(after.empty() ? before : after));
  for (const auto& spec : adapters) {
    HEW_ASSIGN(std::string resolved, ResolveAdapter(spec));
    second.adapters.push_back(std::move(resolved));
  }
  ModelPair pair;
  HEW_ASSIGN(pair.before, OpenModel(rt, before, {}));
  std::error_code error;
  if (first.path == second.path || std::filesystem::equivalent(first.path, second.path, error)) {
    pair.after.path = second.path;
    pair.after.model = pair.before.model;
    pair.after.tokenizer = pair.before.tokenizer;
    pair.after.chat_template = pair.before.chat_template;
    for (const auto& spec : second.adapters) {
      HEW_ASSIGN(const auto parsed, ParseAdapterSpec(spec));
      HEW_ASSIGN(auto adapter, LoadAdapter(rt, parsed.first, *pair.after.model, parsed.second));
      pair.after.adapters.push_back(std::make_unique<LoraAdapter>(std::move(adapter)));
    }
  } else {
    HEW_ASSIGN(pair.after, OpenModel(rt, after, adapters));
    HEW_RETURN_IF_ERROR(CheckSameShape(pair.before, pair.after));
  }
  pair.before.path = before;
  pair.after.path = NameWithAdapters(after.empty() ? before : after, adapters);
  return pair;
}

std::vector<WeightChange> CompareWeights(const Runtime& rt, const Model& a,
                                         const std::vector<const LoraAdapter*>& a_adapters, const Model& b,
                                         const std::vector<const LoraAdapter*>& b_adapters) {
  const auto side = [](const Weight& weight, const std::vector<const LoraAdapter*>& adapters, int64_t layer,
                       Projection p) {
    Side out{&weight, {}};
    for (const LoraAdapter* adapter : adapters) {
      if (const LoraModule* module = adapter->Find(layer, p)) out.modules.emplace_back(adapter, module);
    }
    return out;
  };
  std::vector<WeightChange> changes;
  for (int64_t layer = 0; layer < a.config.num_hidden_layers; ++layer) {
    for (const Projection p : kProjections) {
      const Weight &x = a.layers[static_cast<size_t>(layer)][p], &y = b.layers[static_cast<size_t>(layer)][p];
      if (x.empty() || y.empty()) continue;
      WeightChange change = Compare(rt, side(x, a_adapters, layer, p), side(y, b_adapters, layer, p));
      change.layer = layer;
      change.name = std::string(ModuleName(p));
      changes.push_back(std::move(change));
    }
  }
  if (&a == &b) return changes;  // adapters leave the rest as it is
  for (int64_t layer = 0; layer < a.config.num_hidden_layers; ++layer) AddExpertChanges(rt, a, b, layer, &changes);
  const std::pair<const char*, std::pair<const Weight*, const Weight*>> rest[] = {
      {"embed_tokens", {&a.embed_tokens, &b.embed_tokens}},
      {"embed_positions", {&a.embed_positions, &b.embed_positions}},
      {"lm_head", {&a.lm_head, &b.lm_head}}};
  for (const auto& [name, weights] : rest) {
    if (weights.first->empty() || weights.second->empty()) continue;
    if (weights.first->rows != weights.second->rows || weights.first->cols != weights.second->cols) continue;
    WeightChange change = Compare(rt, {weights.first, {}}, {weights.second, {}});
    change.name = name;
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<ModelDiff> DiffModels(const Runtime& rt, const ModelPair& pair, const DiffOptions& options) {
  if (options.k < 1) return BadInput("k: expected 1 or more, found {}", options.k);
  HEW_ASSIGN(const Engine before, pair.before.MakeEngine(rt));
  HEW_ASSIGN(const Engine after, pair.after.MakeEngine(rt));
  ModelDiff diff;
  diff.before = pair.before.path;
  diff.after = pair.after.path;
  diff.base_parameters = pair.before.model->parameter_count();
  diff.base_bytes = pair.before.model->memory_bytes();
  for (const LoraAdapter* adapter : AdaptersOf(pair.after)) {
    diff.adapter_parameters += static_cast<int64_t>(adapter->parameters.size());
    diff.adapter_bytes += static_cast<int64_t>(adapter->parameters.size() * sizeof(float));
  }
  diff.weights =
      CompareWeights(rt, *pair.before.model, AdaptersOf(pair.before), *pair.after.model, AdaptersOf(pair.after));
  for (const auto& w : diff.weights) {
    diff.before_norm += w.before_norm * w.before_norm;
    diff.change_norm += w.change_norm * w.change_norm;
  }
  diff.before_norm = std::sqrt(diff.before_norm);
  diff.change_norm = std::sqrt(diff.change_norm);
  for (const auto& prompt : options.prompts) {
    HEW_ASSIGN(auto change, ComparePrompt(pair, before, after, prompt, options));
    diff.prompts.push_back(std::move(change));
  }
  return diff;
}

Json ToJson(const ModelDiff& diff) {
  Json weights = Json::array(), prompts = Json::array();
  for (const auto& w : diff.weights) {
    weights.push_back({{"layer", w.layer < 0 ? Json() : Json(w.layer)},
                       {"name", w.name},
                       {"before_norm", w.before_norm},
                       {"change_norm", w.change_norm},
                       {"relative", w.relative()}});
  }
  for (const auto& p : diff.prompts) {
    Json tokens = Json::array();
    for (const auto& t : p.tokens) {
      tokens.push_back({{"id", t.id},
                        {"text", t.text},
                        {"before", std::exp(t.before_logprob)},
                        {"after", std::exp(t.after_logprob)},
                        {"before_logprob", t.before_logprob},
                        {"after_logprob", t.after_logprob}});
    }
    prompts.push_back({{"prompt", p.prompt},
                       {"kl", p.kl},
                       {"next", tokens},
                       {"before_text", p.before_text},
                       {"after_text", p.after_text}});
  }
  return {{"before", diff.before},
          {"after", diff.after},
          {"base", {{"parameters", diff.base_parameters}, {"bytes", diff.base_bytes}}},
          {"adapter", {{"parameters", diff.adapter_parameters}, {"bytes", diff.adapter_bytes}}},
          {"before_norm", diff.before_norm},
          {"change_norm", diff.change_norm},
          {"weights", weights},
          {"prompts", prompts}};
}

}  // namespace hew
