// Lens, word removal, before and after, a model over time: the numbers of `hew lens`, `why-word`, `diff-model`,
// `watch`.
#include <algorithm>

#include "http/page_context.h"
#include "studio/registry/record.h"
#include "studio/understand/diff_model.h"
#include "studio/understand/lens.h"
#include "studio/understand/watch.h"
#include "studio/understand/why_word.h"
#include "train/snapshots.h"

namespace hew {
namespace {

constexpr int64_t kMostAnswer = 256;  // tokens of an answer that a lesson makes
constexpr size_t kMostVersions = 12;  // asked in one look back

ApiStatus PostLens(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string name = fields.Text("model"), text = fields.Text("text");
  LensOptions options;
  options.k = fields.Integer("k", 3, 1, 100);
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(name));
  const std::vector<int32_t> ids = PromptIds(*context.models.base().tokenizer, text);
  if (auto status = context.api.CheckPrompt(ids, 0, "text"); !status) return status;
  Result<LensReport> report;
  context.RunExclusive(model, [&](const Engine& engine) { report = Lens(engine, ids, options); });
  API_ASSIGN(const LensReport lens, OrError(std::move(report), "text"));
  SendJson(*reply, ToJson(lens));
  return {};
}

ApiStatus PostWhyWord(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string name = fields.Text("model"), text = fields.Text("text"), answer = fields.Text("answer");
  WhyWordRequest why;
  why.max_tokens = fields.Integer("max_tokens", why.max_tokens, 1, kMostAnswer);
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(name));
  const Tokenizer& tokenizer = *context.models.base().tokenizer;
  if (auto status = context.api.CheckPrompt(PromptIds(tokenizer, text), why.max_tokens, "text"); !status) return status;
  if (WordsOf(text).size() > 200)
    return BadField("text", fmt::format("expected at most 200 words, found {}", WordsOf(text).size()));
  why.texts = {{"prompt", text}};
  why.prompt = [&](const std::vector<std::string>& texts) -> Result<std::vector<int32_t>> {
    return PromptIds(tokenizer, texts[0]);
  };
  if (!answer.empty()) why.answer = answer;
  Result<WhyWordReport> report;
  context.RunExclusive(model, [&](const Engine& engine) { report = WhyWord(engine, why); });
  API_ASSIGN(const WhyWordReport words, OrError(std::move(report), "text"));
  SendJson(*reply, ToJson(words));
  return {};
}

// {text or prompts, chat, k, max_tokens}, as both looks at versions take them.
template <typename Options>
ApiStatus ReadPrompts(PageContext& context, Fields& fields, int64_t k, Options* options) {
  const std::string text = fields.Text("text");
  options->chat = fields.Flag("chat", false);
  options->k = fields.Integer("k", k, 1, 50);
  options->max_tokens = fields.Integer("max_tokens", 0, 0, kMostAnswer);
  if (auto status = fields.status(); !status) return status;
  if (text.empty()) return BadField("text", "expected one to ask, found none");
  if (options->chat && !context.models.base().chat_template)
    return BadField("chat", "expected a model with a chat template, found none");
  const auto ids = PromptIds(*context.models.base().tokenizer, text);
  if (auto status = context.api.CheckPrompt(ids, options->max_tokens + 256, "text"); !status) return status;
  options->prompts = {text};
  API_ASSIGN(options->now, OrError(context.models.Now()));
  return {};
}

// The same adapter once more: what is compared has adapters of its own.
std::unique_ptr<LoraAdapter> Copied(const Runtime& rt, const Model& base, const LoraAdapter& from) {
  auto copy = std::make_unique<LoraAdapter>();
  copy->config = from.config;
  copy->parameters = from.parameters;
  copy->user_scale = from.user_scale;
  for (const auto& m : from.modules) {
    LoraModule module;
    module.layer = m.layer, module.projection = m.projection;
    module.rank = m.rank, module.in = m.in, module.out = m.out, module.scale = m.scale;
    module.a_offset = m.a_offset, module.b_offset = m.b_offset, module.magnitude_offset = m.magnitude_offset;
    copy->modules.push_back(std::move(module));
  }
  copy->Pack(rt, base);
  return copy;
}

OpenedModel SideOf(const Runtime& rt, const OpenedModel& base, const ServedModel& served, const std::string& name) {
  OpenedModel side;
  side.path = name;
  side.model = base.model;
  side.tokenizer = base.tokenizer;
  side.chat_template = base.chat_template;
  for (const auto& adapter : served.adapters) side.adapters.push_back(Copied(rt, *base.model, *adapter));
  return side;
}

ApiStatus PostDiffModel(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string before = fields.Text("before"), after = fields.Text("after");
  DiffOptions options;
  if (auto status = ReadPrompts(context, fields, 5, &options); !status) return status;
  API_ASSIGN(const ServedModel first, context.FindModel(before));
  API_ASSIGN(const ServedModel second, context.FindModel(after));
  const OpenedModel& base = context.models.base();
  Result<ModelDiff> diff;
  context.RunExclusive({}, [&](const Engine& engine) {
    const ModelPair pair{SideOf(engine.rt, base, first, before), SideOf(engine.rt, base, second, after)};
    diff = DiffModels(engine.rt, pair, options);
  });
  API_ASSIGN(const ModelDiff report, OrError(std::move(diff)));
  SendJson(*reply, ToJson(report));
  return {};
}

// A version and those it comes from, oldest first.
Api<std::vector<std::string>> LineOf(const Workspace& workspace, const Version& version) {
  std::vector<std::string> line = {version.Label()};
  std::optional<int64_t> parent = version.parent;
  while (parent && line.size() < kMostVersions) {
    API_ASSIGN(const Version one, OrError(workspace.registry().Get(*parent)));
    line.insert(line.begin(), one.Label());
    parent = one.parent;
  }
  return line;
}

// The states that a version's run kept, else the versions it comes from. Beside the server's work, on threads of its
// own: it reads adapters from disk, and would keep answers waiting for seconds.
ApiStatus PostWatch(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string name = fields.Text("model");
  const bool lineage = fields.Flag("lineage", false);
  WatchOptions options;
  if (auto status = ReadPrompts(context, fields, 3, &options); !status) return status;
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version version, context.FindVersion(workspace, name, "model"));
  options.from = workspace.root();
  options.cancelled = [&] { return reply->closed(); };
  const Runtime& server = context.models.settings().rt;
  const ThreadPool pool(server.pool ? server.pool->threads() : 1);
  Runtime rt = server;
  rt.pool = &pool;
  const std::string kept = SnapshotsOf(workspace, version);
  Result<WatchReport> report;
  if (!lineage && !ListSnapshots(kept).empty()) {
    options.base = context.models.base().path;
    report = WatchRun(rt, kept, options);
  } else {
    API_ASSIGN(const auto line, LineOf(workspace, version));
    report = WatchVersions(rt, line, options);
  }
  API_ASSIGN(const WatchReport watched, OrError(std::move(report)));
  SendJson(*reply, ToJson(watched));
  return {};
}

}  // namespace

void AddUnderstandRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("POST", "/api/lens", Handle(context, PostLens));
  router.Add("POST", "/api/why-word", Handle(context, PostWhyWord));
  router.Add("POST", "/api/diff-model", Handle(context, PostDiffModel));
  router.Add("POST", "/api/watch", Handle(context, PostWatch));
}

}  // namespace hew
