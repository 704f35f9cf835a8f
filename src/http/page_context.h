// What the page's handlers (/api/*, docs/page_api.md) share.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "http/api_context.h"
#include "http/jobs.h"
#include "studio/registry/training.h"
#include "train/dataset.h"

namespace hew {

// A file that was dropped on the page, read. Its folder in .hew/uploads/ lives as long as somebody holds it.
struct DroppedData {
  DroppedData() = default;
  ~DroppedData();
  DroppedData(const DroppedData&) = delete;
  DroppedData& operator=(const DroppedData&) = delete;

  std::string id, name, folder, path;
  Dataset data;
};

class PageContext {
 public:
  PageContext(ServedModels& served, ServeMetrics& metrics) : models(served), api(served, metrics) {}
  ServedModels& models;
  ApiContext api;

  // The workspace, opened anew: handlers run on many threads. Errors: 400, there is none.
  Api<Workspace> OpenWorkspace() const;
  // A version by number, alias or name. Errors: 404.
  Api<Version> FindVersion(const Workspace& workspace, const std::string& name, const std::string& param) const;
  Api<ServedModel> FindModel(const std::string& name) { return api.FindNamed(name); }
  // The served base with a version's adapters of its own: for work beside the server's, which may outlive the request.
  Result<OpenedModel> OpenBeside(const Runtime& rt, const Workspace& workspace, const Version& version) const;

  // Runs on the engine's thread, between two steps, with the adapters of `model`.
  void RunExclusive(const ServedModel& model, const std::function<void(const Engine&)>& work);

  DatasetOptions DataOptions(const JinjaClock& now) const;
  // Gives it an id. The last few are kept.
  void Keep(const std::shared_ptr<DroppedData>& data);
  std::shared_ptr<const DroppedData> Data(const std::string& id) const;  // null: not known

  JobRunner jobs;  // last: what runs is stopped before anything else goes

 private:
  mutable std::mutex mutex_;
  int64_t drops_ = 0;
  std::list<std::shared_ptr<const DroppedData>> dropped_;  // newest first
};

// A whole number of the query. Errors: 400 that names it.
Api<int64_t> QueryInteger(const HttpRequest& request, const std::string& name, int64_t fallback, int64_t least,
                          int64_t most);
// Of a model's file, or of the weights in its folder.
uint64_t ModelFileBytes(const std::string& path);
std::string QueryText(const HttpRequest& request, const std::string& name);

template <typename T>
Api<T> OrError(Result<T> result, const std::string& param = "") {
  if (!result) return tl::unexpected(FromError(result.error(), param));
  return *std::move(result);
}

// The routes, a function a file.
void AddStateRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddVersionRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddCompareRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddFixRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddDataRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddJobRoutes(Router& router, const std::shared_ptr<PageContext>& context);
void AddProbeRoutes(Router& router, const std::shared_ptr<PageContext>& context);       // next, tokens, anatomy
void AddUnderstandRoutes(Router& router, const std::shared_ptr<PageContext>& context);  // lens, why-word, watch, …

}  // namespace hew
