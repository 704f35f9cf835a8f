// Checkpoints of a run, whose digest is put right again after a change: else it would hide all that comes before it.
#include "train/checkpoint.h"

#include <cstring>

#include "base/digest.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "mutate.h"
#include "scratch.h"
#include "target.h"

namespace hew::fuzz {
namespace {

constexpr size_t kParameters = 6;
constexpr const char* kWords[] = {
    "format",        "hew-checkpoint-1", "state", "sha256",        "identity",   "lr",
    "epoch",         "cursor",           "step",  "best_eval",     "parameters", "first_moment",
    "second_moment", "best_parameters",  "F32",   "metrics_bytes", "epoch_loss"};

const RunIdentity& Identity() {
  static const RunIdentity identity = {{"lr", 0.001}, {"seed", 1}};
  return identity;
}

std::vector<std::string> Seeds() {
  TrainState state;
  state.parameters = state.optimizer.first_moment = state.optimizer.second_moment = {1, 2, 3, 4, 5, 6};
  state.best_eval = 1.5;
  std::vector<std::string> seeds;
  for (const bool best : {false, true}) {
    if (best) state.best_parameters = state.parameters;
    HEW_CHECK(SaveCheckpoint(Scratch().Path("seed"), Identity(), state).has_value());
    seeds.push_back(Scratch().Get("seed"));
  }
  return seeds;
}

void Run(std::string_view bytes) {
  const auto state = LoadCheckpoint(Scratch().Put("checkpoint.safetensors", bytes), Identity(), kParameters);
  if (Holds(state)) HEW_CHECK(state->parameters.size() == kParameters && state->epoch >= 0 && state->cursor >= 0);
}

// The file with its state changed, and the digest that this state has.
std::string WithState(std::string_view bytes, Random& random) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) return std::string(bytes);
  std::memcpy(&length, bytes.data(), sizeof length);
  Json header = Json::parse(bytes.substr(sizeof length, length), nullptr, false);
  if (!header.is_object() || !header.contains("__metadata__") || !header["__metadata__"].is_object())
    return std::string(bytes);
  Json& metadata = header["__metadata__"];
  if (!metadata.contains("state") || !metadata["state"].is_string()) return std::string(bytes);
  const std::string data(bytes.substr(std::min<size_t>(bytes.size(), sizeof length + length)));
  const std::string state = MutateJson(metadata["state"].get<std::string>(), kWords, random);
  metadata["state"] = state;
  metadata["sha256"] = Sha256Hex(state + data);
  const std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data;
}

std::string Mutate(std::string_view bytes, Random& random) {
  return random.Below(2) == 0 ? WithState(bytes, random) : MutateSafetensors(bytes, kWords, random);
}

}  // namespace

const FuzzTarget checkpoint_target = {"checkpoint", Seeds, Run, Mutate};

}  // namespace hew::fuzz
