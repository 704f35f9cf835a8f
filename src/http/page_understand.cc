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
    return BadField("text", fmt::format("text: expected at most 200 words, found {}", WordsOf(text).size()));
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
  if (text.empty()) return BadField("text", "text: expected one to ask, found none");
  if (options->chat && !context.models.base().chat_template)
    return BadField("chat", "chat: expected a model with a chat template, found none");
  const auto ids = PromptIds(*context.models.base().tokenizer, text);
  if (auto status = context.api.CheckPrompt(ids, options->max_tokens + 256, "text"); !status) return status;
  options->prompts = {text};
  API_ASSIGN(options->now, OrError(context.models.Now()));
  return {};
}

ApiStatus PostDiffModel(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string before = fields.Text("before"), after = fields.Text("after");
  DiffOptions options;
  if (auto status = ReadPrompts(context, fields, 5, &options); !status) return status;
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version first, context.FindVersion(workspace, before, "before"));
  API_ASSIGN(const Version second, context.FindVersion(workspace, after, "after"));
  Result<ModelDiff> diff;
  context.RunExclusive({}, [&](const Engine& engine) {
    const auto compare = [&]() -> Result<ModelDiff> {
      ModelPair pair;
      HEW_ASSIGN(pair.before, context.OpenBeside(engine.rt, workspace, first));
      HEW_ASSIGN(pair.after, context.OpenBeside(engine.rt, workspace, second));
      pair.before.path = first.Label();
      pair.after.path = second.Label();
      return DiffModels(engine.rt, pair, options);
    };
    diff = compare();
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
  router.Add("POST", "/api/lens", OnPage(context, PostLens));
  router.Add("POST", "/api/why-word", OnPage(context, PostWhyWord));
  router.Add("POST", "/api/diff-model", OnPage(context, PostDiffModel));
  router.Add("POST", "/api/watch", OnPage(context, PostWatch));
}

}  // namespace hew
