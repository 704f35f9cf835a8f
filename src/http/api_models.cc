// GET /v1/models, /v1/models/{id}, /health, /metrics.
#include "base/shown.h"
#include "http/api_context.h"

namespace hew {
namespace {

Json CardJson(const ModelCard& card, const ServedModels& models) {
  Json json = {{"id", card.id},
               {"object", "model"},
               {"created", card.created},
               {"owned_by", "hew"},
               {"root", card.root},
               {"parent", card.root == models.base_id() ? Json() : Json(models.base_id())},
               {"max_model_len", models.context_size()}};
  json["version"] = card.version ? Json(*card.version) : Json();
  return json;
}

Api<std::vector<ModelCard>> ListModels(ApiContext& context) {
  auto cards = context.models.List();
  if (cards) return *std::move(cards);
  ApiError error = FromError(cards.error());
  error.status = 500;
  return tl::unexpected(std::move(error));
}

ApiStatus GetModels(ApiContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const auto cards, ListModels(context));
  Json data = Json::array();
  for (const auto& card : cards) data.push_back(CardJson(card, context.models));
  SendJson(*reply, {{"object", "list"}, {"data", std::move(data)}});
  return {};
}

ApiStatus GetModel(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  const std::string& id = request.parameters.at("id");
  API_ASSIGN(const auto cards, ListModels(context));
  for (const auto& card : cards) {
    if (card.id != id) continue;
    SendJson(*reply, CardJson(card, context.models));
    return {};
  }
  ApiError error = PlainError(404, fmt::format("model: expected one of GET /v1/models, found '{}'", Shown(id)));
  error.param = "model";
  error.code = "model_not_found";
  return tl::unexpected(std::move(error));
}

ApiStatus GetHealth(ApiContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  if (context.models.stopping()) return tl::unexpected(PlainError(503, "the server is stopping"));
  SendJson(*reply, {{"status", "ok"}});
  return {};
}

ApiStatus GetMetrics(ApiContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  reply->Send(200, "text/plain; version=0.0.4; charset=utf-8",
              context.metrics.Print(context.models.engine().counters(), context.models.base_id(),
                                    context.models.fingerprint()));
  return {};
}

}  // namespace

void AddModelRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("GET", "/v1/models", Handle(context, GetModels));
  router.Add("GET", "/v1/models/{id*}", Handle(context, GetModel));
  router.Add("GET", "/health", Handle(context, GetHealth));
  router.Add("GET", "/v1/health", Handle(context, GetHealth));
  router.Add("GET", "/metrics", Handle(context, GetMetrics));
}

}  // namespace hew
