// The models behind one server: a base in memory, and over it every version of the workspace and every named adapter.
// Names are looked up when a request comes, so that what was promoted or rolled back meanwhile counts at once; adapters
// are loaded when they are first asked for, and the ones longest unused are dropped. All of it may be called from any
// thread but the engine's.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "infer/batch_engine.h"
#include "studio/open_model.h"
#include "studio/registry/workspace.h"
#include "studio/serve_settings.h"

namespace hew {

// What one request runs on; whatever is promoted later, it stays this.
struct ServedModel {
  std::string id;                  // "smollm2-135m-instruct-q4_1" (the base), "v3", or a name of --adapter
  std::optional<int64_t> version;  // of the workspace
  std::vector<std::shared_ptr<const LoraAdapter>> adapters;
  std::string adapter_key;  // for BatchRequest
};

struct ModelCard {  // one name that requests may use
  std::string id;
  std::string root;  // the ServedModel::id that it means now
  std::optional<int64_t> version;
  int64_t created = 0;  // seconds since 1970
};

class ServedModels {
 public:
  // Opens the base and starts the engine. Without settings.model: the workspace around the current folder, else the
  // model and adapter of quickstart.sh, else an error that says what to do.
  static Result<std::unique_ptr<ServedModels>> Open(const ServeSettings& settings);
  ~ServedModels();

  // The model of this name: the base's id, "v3", an alias, a version's name, a name of --adapter. "" is the default.
  // nullopt: nothing is called so, or it stands on another base. Errors: its files are damaged.
  Result<std::optional<ServedModel>> Find(const std::string& name);
  Result<std::vector<ModelCard>> List();  // the base, versions newest first, aliases, adapters

  const OpenedModel& base() const { return base_; }
  const std::string& base_id() const { return base_id_; }
  const std::string& default_name() const { return default_name_; }
  const std::string& base_digest() const { return base_digest_; }        // "" without a workspace
  const std::string& workspace_root() const { return workspace_root_; }  // "": none; Workspace::Find opens it anew
  const std::string& fingerprint() const { return fingerprint_; }        // "hew-0.1.0-1f0c3b2a9d7e": version and build
  int64_t context_size() const { return context_size_; }
  Result<JinjaClock> Now() const { return settings_.now(); }
  const ServeSettings& settings() const { return settings_; }
  BatchEngine& engine() { return *engine_; }

  // Takes no more requests; running ones end by themselves or are cancelled after the grace.
  void Stop(double grace_seconds);
  bool stopping() const { return stopping_.load(); }

 private:
  struct VersionFacts {  // of a version, which never change
    VersionKind kind = VersionKind::kAdapter;
    std::string base, adapter_key;
    int64_t created = 0;
  };
  struct Loaded {
    std::string key;  // digest of its files, and its scale
    std::shared_ptr<const LoraAdapter> adapter;
    size_t bytes = 0;
  };

  explicit ServedModels(const ServeSettings& settings) : settings_(settings) {}
  Status OpenBase();
  Status CheckAdapters();
  Result<VersionFacts> FactsOf(int64_t version);  // with mutex_ held
  bool Served(int64_t version, const VersionFacts& facts) const;
  Result<std::shared_ptr<const LoraAdapter>> Load(const std::string& path, const std::string& key, float scale);
  static std::optional<float> ParseScale(const std::string& text);  // nullopt: no number

  ServeSettings settings_;
  OpenedModel base_;
  std::string base_id_, default_name_, base_digest_, workspace_root_, fingerprint_;
  std::optional<int64_t> base_version_;  // when the base is a merged model of the workspace
  int64_t context_size_ = 0, started_ = 0;
  std::map<std::string, std::pair<std::string, float>> named_;  // --adapter: name to path and scale
  std::unique_ptr<BatchEngine> engine_;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // guards the workspace and the facts
  std::optional<Workspace> workspace_;
  std::map<int64_t, VersionFacts> facts_;

  std::mutex load_mutex_;  // guards the loading pool and the loaded adapters
  std::unique_ptr<ThreadPool> load_pool_;
  std::list<Loaded> loaded_;  // last used first
};

}  // namespace hew
