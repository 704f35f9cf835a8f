#include "train/sweep.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"

namespace hew {
namespace {

namespace fs = std::filesystem;
constexpr double kNone = std::numeric_limits<double>::infinity();  // a loss that is not to be had
constexpr const char* kWaiting = "waiting";
constexpr const char* kStopped = "stopped";  // at a rung
constexpr const char* kFailed = "failed";    // its loss was no longer a number
constexpr const char* kFinished = "finished";

std::string ValuesText(const Json& values) {
  std::string text;
  for (const auto& [name, value] : values.items()) {
    text += (text.empty() ? "" : ", ") + name + " " + (value.is_string() ? value.get<std::string>() : DumpJson(value));
  }
  return text;
}

double NumberIn(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0;
}

class SweepRun {
 public:
  SweepRun(const Runtime& rt, const TuneRequest& request, const Sweep& sweep)
      : rt_(rt), request_(request), sweep_(sweep) {}

  Result<SweepReport> Run() {
    const std::string& out = request_.settings.out;
    HEW_RETURN_IF_ERROR(Begin());
    HEW_ASSIGN(inputs_, ReadTuneInputs(rt_, request_));
    json_["base"] = inputs_.base_digest, json_["data"] = inputs_.train_digest, json_["eval_data"] = inputs_.eval_digest;
    if (request_.resume) HEW_RETURN_IF_ERROR(TakeUp());
    std::vector<size_t> running(sweep_.candidates.size());
    for (size_t i = 0; i < running.size(); ++i) running[i] = i;
    for (int64_t rung = 0; rung < sweep_.rungs && running.size() > 1; ++rung) {
      for (const size_t i : running) HEW_RETURN_IF_ERROR(ToRung(i, rung));
      HEW_RETURN_IF_ERROR(KeepBetterHalf(rung, &running));
    }
    for (const size_t i : running) HEW_RETURN_IF_ERROR(ToEnd(i));
    size_t best = running[0];
    for (const size_t i : running) {
      if (FinalLoss(i) < FinalLoss(best)) best = i;
    }
    if (FinalLoss(best) == kNone)
      return BadInput("{}: expected a candidate whose loss stays a number, found none", out);
    return Crown(best);
  }

 private:
  Json& Of(size_t i) { return json_["candidates"][i]; }
  std::string FolderOf(size_t i) const { return fmt::format("{}/candidates/{:02}", request_.settings.out, i + 1); }
  double FinalLoss(size_t i) {
    return Of(i)["state"] == kFinished && Of(i)["eval_loss"].is_number() ? Of(i)["eval_loss"].get<double>() : kNone;
  }
  Status Write() const { return WriteFileAtomically(request_.settings.out + "/" + kSweepFile, DumpJson(json_, 2) + "\n"); }

  Status Begin() {
    const std::string& out = request_.settings.out;
    if (request_.settings.eval_data.empty())
      return BadInput("eval_data: expected rows to compare candidates by, found none");
    HEW_RETURN_IF_ERROR(BeginFolder(out, request_.resume));
    std::error_code error;
    if (!request_.resume && fs::exists(out + "/" + kSweepFile, error)) {
      return BadInput("{}: expected a new folder or --resume, found a sweep ({})", out, kSweepFile);
    }
    json_ = {{"format", "hew-sweep-1"},
             {"winner", nullptr},
             {"rungs", sweep_.rungs},
             {"seconds", 0.0},
             {"candidates", Json::array()}};
    for (const SweepCandidate& candidate : sweep_.candidates) {
      json_["candidates"].push_back({{"values", candidate.values},
                                     {"state", kWaiting},
                                     {"step", 0},
                                     {"steps", nullptr},
                                     {"rung_losses", Json::array()},
                                     {"train_loss", nullptr},
                                     {"eval_loss", nullptr},
                                     {"seconds", 0.0}});
    }
    return {};
  }

  // What an earlier run of the same sweep left.
  Status TakeUp() {
    const std::string path = request_.settings.out + "/" + kSweepFile;
    std::error_code error;
    if (!fs::exists(path, error)) return {};
    HEW_ASSIGN(const std::string text, ReadFile(path, 16 << 20));
    HEW_ASSIGN(const Json earlier, ParseJson(text, path));
    const auto same = [&](const char* key) {
      return earlier.is_object() && earlier.contains(key) && earlier[key] == json_[key];
    };
    bool fits = same("format") && same("rungs") && same("base") && same("data") && same("eval_data") &&
                earlier.contains("candidates") && earlier["candidates"].is_array() &&
                earlier["candidates"].size() == sweep_.candidates.size();
    for (size_t i = 0; fits && i < sweep_.candidates.size(); ++i) {
      const Json& candidate = earlier["candidates"][i];
      fits = candidate.is_object() && candidate.value("values", Json()) == Of(i)["values"] &&
             candidate.contains("rung_losses") && candidate["rung_losses"].is_array() && candidate.contains("state") &&
             candidate["state"].is_string() && candidate.contains("eval_loss") && candidate.contains("step") &&
             candidate.contains("steps") && candidate.contains("seconds") && candidate["seconds"].is_number();
    }
    if (!fits)
      return BadInput("{}: expected the sweep that is resumed, over the same model and data, found another", path);
    json_["candidates"] = earlier["candidates"];
    earlier_seconds_ = NumberIn(earlier, "seconds");
    return {};
  }

  Result<TuneRun> Open(size_t i) {
    TuneRequest request = request_;
    request.settings = sweep_.candidates[i].settings;
    request.settings.out = FolderOf(i);
    std::error_code error;
    request.resume = fs::exists(FolderOf(i) + "/" + kCheckpointFile, error);
    request.Say(fmt::format("candidate {} of {}: {}", i + 1, sweep_.candidates.size(),
                            ValuesText(sweep_.candidates[i].values)));
    auto run = TuneRun::Begin(rt_, std::move(request), inputs_, !shown_);
    shown_ = true;
    return run;
  }

  // Counts the time of what `work` does, and takes a candidate whose loss is lost as one that failed.
  Status Timed(size_t i, const std::function<Status()>& work) {
    const auto start = std::chrono::steady_clock::now();
    Status done = work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Of(i)["seconds"] = Of(i)["seconds"].get<double>() + seconds;
    json_["seconds"] =
        earlier_seconds_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - request_.start).count();
    if (!done && done.error().code == ErrorCode::kBadInput && done.error().message.starts_with("lr:")) {
      Of(i)["state"] = kFailed;
      Of(i)["why"] = done.error().message;
      done = {};
    }
    if (!done && done.error().code == ErrorCode::kCancelled) {
      HEW_RETURN_IF_ERROR(Write());
      const auto finished = std::count_if(json_["candidates"].begin(), json_["candidates"].end(),
                                          [](const Json& c) { return c["state"] == kFinished; });
      return tl::unexpected(Error{
          ErrorCode::kCancelled, fmt::format("stopped at candidate {} of {} ({} finished); what is done is kept in {}: "
                                             "the same command with --resume goes on",
                                             i + 1, sweep_.candidates.size(), finished, request_.settings.out)});
    }
    if (!done) return done;
    return Write();
  }

  Status ToRung(size_t i, int64_t rung) {
    const auto at = static_cast<size_t>(rung);
    if (Of(i)["rung_losses"].size() > at || Of(i)["state"] == kFailed) return {};
    return Timed(i, [&]() -> Status {
      HEW_ASSIGN(TuneRun run, Open(i));
      const int64_t total = run.trainer().total_steps(), step = std::max<int64_t>(1, total >> (sweep_.rungs - rung));
      HEW_RETURN_IF_ERROR(run.trainer().RunTo(step));
      const std::optional<double> loss = run.trainer().EvalLoss();
      if (!loss) return tl::unexpected(Error{ErrorCode::kCancelled, ""});
      Of(i)["step"] = run.trainer().state().optimizer.step, Of(i)["steps"] = total;
      Of(i)["rung_losses"].push_back(std::isfinite(*loss) ? Json(*loss) : Json());
      return {};
    });
  }

  Status KeepBetterHalf(int64_t rung, std::vector<size_t>* running) {
    const auto loss = [&](size_t i) {
      const Json& losses = Of(i)["rung_losses"];
      const auto at = static_cast<size_t>(rung);
      return Of(i)["state"] != kFailed && losses.size() > at && losses[at].is_number() ? losses[at].get<double>()
                                                                                       : kNone;
    };
    std::stable_sort(running->begin(), running->end(), [&](size_t a, size_t b) { return loss(a) < loss(b); });
    const size_t kept = (running->size() + 1) / 2;
    for (size_t k = kept; k < running->size(); ++k) {
      const size_t i = (*running)[k];
      if (Of(i)["state"] != kFailed) Of(i)["state"] = kStopped;
      std::error_code error;
      fs::remove(FolderOf(i) + "/" + kCheckpointFile, error);
      request_.Say(
          fmt::format("candidate {} stops at step {}: evaluation loss {:.4f}", i + 1, Of(i)["step"].dump(), loss(i)));
    }
    running->resize(kept);
    std::sort(running->begin(), running->end());
    return Write();
  }

  Status ToEnd(size_t i) {
    if (Of(i)["state"] == kFinished || Of(i)["state"] == kFailed) return {};
    return Timed(i, [&]() -> Status {
      HEW_ASSIGN(TuneRun run, Open(i));
      HEW_ASSIGN(const TuneReport report, run.Finish());
      Json& candidate = Of(i);
      candidate["state"] = kFinished;
      candidate["step"] = report.steps, candidate["steps"] = run.trainer().total_steps();
      candidate["train_loss"] = report.train_loss;
      candidate["eval_loss"] = report.eval_loss ? Json(*report.eval_loss) : Json();
      candidate["best_step"] = report.best_step;
      return {};
    });
  }

  // The best candidate's files become the sweep's.
  Result<SweepReport> Crown(size_t best) {
    const std::string from = FolderOf(best), &to = request_.settings.out;
    json_["winner"] = best + 1;
    json_["seconds"] =
        earlier_seconds_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - request_.start).count();
    SweepReport report;
    report.settings = sweep_.candidates[best].settings;
    for (const char* name : {"adapter_config.json", "adapter_model.safetensors", kMetricsFile}) {
      HEW_ASSIGN(const std::string bytes, ReadFile(from + "/" + name));
      HEW_RETURN_IF_ERROR(WriteFileAtomically(to + "/" + name, bytes));
    }
    HEW_ASSIGN(const std::string text, ReadFile(from + "/" + kRunFile, 16 << 20));
    HEW_ASSIGN(Json run, ParseJson(text, from + "/" + kRunFile));
    if (!run.is_object() || !run.contains("report") || !run["report"].is_object()) {
      return BadInput("{}/{}: report: expected what came of the run, found nothing", from, kRunFile);
    }
    run["settings"] = SettingsToJson(report.settings);
    run["report"]["adapter"] = to, run["report"]["seconds"] = json_["seconds"];
    run["sweep"] = json_;
    HEW_RETURN_IF_ERROR(
        WriteFileAtomically(to + "/" + kRunFile, DumpJson(run, 2) + "\n"));
    const std::string head = fmt::format("# The best of {} candidates of a sweep: {}\n", sweep_.candidates.size(),
                                         ValuesText(sweep_.candidates[best].values));
    HEW_RETURN_IF_ERROR(WriteFileAtomically(to + "/" + kRecipeFile, head + WriteRecipe(report.settings)));
    HEW_RETURN_IF_ERROR(Write());
    report.best = ReportOf(run["report"]);
    report.best.folder = to;
    report.json = json_;
    return report;
  }

  // What hew_run.json says of a finished run; it may be of an earlier process.
  TuneReport ReportOf(const Json& run) const {
    TuneReport report;
    const auto whole = [&](const char* key) { return static_cast<int64_t>(NumberIn(run, key)); };
    report.steps = whole("steps"), report.best_step = whole("best_step");
    report.train_loss = NumberIn(run, "train_loss");
    if (run.contains("eval_loss") && run["eval_loss"].is_number()) report.eval_loss = run["eval_loss"].get<double>();
    report.stopped_early = run.contains("stopped_early") && run["stopped_early"] == true;
    report.useful_tokens = whole("useful_tokens"), report.learned_tokens = whole("learned_tokens");
    report.train_seconds = NumberIn(run, "train_seconds"), report.eval_seconds = NumberIn(run, "eval_seconds");
    report.tokens_per_s = NumberIn(run, "tokens_per_s"), report.seconds = json_["seconds"].get<double>();
    report.peak_rss_bytes = static_cast<uint64_t>(whole("peak_rss_bytes"));
    report.planned_bytes = static_cast<uint64_t>(whole("planned_bytes"));
    report.trainable_parameters = whole("trainable_parameters");
    report.data = inputs_.train.counts;
    report.eval_rows = inputs_.eval.rows(), report.eval_rows_in_training = inputs_.overlap.rows;
    return report;
  }

  const Runtime& rt_;
  const TuneRequest& request_;
  const Sweep& sweep_;
  TuneInputs inputs_;
  Json json_;
  double earlier_seconds_ = 0;
  bool shown_ = false;  // the example
};

}  // namespace

Result<SweepReport> RunSweep(const Runtime& rt, const TuneRequest& request, const Sweep& sweep) {
  return SweepRun(rt, request, sweep).Run();
}

std::string SweepTable(const nlohmann::ordered_json& sweep) {
  std::vector<size_t> order(sweep["candidates"].size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  // Those that came furthest first, and by what they came to.
  const auto rank = [&](size_t i) {
    const auto& c = sweep["candidates"][i];
    const auto& losses = c["rung_losses"];
    const auto& last = c["eval_loss"].is_number() ? c["eval_loss"] : losses.empty() ? c["eval_loss"] : losses.back();
    return std::tuple(c["state"] == kFailed, c["state"] != kFinished, -static_cast<int64_t>(losses.size()),
                      last.is_number() ? last.get<double>() : kNone);
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  std::string text =
      fmt::format("{:>3}  {:<9} {:>11}  {:>9}  {:>8}  {}\n", "", "", "step", "eval loss", "seconds", "settings");
  for (const size_t i : order) {
    const auto& c = sweep["candidates"][i];
    const double loss = std::get<3>(rank(i));
    text += fmt::format("{:>3}{} {:<9} {:>11}  {:>9}  {:>8.1f}  {}\n", i + 1, sweep["winner"] == i + 1 ? "*" : " ",
                        c["state"].get<std::string>(),
                        c["steps"].is_null() ? "-" : fmt::format("{}/{}", c["step"].dump(), c["steps"].dump()),
                        loss == kNone ? "-" : fmt::format("{:.4f}", loss), c["seconds"].get<double>(),
                        ValuesText(c["values"]));
  }
  return text;
}

}  // namespace hew
