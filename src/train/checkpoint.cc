#include "train/checkpoint.h"

#include <cstring>

#include "base/digest.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace hew {
namespace {

constexpr const char* kFormat = "hew-checkpoint-1";

std::string_view BytesOf(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string DigestOf(std::string_view state, const std::vector<std::string_view>& tensors) {
  Sha256 digest;
  digest.Update(state);
  for (const auto bytes : tensors) digest.Update(bytes);
  return digest.HexDigest();
}

template <typename T>
Json Optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// The plain fields in one list, so that what is written is what is read.
template <typename State, typename Visit>
void VisitFields(State& s, const Visit& visit) {
  visit("epoch", s.epoch);
  visit("cursor", s.cursor);
  visit("step", s.optimizer.step);
  visit("best_step", s.best_step);
  visit("evals_without_progress", s.evals_without_progress);
  visit("eval_pending", s.eval_pending);
  visit("epoch_loss", s.epoch_loss);
  visit("epoch_weight", s.epoch_weight);
  visit("useful_tokens", s.useful_tokens);
  visit("learned_tokens", s.learned_tokens);
  visit("train_seconds", s.train_seconds);
  visit("eval_seconds", s.eval_seconds);
  visit("metrics_bytes", s.metrics_bytes);
  visit("epoch_pairs", s.epoch_pairs.pairs);
  visit("epoch_pairs_right", s.epoch_pairs.right);
  visit("epoch_chosen", s.epoch_pairs.chosen);
  visit("epoch_rejected", s.epoch_pairs.rejected);
  visit("best_eval_pairs", s.best_eval_pairs.pairs);
  visit("best_eval_pairs_right", s.best_eval_pairs.right);
  visit("best_eval_chosen", s.best_eval_pairs.chosen);
  visit("best_eval_rejected", s.best_eval_pairs.rejected);
}

template <typename State, typename Visit>
void VisitOptionals(State& s, const Visit& visit) {
  visit("best_eval", s.best_eval);
  visit("last_eval", s.last_eval);
}

Status CheckIdentity(const std::string& path, const Json& saved, const RunIdentity& now) {
  for (const auto& [key, value] : now.items()) {
    const auto found = saved.find(key);
    if (found == saved.end()) return BadInput("{}: {}: expected a value of the run, found none", path, key);
    if (*found != value)
      return BadInput("{}: {}: expected {} (as the run began), found {}", path, key, Shown(DumpJson(*found)), Shown(DumpJson(value)));
  }
  return {};
}

Status ReadFields(const std::string& path, const Json& json, TrainState* state) {
  std::string wrong;
  VisitFields(*state, [&](const char* name, auto& field) {
    const auto found = json.find(name);
    using Field = std::decay_t<decltype(field)>;
    const bool fits =
        found != json.end() && (std::is_same_v<Field, double> ? found->is_number() : found->is_number_integer());
    if (!fits)
      wrong = name;
    else
      field = found->template get<Field>();
  });
  VisitOptionals(*state, [&](const char* name, std::optional<double>& field) {
    const auto found = json.find(name);
    if (found == json.end() || !(found->is_null() || found->is_number()))
      wrong = name;
    else if (found->is_number())
      field = found->get<double>();
  });
  if (!wrong.empty()) return BadInput("{}: {}: expected a number, found none", path, wrong);
  if (state->epoch < 0 || state->cursor < 0 || state->optimizer.step < 0) {
    return BadInput("{}: step: expected counts of at least 0, found a negative one", path);
  }
  return {};
}

Result<std::vector<float>> ReadFloats(const SafetensorsFile& file, const char* name, size_t count, bool may_be_absent) {
  const TensorEntry* entry = file.Find(name);
  if (!entry && may_be_absent) return std::vector<float>();
  if (!entry) return BadInput("{}: tensor {}: expected it, found none", file.path(), name);
  if (entry->dtype != DType::kF32 || entry->shape != Shape{static_cast<int64_t>(count)}) {
    return BadInput("{}: tensor {}: expected F32 [{}], found {} {}", file.path(), name, count, NameOf(entry->dtype),
                    ToString(entry->shape));
  }
  std::vector<float> values(count);
  std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
  return values;
}

}  // namespace

Status SaveCheckpoint(const std::string& path, const RunIdentity& identity, const TrainState& state) {
  Json json;
  VisitFields(state, [&](const char* name, const auto& field) { json[name] = field; });
  VisitOptionals(state, [&](const char* name, const auto& field) { json[name] = Optional(field); });
  json["identity"] = identity;
  const std::string text = DumpJson(json);
  std::vector<SafetensorsSource> tensors;
  std::vector<std::string_view> bytes;
  const auto add = [&](const char* name, const std::vector<float>& values) {
    bytes.push_back(BytesOf(values));
    tensors.push_back({name, DType::kF32, {static_cast<int64_t>(values.size())}, [&values](const auto& write) {
                         return write(BytesOf(values));
                       }});
  };
  add("parameters", state.parameters);
  add("first_moment", state.optimizer.first_moment);
  add("second_moment", state.optimizer.second_moment);
  if (!state.best_parameters.empty()) add("best_parameters", state.best_parameters);
  return WriteSafetensors(path, {{"format", kFormat}, {"state", text}, {"sha256", DigestOf(text, bytes)}}, tensors);
}

Result<TrainState> LoadCheckpoint(const std::string& path, const RunIdentity& identity, size_t parameters) {
  HEW_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const auto& metadata = file.metadata();
  const auto text_of = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (text_of("format") != kFormat) {
    return BadInput("{}: format: expected {}, found '{}'", path, kFormat, text_of("format").substr(0, 40));
  }
  const std::string text = text_of("state");
  HEW_ASSIGN(const Json json, ParseJson(text, path + ": state"));
  if (!json.is_object() || !json.contains("identity") || !json["identity"].is_object()) {
    return BadInput("{}: state: expected an object with the run's identity, found none", path);
  }
  HEW_RETURN_IF_ERROR(CheckIdentity(path, json["identity"], identity));
  TrainState state;
  HEW_RETURN_IF_ERROR(ReadFields(path, json, &state));
  HEW_ASSIGN(state.parameters, ReadFloats(file, "parameters", parameters, false));
  HEW_ASSIGN(state.optimizer.first_moment, ReadFloats(file, "first_moment", parameters, false));
  HEW_ASSIGN(state.optimizer.second_moment, ReadFloats(file, "second_moment", parameters, false));
  HEW_ASSIGN(state.best_parameters, ReadFloats(file, "best_parameters", parameters, true));
  std::vector<std::string_view> bytes = {BytesOf(state.parameters), BytesOf(state.optimizer.first_moment),
                                         BytesOf(state.optimizer.second_moment)};
  if (!state.best_parameters.empty()) bytes.push_back(BytesOf(state.best_parameters));
  if (DigestOf(text, bytes) != text_of("sha256")) {
    return BadInput("{}: sha256: expected the digest of its contents, found another (the file is damaged)", path);
  }
  return state;
}

}  // namespace hew
