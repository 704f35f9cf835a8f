// Versions: the list, one of them, its loss curve, putting it out and taking it back.
#include <filesystem>

#include "http/page_context.h"
#include "train/run.h"

namespace hew {
namespace {

constexpr size_t kCurvePoints = 600;  // more cannot be told apart on a screen

Json SummaryJson(const VersionSummary& v) {
  return {{"version", fmt::format("v{}", v.id)},
          {"name", v.name},
          {"made_by", v.made_by},
          {"created", v.created},
          {"parent", v.parent ? Json(fmt::format("v{}", *v.parent)) : Json()},
          {"aliases", v.aliases},
          {"passed", v.passed},
          {"cases", v.cases}};
}

// What is served beside the workspace's versions: adapters given to the server, and a base outside of any workspace.
Json CardJson(const ModelCard& card, const std::string& base) {
  return {{"version", card.id},
          {"name", ""},
          {"made_by", card.id == base ? "base" : "adapter"},
          {"created", ""},
          {"parent", card.id == base ? Json() : Json(base)},
          {"aliases", Json::array()},
          {"passed", 0},
          {"cases", 0}};
}

ApiStatus GetVersions(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const int64_t last, QueryInteger(request, "last", 200, 1, 100000));
  Json list = Json::array();
  if (!context.models.workspace_root().empty()) {
    API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
    API_ASSIGN(const auto versions, OrError(workspace.registry().List(last)));
    for (const auto& version : versions) list.push_back(SummaryJson(version));
  }
  API_ASSIGN(const auto cards, OrError(context.models.List()));
  const std::string& base = context.models.base_id();
  const bool alone = list.empty();
  for (const auto& card : cards) {
    if (card.root == card.id && !card.version && card.id != base) list.push_back(CardJson(card, base));
  }
  for (const auto& card : cards) {
    if (alone && card.id == base) list.push_back(CardJson(card, base));
  }
  SendJson(*reply, {{"versions", std::move(list)}});
  return {};
}

ApiStatus GetVersion(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version version, context.FindVersion(workspace, request.parameters.at("id"), "id"));
  Json json = ToJson(version);
  API_ASSIGN(const auto counts, OrError(workspace.registry().Counts(version.id)));
  json["suites"] = Json::array();
  for (const auto& c : counts)
    json["suites"].push_back({{"suite", c.suite}, {"passed", c.passed}, {"cases", c.cases}, {"at", c.at}});
  API_ASSIGN(const auto history, OrError(workspace.registry().AliasHistory(version.id)));
  json["history"] = Json::array();
  for (const auto& event : history) {
    json["history"].push_back({{"alias", event.alias},
                               {"action", event.action},
                               {"version", fmt::format("v{}", event.version)},
                               {"from", event.from ? Json(fmt::format("v{}", *event.from)) : Json()},
                               {"at", event.at}});
  }
  uint64_t bytes = 0;
  for (const auto& file : version.files) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(workspace.objects().PathOf(file.digest), ignored);
    if (!ignored) bytes += size;
  }
  json["bytes"] = bytes;
  SendJson(*reply, json);
  return {};
}

Json Thinned(const std::vector<std::pair<int64_t, double>>& points) {
  Json list = Json::array();
  const size_t n = points.size(), shown = std::min(n, kCurvePoints);
  for (size_t i = 0; i < shown; ++i) {
    const auto& [step, loss] = points[shown < 2 ? i : i * (n - 1) / (shown - 1)];
    list.push_back({{"step", step}, {"loss", loss}});
  }
  return list;
}

ApiStatus GetCurve(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version version, context.FindVersion(workspace, request.parameters.at("id"), "id"));
  std::vector<std::pair<int64_t, double>> train, eval;
  if (const std::string digest = version.FileDigest(kMetricsFile); !digest.empty()) {
    API_ASSIGN(const std::string text, OrError(workspace.objects().Get(digest)));
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const auto line = ParseJson(text.substr(at, end - at), kMetricsFile);
      at = end + 1;
      if (!line || !line->is_object() || !line->contains("step") || !(*line)["step"].is_number_integer()) continue;
      const auto add = [&](const char* key, auto* points) {
        if (const auto loss = line->find(key); loss != line->end() && loss->is_number())
          points->emplace_back((*line)["step"].template get<int64_t>(), loss->template get<double>());
      };
      add("loss", &train);
      add("eval_loss", &eval);
    }
  }
  SendJson(*reply, {{"train", Thinned(train)}, {"eval", Thinned(eval)}});
  return {};
}

ApiStatus PostPromote(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string alias = fields.Text("alias");
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version version, context.FindVersion(workspace, request.parameters.at("id"), "id"));
  if (const auto done = workspace.registry().Promote(alias, version.id); !done)
    return tl::unexpected(FromError(done.error(), "alias"));
  SendJson(*reply, {{"alias", alias}, {"version", version.Label()}});
  return {};
}

ApiStatus PostRollback(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(Workspace workspace, context.OpenWorkspace());
  const std::string& alias = request.parameters.at("alias");
  API_ASSIGN(const int64_t version, OrError(workspace.registry().Rollback(alias), "alias"));
  SendJson(*reply, {{"alias", alias}, {"version", fmt::format("v{}", version)}});
  return {};
}

}  // namespace

void AddVersionRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("GET", "/api/versions", Handle(context, GetVersions));
  router.Add("GET", "/api/versions/{id}", Handle(context, GetVersion));
  router.Add("GET", "/api/versions/{id}/curve", Handle(context, GetCurve));
  router.Add("POST", "/api/versions/{id}/promote", Handle(context, PostPromote));
  router.Add("POST", "/api/aliases/{alias}/rollback", Handle(context, PostRollback));
}

}  // namespace hew
