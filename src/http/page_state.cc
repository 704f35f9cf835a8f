// GET /api/state: what the page shows before anything is asked.
#include "base/version.h"
#include "http/page_context.h"

namespace hew {
namespace {

ApiStatus GetState(PageContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  const OpenedModel& base = context.models.base();
  const ModelConfig& config = base.model->config;
  const Runtime& rt = context.models.settings().rt;
  Json state = {{"program", kHewVersion},
                {"workspace", nullptr},
                {"model", context.models.base_id()},
                {"architecture", config.architecture},
                {"parameters", base.model->parameter_count()},
                {"file_bytes", ModelFileBytes(base.path)},
                {"layers", config.num_hidden_layers},
                {"vocab_size", config.vocab_size},
                {"context", context.models.context_size()},
                {"chat", base.chat_template.has_value()},
                {"isa", NameOf(rt.isa)},
                {"threads", rt.pool ? rt.pool->threads() : 1},
                {"aliases", Json::object()},
                {"versions", 0}};
  if (!context.models.workspace_root().empty()) {
    API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
    state["workspace"] = {{"root", workspace.root()}};
    API_ASSIGN(const auto aliases, OrError(workspace.registry().Aliases()));
    for (const auto& [alias, version] : aliases) state["aliases"][alias] = fmt::format("v{}", version);
    API_ASSIGN(const auto ids, OrError(workspace.registry().Ids()));
    state["versions"] = ids.size();
  }
  const auto running = context.jobs.Running();
  state["running"] = running ? ToJson(*running) : Json();
  SendJson(*reply, state);
  return {};
}

}  // namespace

void AddStateRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("GET", "/api/state", Handle(context, GetState));
}

}  // namespace hew
