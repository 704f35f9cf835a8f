#include "http/page_context.h"

#include <charconv>
#include <filesystem>

#include "base/shown.h"
#include "http/page_files.h"
#include "http/routes.h"

namespace hew {

constexpr size_t kDroppedKept = 4;

void AddPageRoutes(Router& router, ServedModels& models, ServeMetrics& metrics) {
  const auto context = std::make_shared<PageContext>(models, metrics);
  AddPageFiles(router);
  AddStateRoutes(router, context);
  AddVersionRoutes(router, context);
  AddCompareRoutes(router, context);
  AddFixRoutes(router, context);
  AddDataRoutes(router, context);
  AddJobRoutes(router, context);
  AddProbeRoutes(router, context);
  AddUnderstandRoutes(router, context);
}

Api<int64_t> QueryInteger(const HttpRequest& request, const std::string& name, int64_t fallback, int64_t least,
                          int64_t most) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return fallback;
  const std::string& text = found->second;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return BadField(name, fmt::format("expected a whole number from {} to {}, found '{}'", least, most, Shown(text)));
  return number;
}

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

uint64_t ModelFileBytes(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const auto size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
  }
  uint64_t total = 0;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().extension() == ".safetensors") total += entry.file_size(ignored);
  }
  return total;
}

Api<Workspace> PageContext::OpenWorkspace() const {
  if (models.workspace_root().empty()) {
    ApiError error = PlainError(400, "workspace: expected one (hew init, then hew serve there), found none");
    error.code = "no_workspace";
    return tl::unexpected(std::move(error));
  }
  API_ASSIGN(auto workspace, OrError(Workspace::Find(models.workspace_root())));
  if (!workspace)
    return tl::unexpected(PlainError(500, models.workspace_root() + ": expected a workspace, found none"));
  return *std::move(workspace);
}

Api<Version> PageContext::FindVersion(const Workspace& workspace, const std::string& name,
                                      const std::string& param) const {
  API_ASSIGN(const auto id, OrError(workspace.registry().Find(name)));
  if (!id) {
    ApiError error = PlainError(
        404, fmt::format("{}: expected a version, alias or name of this workspace, found '{}'", param, Shown(name)));
    error.param = param;
    return tl::unexpected(std::move(error));
  }
  return OrError(workspace.registry().Get(*id));
}

Result<OpenedModel> PageContext::OpenBeside(const Runtime& rt, const Workspace& workspace,
                                            const Version& version) const {
  const OpenedModel& base = models.base();
  if (version.kind == VersionKind::kModel || version.base != models.base_digest())
    return BadInput("{}: expected a version on the model that is served, found one on another", version.Label());
  OpenedModel opened;
  opened.path = base.path;
  opened.version = version.id;
  opened.model = base.model;
  opened.tokenizer = base.tokenizer;
  opened.chat_template = base.chat_template;
  if (version.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(const std::string folder, workspace.Checkout(version));
    HEW_ASSIGN(auto adapter, LoadAdapter(rt, folder, *base.model));
    opened.adapters.push_back(std::make_unique<LoraAdapter>(std::move(adapter)));
  }
  return opened;
}

void PageContext::RunExclusive(const ServedModel& model, const std::function<void(const Engine&)>& work) {
  models.engine().RunExclusive([&](const Engine& base) {
    Engine engine = base;
    for (const auto& adapter : model.adapters) engine.adapters.push_back(adapter.get());
    work(engine);
  });
}

DatasetOptions PageContext::DataOptions(const JinjaClock& now) const {
  const OpenedModel& base = models.base();
  DatasetOptions options;
  options.tokenizer = base.tokenizer.get();
  options.chat = base.chat_template ? &*base.chat_template : nullptr;
  options.template_knows_tools = options.chat && options.chat->source().find("tool_calls") != std::string::npos;
  options.now = now;
  options.format = DataFormat::kAuto;
  options.context = base.model->config.max_position_embeddings;
  return options;
}

DroppedData::~DroppedData() {
  std::error_code ignored;
  if (!folder.empty()) std::filesystem::remove_all(folder, ignored);
}

void PageContext::Keep(const std::shared_ptr<DroppedData>& data) {
  std::shared_ptr<const DroppedData> oldest;  // let go of outside of the lock
  const std::lock_guard lock(mutex_);
  data->id = fmt::format("d{}", ++drops_);
  dropped_.push_front(data);
  if (dropped_.size() <= kDroppedKept) return;
  oldest = std::move(dropped_.back());
  dropped_.pop_back();
}

std::shared_ptr<const DroppedData> PageContext::Data(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& data : dropped_) {
    if (data->id == id) return data;
  }
  return nullptr;
}

}  // namespace hew
