// The next token, tokens, and what the model is made of: for the page's lessons.
#include <cmath>

#include "http/page_context.h"
#include "studio/inspect.h"
#include "studio/understand/next.h"

namespace hew {
namespace {

constexpr int64_t kMostAsked = 1000;  // likeliest tokens in one answer
constexpr size_t kMostTexts = 16;
constexpr int64_t kCorner = 8;  // rows and columns of a weight that are shown

ApiStatus PostNext(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string name = fields.Text("model"), text = fields.Text("text");
  const int64_t k = fields.Integer("k", 10, 1, kMostAsked);
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(name));
  const std::vector<int32_t> ids = PromptIds(*context.models.base().tokenizer, text);
  if (auto status = context.api.CheckPrompt(ids, 0, "text"); !status) return status;
  Result<std::vector<LikelyToken>> next;
  context.RunExclusive(model, [&](const Engine& engine) { next = NextWords(engine, ids, k); });
  API_ASSIGN(const auto tokens, OrError(std::move(next)));
  SendJson(*reply, {{"ids", ids}, {"next", ToJson(tokens)}});
  return {};
}

ApiStatus PostTokens(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const Json* texts = fields.Array("texts", 1, kMostTexts);
  if (auto status = fields.status(); !status) return status;
  if (!texts) return BadField("texts", "expected a list of texts, found nothing");
  const Tokenizer& tokenizer = *context.models.base().tokenizer;
  Json list = Json::array();
  for (const auto& text : *texts) {
    if (!text.is_string()) return BadField("texts", fmt::format("expected texts, found {}", Found(text)));
    const auto ids = tokenizer.Encode(text.get_ref<const std::string&>());
    Json tokens = Json::array();
    for (const int32_t id : ids) tokens.push_back(tokenizer.TokenBytes(id, true));
    list.push_back({{"ids", ids}, {"tokens", std::move(tokens)}});
  }
  SendJson(*reply, {{"texts", std::move(list)}});
  return {};
}

// The corner of a matrix whose numbers a beginner is shown: a query projection of the first layer.
Json Corner(const Model& model) {
  if (model.layers.empty()) return nullptr;
  const Weight& weight = model.layers[0][Projection::kQ];
  if (weight.empty()) return nullptr;
  Json rows = Json::array();
  std::vector<float> row(static_cast<size_t>(weight.cols));
  for (int64_t r = 0; r < std::min(kCorner, weight.rows); ++r) {
    ReadWeightRow(weight, r, row.data());
    rows.push_back(std::vector<float>(row.begin(), row.begin() + std::min(kCorner, weight.cols)));
  }
  return {{"name", "layers.0.q_proj"},
          {"shape", {weight.rows, weight.cols}},
          {"type", NameOf(weight.type)},
          {"values", std::move(rows)}};
}

Json ModulesOf(const Model& model) {
  int64_t attention = 0, mlp = 0, norms = static_cast<int64_t>(model.final_norm.weight.size());
  for (const auto& layer : model.layers) {
    for (size_t p = 0; p < kProjectionCount; ++p) {
      const auto projection = static_cast<Projection>(p);
      const bool of_attention = projection == Projection::kQ || projection == Projection::kK ||
                                projection == Projection::kV || projection == Projection::kO;
      (of_attention ? attention : mlp) += layer.projections[p].rows * layer.projections[p].cols;
      norms += static_cast<int64_t>(layer.biases[p].size());
    }
    for (const Norm* norm : {&layer.input_norm, &layer.feed_forward_norm, &layer.attention_output_norm,
                             &layer.feed_forward_output_norm, &layer.q_norm, &layer.k_norm})
      norms += static_cast<int64_t>(norm->weight.size() + norm->bias.size());
  }
  Json modules = {{"embedding", model.embed_tokens.rows * model.embed_tokens.cols +
                                    model.embed_positions.rows * model.embed_positions.cols},
                  {"attention", attention},
                  {"mlp", mlp},
                  {"norm", norms}};
  if (!model.lm_head.empty()) modules["lm_head"] = model.lm_head.rows * model.lm_head.cols;
  return modules;
}

ApiStatus GetAnatomy(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const ServedModel served, context.FindModel(QueryText(request, "model")));
  const Model& model = *context.models.base().model;
  Json json = {{"parameters", model.parameter_count()},
               {"parameters_by_module", ModulesOf(model)},
               {"file_bytes", ModelFileBytes(context.models.base().path)},
               {"layers", model.config.num_hidden_layers},
               {"hidden_size", model.config.hidden_size},
               {"vocab_size", model.config.vocab_size},
               {"sample", Corner(model)},
               {"adapter", nullptr}};
  if (!served.adapters.empty()) {
    const LoraAdapter& adapter = *served.adapters[0];
    json["adapter"] = {{"parameters", adapter.parameters.size()},
                       {"bytes", adapter.parameters.size() * sizeof(float)},
                       {"rank", adapter.config.rank},
                       {"matrices", adapter.modules.size()}};
  }
  SendJson(*reply, json);
  return {};
}

}  // namespace

void AddProbeRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("POST", "/api/next", Handle(context, PostNext));
  router.Add("POST", "/api/tokens", Handle(context, PostTokens));
  router.Add("GET", "/api/anatomy", Handle(context, GetAnatomy));
}

}  // namespace hew
