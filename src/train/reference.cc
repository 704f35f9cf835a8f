#include "train/reference.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"

namespace hew {
namespace {

std::string FileOf(const ReferenceRequest& request) { return request.folder + "/" + kReferenceFile; }

// What the log p depend on. The identity names data, base, instruction set and precision; the adapter may have changed.
std::string DigestOf(const ReferenceRequest& request) {
  const auto& parameters = request.adapter.parameters;
  Sha256 digest;
  digest.Update(DumpJson(request.identity));
  digest.Update({reinterpret_cast<const char*>(parameters.data()), parameters.size() * sizeof(float)});
  return digest.HexDigest();
}

size_t ExamplesOf(const StepBatches& data) {
  int64_t last = -1;
  for (const PackedBatch& batch : data.batches) {
    for (const int64_t example : batch.examples) last = std::max(last, example);
  }
  return static_cast<size_t>(last + 1);
}

bool ReadList(const Json& json, const char* field, size_t count, std::vector<double>* out) {
  const auto found = json.find(field);
  if (found == json.end() || !found->is_array() || found->size() != count) return false;
  for (const Json& value : *found) {
    if (!value.is_number()) return false;
    out->push_back(value.get<double>());
  }
  return true;
}

// False if what is kept there is not of this run.
bool Read(const ReferenceRequest& request, size_t train, size_t eval, PairLosses* losses) {
  std::error_code error;
  if (!std::filesystem::exists(FileOf(request), error)) return false;
  const auto text = ReadFile(FileOf(request), uint64_t{1} << 30);
  if (!text) return false;
  const auto json = ParseJson(*text, kReferenceFile);
  if (!json || !json->is_object() || !json->contains("sha256") || (*json)["sha256"] != DigestOf(request)) return false;
  std::vector<double> of_train, of_eval;
  if (!ReadList(*json, "log_probs", train, &of_train) || !ReadList(*json, "eval_log_probs", eval, &of_eval))
    return false;
  losses->train.SetReference(std::move(of_train));
  losses->eval.SetReference(std::move(of_eval));
  return true;
}

}  // namespace

Status FindReference(const Runtime& rt, const ReferenceRequest& request, const StepBatches& train,
                     const StepBatches& eval, PairLosses* losses) {
  const size_t train_count = ExamplesOf(train), eval_count = ExamplesOf(eval);
  if (request.resume && Read(request, train_count, eval_count, losses)) return {};
  TrainingWorkspace workspace;
  workspace.techniques = request.techniques;
  Progress progress("reference", static_cast<int64_t>(train.batches.size() + eval.batches.size()), request.hooks.quiet);
  int64_t done = 0;
  bool cancelled = false;
  std::vector<float> token_losses;
  const auto log_probs = [&](const StepBatches& data, size_t count) {
    std::vector<double> sums(count);
    for (const PackedBatch& batch : data.batches) {
      cancelled = cancelled || (request.hooks.cancel && request.hooks.cancel->load(std::memory_order_relaxed));
      if (cancelled) break;
      Loss(rt, request.model, &request.adapter, batch, &token_losses, &workspace);
      AddLogProbs(batch, token_losses, sums);
      progress.Update(++done);
    }
    return sums;
  };
  std::vector<double> of_train = log_probs(train, train_count), of_eval = log_probs(eval, eval_count);
  if (cancelled) {
    return tl::unexpected(Error{ErrorCode::kCancelled, "stopped before the first step: the same command begins again"});
  }
  const Json json = {{"sha256", DigestOf(request)}, {"log_probs", of_train}, {"eval_log_probs", of_eval}};
  losses->train.SetReference(std::move(of_train));
  losses->eval.SetReference(std::move(of_eval));
  return WriteFileAtomically(FileOf(request), DumpJson(json) + "\n");
}

}  // namespace hew
