// Two versions over the tests that both were asked, and all versions over all suites.
#include <map>
#include <set>

#include "http/page_context.h"
#include "studio/registry/gate.h"

namespace hew {
namespace {

// What was asked: the last user message, or the prompt.
std::string QuestionOf(const Json& body) {
  if (const auto messages = body.find("messages"); messages != body.end() && messages->is_array()) {
    for (auto message = messages->rbegin(); message != messages->rend(); ++message) {
      if (message->is_object() && message->value("role", "") == "user" && message->contains("content") &&
          (*message)["content"].is_string())
        return (*message)["content"];
    }
  }
  for (const char* key : {"prompt", "query", "context"}) {
    if (const auto text = body.find(key); text != body.end() && text->is_string()) return *text;
  }
  return "";
}

ApiStatus GetCompare(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version before, context.FindVersion(workspace, QueryText(request, "before"), "before"));
  API_ASSIGN(const Version after, context.FindVersion(workspace, QueryText(request, "after"), "after"));
  API_ASSIGN(const VersionDiff diff, OrError(DiffVersions(workspace, before, after)));
  Json json = ToJson(diff);
  for (auto& turned : json["answers"]["cases"]) {
    const auto stored = workspace.registry().FindCase(turned["id"], turned["suite"]);
    turned["question"] = stored && *stored ? QuestionOf((*stored)->body) : "";
  }
  json["verdict"] = nullptr;
  if (!diff.answers.cases.empty()) {
    const GateLine line = JudgeSuite(diff.answers, "", ReleaseRules().worse_points_most);
    json["verdict"] = {{"verdict", NameOf(line.verdict)},
                       {"measured", line.measured},
                       {"rule", line.rule},
                       {"cases_missing", line.cases_missing},
                       {"numbers", line.numbers}};
  }
  SendJson(*reply, json);
  return {};
}

ApiStatus GetMap(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const int64_t last, QueryInteger(request, "last", 100, 1, 1000));
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const auto versions, OrError(workspace.registry().List(last)));
  std::set<std::string> suites;
  std::vector<std::map<std::string, SuiteCount>> counts;
  for (const auto& version : versions) {
    API_ASSIGN(const auto of_version, OrError(workspace.registry().Counts(version.id)));
    std::map<std::string, SuiteCount> by_suite;
    for (const auto& count : of_version) {
      suites.insert(count.suite);
      by_suite[count.suite] = count;
    }
    counts.push_back(std::move(by_suite));
  }
  Json rows = Json::array();
  for (size_t i = 0; i < versions.size(); ++i) {
    Json cells = Json::array();
    for (const auto& suite : suites) {
      const auto count = counts[i].find(suite);
      cells.push_back(count == counts[i].end() ? Json() : Json::array({count->second.passed, count->second.cases}));
    }
    rows.push_back({{"version", fmt::format("v{}", versions[i].id)}, {"name", versions[i].name}, {"counts", cells}});
  }
  SendJson(*reply, {{"suites", suites}, {"versions", std::move(rows)}});
  return {};
}

}  // namespace

void AddCompareRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("GET", "/api/compare", Handle(context, GetCompare));
  router.Add("GET", "/api/map", Handle(context, GetMap));
}

}  // namespace hew
