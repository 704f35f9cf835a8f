// Several settings tried on one model and one data set, read once. Weak candidates stop early: at a rung, a share of
// all steps, the worse half of those still running (by the loss of the evaluation rows then) goes no further
// (successive halving; Jamieson and Talwalkar 2016). What a candidate learns is what it would have learned alone: a
// rung measures, and changes nothing.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/tune.h"

namespace hew {

inline constexpr const char* kSweepFile = "sweep.json";
inline constexpr size_t kMostCandidates = 256;

struct SweepCandidate {
  TuneSettings settings;
  nlohmann::ordered_json values;  // of the settings that the sweep varies
};

struct Sweep {
  std::vector<SweepCandidate> candidates;
  int64_t rungs = 0;  // the last at half of the steps, each before it at half of those
};

// TOML: lists of values of settings, every combination a candidate, the last key's values changing fastest. `rungs` may
// be given; else there are two, or one for fewer than four candidates. Seeds, rates, ranks and the like; not what
// decides which data is read. Errors name line, setting, expected and found.
Result<Sweep> ReadSweep(const std::string& path, const TuneSettings& settings);
Result<Sweep> ParseSweep(std::string_view toml, const std::string& name, const TuneSettings& settings);

struct SweepReport {
  TuneReport best;              // of the winner, in settings.out; its seconds are those of all
  TuneSettings settings;        // the winner's
  nlohmann::ordered_json json;  // {"winner", "seconds", "candidates": [{"values", "state", "step", "steps",
                                // "rung_losses", "eval_loss", ...}]}
};

// The winner is left in request.settings.out as Tune() leaves it, the others in candidates/ there, and sweep.json says
// what came of each. With request.resume, what sweep.json says is done is not done again. Errors: as Tune(); no
// eval_data (kBadInput).
Result<SweepReport> RunSweep(const Runtime& rt, const TuneRequest& request, const Sweep& sweep);

// The candidates as lines for people, the best first.
std::string SweepTable(const nlohmann::ordered_json& sweep);

}  // namespace hew
