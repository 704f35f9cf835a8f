#include "http/served_models.h"

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/version.h"
#include "studio/registry/record.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostAdapterBytes = 1ULL << 30;  // of adapters kept loaded; the last one used stays in any case
constexpr const char* kQuickstartModel = "models/smollm2-135m-instruct-q4_1.gguf";
constexpr const char* kQuickstartAdapter = "quickstart-run/adapter";

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string StemOf(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const fs::path name = fs::path(path).filename();
  return name.extension() == ".gguf" ? name.stem().string() : name.string();
}

int64_t SecondsOf(const std::string& created) {  // "2026-11-24T20:51:07Z"
  std::tm utc{};
  if (!::strptime(created.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc)) return 0;
  return ::timegm(&utc);
}

size_t BytesOf(const LoraAdapter& adapter) {  // the numbers, and the same packed for the kernels
  return adapter.parameters.size() * sizeof(float) * 2 + adapter.modules.size() * sizeof(LoraModule);
}

// What decides an adapter's arithmetic: its files.
Result<std::string> DigestOfAdapter(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return Sha256OfFile(path);
  HEW_ASSIGN(const std::string config, Sha256OfFile(path + "/adapter_config.json"));
  HEW_ASSIGN(const std::string weights, Sha256OfFile(path + "/adapter_model.safetensors"));
  return Sha256Hex(config + weights);
}

}  // namespace

ServedModels::~ServedModels() = default;

Result<std::unique_ptr<ServedModels>> ServedModels::Open(const ServeSettings& settings) {
  std::unique_ptr<ServedModels> models(new ServedModels(settings));
  models->load_pool_ = std::make_unique<ThreadPool>(1);
  models->started_ = static_cast<int64_t>(std::time(nullptr));
  HEW_RETURN_IF_ERROR(models->OpenBase());
  Version build;
  HEW_RETURN_IF_ERROR(SetProgram(&build, settings.rt));
  models->fingerprint_ = fmt::format("{}-{}", build.program, build.program_digest.substr(0, 12));
  std::replace(models->fingerprint_.begin(), models->fingerprint_.end(), ' ', '-');
  HEW_ASSIGN(Engine engine, models->base_.MakeEngine(settings.rt, settings.context_size));
  BatchSettings batch;
  batch.max_sequences = settings.parallel;
  batch.max_queue = 1024;
  batch.cache_bytes = static_cast<size_t>(settings.cache_bytes);
  models->engine_ = std::make_unique<BatchEngine>(engine, batch);
  models->context_size_ = models->engine_->context_size();
  HEW_RETURN_IF_ERROR(models->CheckAdapters());
  return models;
}

Status ServedModels::OpenBase() {
  std::string path = settings_.model, from = ".";
  std::error_code ignored;
  if (!path.empty() && Exists(path + "/.hew/registry.db")) {
    from = path;
    path.clear();
  }
  HEW_ASSIGN(workspace_, Workspace::Find(from));
  if (path.empty() && workspace_) {
    HEW_ASSIGN(path, workspace_->DefaultBase());
  } else if (path.empty()) {
    if (!Exists(kQuickstartModel)) {
      return BadInput(
          "hew serve: expected MODEL, a workspace here (hew init) or {} (quickstart.sh makes it), found none",
          kQuickstartModel);
    }
    path = kQuickstartModel;
    if (settings_.adapters.empty() && Exists(std::string(kQuickstartAdapter) + "/adapter_model.safetensors"))
      settings_.adapters.push_back(std::string("helpdesk=") + kQuickstartAdapter);
  }
  HEW_ASSIGN(const ModelRef ref, ResolveModel(path, from));
  HEW_ASSIGN(base_, OpenModel(settings_.rt, ref.path, {}, settings_.template_path));
  base_id_ = StemOf(ref.path);
  default_name_ = base_id_;
  if (!workspace_) return {};
  HEW_ASSIGN(const auto versions, workspace_->registry().List(1));
  if (versions.empty()) {  // a workspace that has nothing to serve, and is left as it is
    workspace_root_ = workspace_->root();
    return {};
  }
  workspace_root_ = workspace_->root();
  HEW_ASSIGN(base_digest_, workspace_->RegisterBase(ref.path));
  if (!ref.version) return {};
  HEW_ASSIGN(const Version version, workspace_->registry().Get(*ref.version));
  if (version.kind == VersionKind::kModel) {
    base_version_ = ref.version;
    base_id_ = default_name_ = version.Label();
  } else {
    default_name_ = settings_.model;
  }
  return {};
}

Status ServedModels::CheckAdapters() {
  for (const auto& spec : settings_.adapters) {
    const size_t equals = spec.find('=');
    const bool has_name = equals != spec.npos && spec.find('/') > equals && !ParseScale(spec.substr(equals + 1));
    std::string name = has_name ? spec.substr(0, equals) : "";
    HEW_ASSIGN(const std::string resolved, ResolveAdapter(has_name ? spec.substr(equals + 1) : spec));
    HEW_ASSIGN(const auto parsed, ParseAdapterSpec(resolved));
    if (name.empty()) name = StemOf(parsed.first);
    if (name == base_id_ || VersionNumber(name) || named_.contains(name))
      return BadInput("--adapter {}: expected a name of its own (--adapter NAME=PATH), found '{}'", spec, name);
    named_[name] = parsed;
    HEW_RETURN_IF_ERROR(Find(name));
  }
  return {};
}

std::optional<float> ServedModels::ParseScale(const std::string& text) {
  const auto parsed = ParseAdapterSpec("x=" + text);
  return parsed ? std::optional(parsed->second) : std::nullopt;
}

Result<ServedModels::VersionFacts> ServedModels::FactsOf(int64_t id) {
  if (const auto known = facts_.find(id); known != facts_.end()) return known->second;
  HEW_ASSIGN(const Version version, workspace_->registry().Get(id));
  VersionFacts facts{version.kind, version.base, "", SecondsOf(version.created)};
  if (version.kind == VersionKind::kAdapter)
    facts.adapter_key =
        Sha256Hex(version.FileDigest("adapter_config.json") + version.FileDigest("adapter_model.safetensors"));
  return facts_.emplace(id, facts).first->second;
}

bool ServedModels::Served(int64_t id, const VersionFacts& facts) const {
  if (facts.kind == VersionKind::kModel) return base_version_ == id;
  return facts.base == base_digest_;
}

Result<std::shared_ptr<const LoraAdapter>> ServedModels::Load(const std::string& path, const std::string& key,
                                                              float scale) {
  const std::lock_guard lock(load_mutex_);
  for (auto at = loaded_.begin(); at != loaded_.end(); ++at) {
    if (at->key != key) continue;
    loaded_.splice(loaded_.begin(), loaded_, at);
    return at->adapter;
  }
  Runtime rt = settings_.rt;
  rt.pool = load_pool_.get();  // the engine's threads are at work
  HEW_ASSIGN(auto adapter, LoadAdapter(rt, path, *base_.model, scale));
  const size_t bytes = BytesOf(adapter);
  loaded_.push_front({key, std::make_shared<const LoraAdapter>(std::move(adapter)), bytes});
  size_t total = 0;
  for (auto at = loaded_.begin(); at != loaded_.end();) {
    total += at->bytes;
    at =
        total > kMostAdapterBytes && at != loaded_.begin() ? loaded_.erase(at) : std::next(at);  // requests keep theirs
  }
  return loaded_.front().adapter;
}

Result<std::optional<ServedModel>> ServedModels::Find(const std::string& asked) {
  const std::string& name = asked.empty() ? default_name_ : asked;
  ServedModel served;
  served.id = base_id_;
  if (base_version_) served.version = *base_version_;
  if (name == base_id_) return std::optional(served);
  if (const auto named = named_.find(name); named != named_.end()) {
    const auto& [path, scale] = named->second;
    HEW_ASSIGN(const std::string digest, DigestOfAdapter(path));
    served.id = name;
    served.version = std::nullopt;
    served.adapter_key = fmt::format("{}*{}", digest, scale);
    HEW_ASSIGN(auto adapter, Load(path, served.adapter_key, scale));
    served.adapters.push_back(std::move(adapter));
    return std::optional(served);
  }
  std::string folder;
  {
    const std::lock_guard lock(mutex_);
    if (!workspace_ || base_digest_.empty()) return std::optional<ServedModel>();
    HEW_ASSIGN(const auto id, workspace_->registry().Find(name));
    if (!id) return std::optional<ServedModel>();
    HEW_ASSIGN(const VersionFacts facts, FactsOf(*id));
    if (!Served(*id, facts)) return std::optional<ServedModel>();
    served.version = *id;
    if (facts.kind != VersionKind::kAdapter) return std::optional(served);
    served.id = "v" + std::to_string(*id);
    served.adapter_key = facts.adapter_key;
    HEW_ASSIGN(const Version version, workspace_->registry().Get(*id));
    HEW_ASSIGN(folder, workspace_->Checkout(version));
  }
  HEW_ASSIGN(auto adapter, Load(folder, served.adapter_key, 1));
  served.adapters.push_back(std::move(adapter));
  return std::optional(served);
}

Result<std::vector<ModelCard>> ServedModels::List() {
  std::vector<ModelCard> cards = {{base_id_, base_id_, base_version_, started_}};
  const std::lock_guard lock(mutex_);
  if (workspace_ && !base_digest_.empty()) {
    HEW_ASSIGN(const auto versions, workspace_->registry().List(-1));
    std::map<std::string, const VersionSummary*> names;  // of several versions of one name, the latest has it
    std::map<int64_t, std::string> roots;
    for (const auto& version : versions) {
      HEW_ASSIGN(const VersionFacts facts, FactsOf(version.id));
      if (!Served(version.id, facts)) continue;
      const std::string label = "v" + std::to_string(version.id);
      roots[version.id] = facts.kind == VersionKind::kAdapter ? label : base_id_;
      if (label != base_id_) cards.push_back({label, roots[version.id], version.id, facts.created});
      if (!version.name.empty() && version.name != base_id_) names.emplace(version.name, &version);
    }
    HEW_ASSIGN(const auto aliases, workspace_->registry().Aliases());
    for (const auto& [alias, id] : aliases) {
      if (roots.contains(id)) cards.push_back({alias, roots[id], id, facts_[id].created});
    }
    for (const auto& [name, version] : names) {
      if (!aliases.contains(name))
        cards.push_back({name, roots[version->id], version->id, facts_[version->id].created});
    }
  }
  for (const auto& [name, adapter] : named_) cards.push_back({name, name, std::nullopt, started_});
  return cards;
}

void ServedModels::Stop(double grace_seconds) {
  stopping_ = true;
  engine_->Stop(grace_seconds);
}

}  // namespace hew
