// Jobs: tuning, fixes and tests, one at a time, on threads of their own beside the server's.
#include "http/page_context.h"
#include "studio/registry/answers.h"

namespace hew {
namespace {

constexpr int64_t kSnapshots = 6;      // of a tuning, to be watched afterwards
constexpr int64_t kAnswerTokens = 64;  // of a test, as hew test asks

// What a job runs on: as many threads as the server's, the same arithmetic, so the same bits.
struct JobRuntime {
  explicit JobRuntime(const Runtime& server) : pool(server.pool ? server.pool->threads() : 1), rt(server) {
    rt.pool = &pool;
  }
  ThreadPool pool;
  Runtime rt;
};

Json StepEvent(const StepMetrics& m) {
  return {{"type", "step"}, {"step", m.step}, {"total_steps", m.total_steps},   {"epoch", m.epoch},
          {"loss", m.loss}, {"lr", m.lr},     {"tokens_per_s", m.tokens_per_s}, {"seconds", m.seconds}};
}

RunHooks HooksOf(Job& job) {
  RunHooks hooks;
  hooks.quiet = true;
  hooks.cancel = &job.cancelled();
  hooks.say = [&job](const std::string& line) { job.Tell({{"type", "say"}, {"text", line}}); };
  hooks.on_step = [&job](const StepMetrics& m) {
    job.Progress(m.step, m.total_steps);
    job.Tell(StepEvent(m));
  };
  return hooks;
}

// The workspace as a job's own thread has it.
Result<Workspace> OpenOwn(const PageContext& context) { return Workspace::Require(context.models.workspace_root()); }

Status Ask(PageContext& context, Workspace& workspace, const Runtime& rt, const Version& version,
           const NamedSuite& suite, Job& job, Json* report) {
  SuiteOptions options;
  HEW_ASSIGN(options.now, context.models.Now());
  options.max_tokens = kAnswerTokens;
  options.cancelled = [&job] { return job.cancelled().load(); };
  const auto all = static_cast<int64_t>(suite.cases.size());
  options.on_done = [&job, all](size_t done) {
    job.Progress(static_cast<int64_t>(done), all);
    job.Tell({{"type", "progress"}, {"done", done}, {"total", all}});
  };
  LazyModel model(rt, version.Label(), [&] { return context.OpenBeside(rt, workspace, version); });
  HEW_ASSIGN(const SuiteResult result, TestVersion(workspace, version.id, suite, model, options, false));
  if (job.cancelled().load())
    return tl::unexpected<Error>({ErrorCode::kCancelled, "stopped; the answers so far are kept"});
  *report = {{"suite", suite.name}, {"passed", result.passed}, {"cases", result.passed + result.failed}};
  return {};
}

struct TuneJob {
  std::shared_ptr<const DroppedData> data;
  TuneVersionRequest request;
};

Status RunTuneJob(PageContext& context, TuneJob& tune, Job& job) {
  const JobRuntime own(context.models.settings().rt);
  HEW_ASSIGN(Workspace workspace, OpenOwn(context));
  HEW_ASSIGN(const JinjaClock now, context.models.Now());
  tune.request.hooks = HooksOf(job);
  HEW_ASSIGN(const int64_t id, TuneVersion(workspace, own.rt, BaseOf(context.models.base(), now), tune.request));
  job.SetVersion(fmt::format("v{}", id));
  return {};
}

// The new version answers the fixes' tests at once, and so does its parent: what was fixed can be compared.
Status RunFixJob(PageContext& context, FixVersionRequest& request, Job& job) {
  const JobRuntime own(context.models.settings().rt);
  HEW_ASSIGN(Workspace workspace, OpenOwn(context));
  HEW_ASSIGN(const JinjaClock now, context.models.Now());
  request.hooks = HooksOf(job);
  request.on_plan = [&job](const FixPlan& plan) {
    job.Tell({{"type", "say"},
              {"text", fmt::format("{} new rows of {} fixes, {} learned before", plan.new_rows, plan.fixes.size(),
                                   plan.replayed_rows)}});
  };
  const auto base = [&](const std::string&) -> Result<TrainingBase> { return BaseOf(context.models.base(), now); };
  HEW_ASSIGN(const int64_t id, FixVersion(workspace, own.rt, base, request));
  HEW_ASSIGN(const Version made, workspace.registry().Get(id));
  HEW_ASSIGN(const NamedSuite suite, FixSuite(workspace));
  Json report, ignored;
  HEW_RETURN_IF_ERROR(Ask(context, workspace, own.rt, request.parent, suite, job, &ignored));
  HEW_RETURN_IF_ERROR(Ask(context, workspace, own.rt, made, suite, job, &report));
  job.SetReport(std::move(report));
  job.SetVersion(made.Label());
  return {};
}

Status RunTestJob(PageContext& context, const Version& version, const std::string& suite_name, Job& job) {
  const JobRuntime own(context.models.settings().rt);
  HEW_ASSIGN(Workspace workspace, OpenOwn(context));
  HEW_ASSIGN(const NamedSuite suite, suite_name == kFixSuite ? FixSuite(workspace) : OpenSuite(&workspace, suite_name));
  Json report;
  HEW_RETURN_IF_ERROR(Ask(context, workspace, own.rt, version, suite, job, &report));
  job.SetReport(std::move(report));
  return {};
}

// What runs in the background may not be handed a reference to the request.
struct PlannedJob {
  std::string title, parent;
  JobRunner::Work work;
};

Api<Version> TrainableParent(PageContext& context, const Workspace& workspace, const std::string& name) {
  API_ASSIGN(Version parent, context.FindVersion(workspace, name, "parent"));
  if (parent.kind == VersionKind::kModel || parent.base != context.models.base_digest())
    return BadField("parent", fmt::format("expected a version on the model that is served, found {}", name));
  return parent;
}

Api<PlannedJob> PlanTune(PageContext& context, const Workspace& workspace, Fields& fields) {
  auto tune = std::make_shared<TuneJob>();
  TuneSettings& settings = tune->request.settings;
  const std::string data = fields.Text("data"), parent = fields.Text("parent");
  tune->request.name = fields.Text("name");
  settings.epochs = fields.Integer("epochs", settings.epochs, 1, 100000);
  settings.rank = fields.Integer("rank", settings.rank, 1, 4096);
  settings.batch_size = fields.Integer("batch_size", settings.batch_size, 1, 100000);
  settings.lr = fields.Number("lr", 1e-9, 10).value_or(settings.lr);
  settings.seed = fields.Integer("seed", 0, 0, INT64_MAX);
  settings.snapshots = kSnapshots;
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  tune->data = context.Data(data);
  if (!tune->data) return BadField("data", "expected a file that was dropped lately, found none");
  settings.data = {tune->data->path};
  if (!parent.empty()) {
    API_ASSIGN(tune->request.parent, TrainableParent(context, workspace, parent));
  }
  const std::string from = tune->request.parent ? tune->request.parent->Label() : "v0";
  return PlannedJob{tune->request.name.empty() ? tune->data->name : tune->request.name, from,
                    [&context, tune](Job& job) { return RunTuneJob(context, *tune, job); }};
}

Api<PlannedJob> PlanFixJob(PageContext& context, const Workspace& workspace, Fields& fields) {
  auto fix = std::make_shared<FixVersionRequest>();
  fix->tag = fields.Text("tag");
  fix->name = fields.Text("name");
  fix->epochs = fields.Integer("epochs", fix->epochs, 1, 1000);
  fix->replay = fields.Number("replay", 0, 1000).value_or(fix->replay);
  const std::string parent = fields.Text("parent");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  API_ASSIGN(fix->parent, TrainableParent(context, workspace, parent));
  return PlannedJob{fix->tag, fix->parent.Label(), [&context, fix](Job& job) { return RunFixJob(context, *fix, job); }};
}

Api<PlannedJob> PlanTest(PageContext& context, const Workspace& workspace, Fields& fields) {
  const std::string name = fields.Text("version"), suite = fields.Text("suite");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  API_ASSIGN(const Version version, context.FindVersion(workspace, name, "version"));
  // Only what the workspace knows already: a page may not name files of this machine.
  API_ASSIGN(const auto known, OrError(workspace.registry().Suites()));
  bool found = suite == kFixSuite;
  for (const auto& s : known) found = found || s.name == suite;
  if (!found) return BadField("suite", "expected one that this workspace has seen (hew test), found another");
  return PlannedJob{version.Label() + ", " + suite, "",
                    [&context, version, suite](Job& job) { return RunTestJob(context, version, suite, job); }};
}

ApiStatus PostJob(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string kind = fields.OneOf("kind", "", {"tune", "fix", "test"});
  if (auto status = fields.status(); !status) return status;
  if (kind.empty()) return BadField("kind", "expected tune, fix or test, found nothing");
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(PlannedJob planned, kind == "tune"  ? PlanTune(context, workspace, fields)
                                 : kind == "fix" ? PlanFixJob(context, workspace, fields)
                                                 : PlanTest(context, workspace, fields));
  const auto started = context.jobs.Start(kind, planned.title, planned.parent, std::move(planned.work));
  if (!started) return tl::unexpected(PlainError(409, "jobs: expected none at work, found one: stop it or wait"));
  SendJson(*reply, ToJson(*started));
  return {};
}

ApiStatus GetJobs(PageContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  Json list = Json::array();
  for (const auto& job : context.jobs.List()) list.push_back(ToJson(job));
  SendJson(*reply, {{"jobs", std::move(list)}});
  return {};
}

Api<std::shared_ptr<Job>> FindJob(const PageContext& context, const HttpRequest& request) {
  auto job = context.jobs.Find(request.parameters.at("id"));
  if (!job) return tl::unexpected(PlainError(404, "id: expected a job of this server, found none called so"));
  return job;
}

ApiStatus GetJob(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const auto job, FindJob(context, request));
  SendJson(*reply, ToJson(job->facts()));
  return {};
}

ApiStatus GetEvents(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const auto job, FindJob(context, request));
  job->Follow(reply);
  return {};
}

ApiStatus PostStop(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const auto job, FindJob(context, request));
  job->Cancel();
  SendJson(*reply, ToJson(job->facts()));
  return {};
}

}  // namespace

void AddJobRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("POST", "/api/jobs", Handle(context, PostJob));
  router.Add("GET", "/api/jobs", Handle(context, GetJobs));
  router.Add("GET", "/api/jobs/{id}", Handle(context, GetJob));
  router.Add("GET", "/api/jobs/{id}/events", Handle(context, GetEvents));
  router.Add("POST", "/api/jobs/{id}/stop", Handle(context, PostStop));
}

}  // namespace hew
