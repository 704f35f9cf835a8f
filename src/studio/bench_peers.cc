#include "studio/bench_peers.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "studio/child.h"

namespace hew {
namespace {

constexpr const char* kPeftScript = "tools/peers/peft_step.py";

// What the peer prints: one JSON document; anything else is the peer's fault, shown by its last line.
Result<Json> AskPeer(const PeerSpec& peer, const std::vector<std::string>& arguments, const std::atomic<bool>* cancel,
                     uint64_t* peak_rss_bytes) {
  HEW_ASSIGN(const ChildOutput output, RunChild(arguments, cancel));
  if (output.status != 0) {
    std::string line = output.err.substr(0, output.err.find_last_not_of('\n') + 1);
    line = line.substr(line.rfind('\n') + 1);
    return EnvironmentError("{} ({}): status {}: {}", peer.name, peer.program, output.status, Shown(line, 200));
  }
  *peak_rss_bytes = std::max(*peak_rss_bytes, output.peak_rss_bytes);
  return ParseJson(output.out, peer.name);
}

Result<double> NumberOf(const PeerSpec& peer, const Json& json, const char* key) {
  const auto it = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || it == json.end() || !it->is_number()) {
    return EnvironmentError("{} ({}): {}: expected a number, found none", peer.name, peer.program, key);
  }
  return it->get<double>();
}

// llama-bench measures several things in one run; a pair takes one of them, so that both sides are near in time.
Result<double> RunLlama(const Runtime& rt, const std::string& model, const PeerSpec& peer, int64_t prompt,
                        int64_t generated, const std::atomic<bool>* cancel, uint64_t* peak_rss_bytes) {
  HEW_ASSIGN(const Json json,
             AskPeer(peer,
                     {peer.program, "-m", model, "-p", std::to_string(prompt), "-n", std::to_string(generated), "-t",
                      std::to_string(rt.pool->threads()), "-r", "1", "-ngl", "0", "-o", "json"},
                     cancel, peak_rss_bytes));
  if (!json.is_array() || json.size() != 1)
    return EnvironmentError("{} ({}): expected one result, found {}", peer.name, peer.program, json.size());
  return NumberOf(peer, json[0], "avg_ts");
}

// The script lies in the source tree; from there, or from where the program was built, it is found.
Result<std::string> FindScript() {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  for (auto folder = self.parent_path(); !folder.empty(); folder = folder.parent_path()) {
    const auto path = folder / kPeftScript;
    if (std::filesystem::exists(path, ignored)) return path.string();
    if (folder == folder.root_path()) break;
  }
  if (std::filesystem::exists(kPeftScript, ignored)) return std::string(kPeftScript);
  return BadInput("--compare peft: expected {} in this folder or above the program, found none", kPeftScript);
}

class Comparer {
 public:
  Comparer(int pairs, std::vector<Comparison>* out) : pairs_(pairs), out_(*out) {}

  Status Compare(Comparison comparison, const std::function<Result<double>()>& ours,
                 const std::function<Result<double>()>& theirs) {
    for (int i = 0; i < pairs_; ++i) {
      HEW_ASSIGN(const double a, ours());
      HEW_ASSIGN(const double b, theirs());
      if (!(a > 0 && b > 0))
        return EnvironmentError("{}: expected figures above 0, found {} and {}", comparison.name, a, b);
      comparison.pairs.emplace_back(a, b);
    }
    out_.push_back(std::move(comparison));
    return {};
  }

 private:
  int pairs_;
  std::vector<Comparison>& out_;
};

}  // namespace

Result<PeerSpec> ParsePeer(const std::string& spec) {
  const size_t at = spec.find('=');
  PeerSpec peer{spec.substr(0, at), at == std::string::npos ? "" : spec.substr(at + 1)};
  if ((peer.name != "llama.cpp" && peer.name != "peft") || peer.program.empty()) {
    return BadInput("--compare: expected llama.cpp=LLAMA_BENCH or peft=PYTHON, found '{}'", Shown(spec));
  }
  std::error_code ignored;
  if (peer.name == "llama.cpp" && std::filesystem::is_directory(peer.program, ignored)) peer.program += "/llama-bench";
  return peer;
}

double Median(const std::vector<double>& sorted) {
  const size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

std::vector<double> Comparison::Ratios() const {
  std::vector<double> ratios;
  for (const auto& [ours, theirs] : pairs) ratios.push_back(lower_is_better ? theirs / ours : ours / theirs);
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

Result<std::vector<Comparison>> ComparePeer(const Runtime& rt, const std::string& path, const PeerSpec& peer, int pairs,
                                            const BenchSettings& settings, const std::atomic<bool>* cancel) {
  ResetPeak();
  HEW_ASSIGN(ModelBench bench, ModelBench::Open(rt, path, settings));
  std::vector<Comparison> out;
  Comparer comparer(pairs, &out);
  uint64_t memory = 0;
  if (peer.name == "llama.cpp") {
    HEW_RETURN_IF_ERROR(comparer.Compare(
        {fmt::format("prompt {}", settings.prompt_tokens), "tok/s", {}, false},
        [&] { return bench.PromptTokensPerSecond(); },
        [&] { return RunLlama(rt, path, peer, settings.prompt_tokens, 0, cancel, &memory); }));
    HEW_RETURN_IF_ERROR(comparer.Compare(
        {fmt::format("generate {}", settings.generated_tokens), "tok/s", {}, false},
        [&] { return bench.GeneratedTokensPerSecond(); },
        [&] { return RunLlama(rt, path, peer, 0, settings.generated_tokens, cancel, &memory); }));
  } else {
    HEW_ASSIGN(const std::string script, FindScript());
    const std::vector<std::string> command = {peer.program, script,
                                              "--model",    path,
                                              "--rows",     std::to_string(settings.train_rows),
                                              "--length",   std::to_string(kBenchRowLength),
                                              "--rank",     std::to_string(kBenchRank),
                                              "--threads",  std::to_string(rt.pool->threads())};
    HEW_RETURN_IF_ERROR(bench.LoraRowsPerSecond().map([](double) {}));  // its buffers are made
    HEW_RETURN_IF_ERROR(comparer.Compare(
        {fmt::format("lora step, {} rows", settings.train_rows), "tok/s", {}, false},
        [&] { return bench.LoraRowsPerSecond(); },
        [&]() -> Result<double> {
          HEW_ASSIGN(const Json json, AskPeer(peer, command, cancel, &memory));
          return NumberOf(peer, json, "rows_per_s");
        }));
  }
  out.push_back(
      {"memory", "MB", {{static_cast<double>(PeakRssBytes()) / 1e6, static_cast<double>(memory) / 1e6}}, true});
  return out;
}

}  // namespace hew
