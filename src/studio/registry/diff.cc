#include "studio/registry/diff.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "formats/safetensors.h"
#include "studio/registry/record.h"
#include "train/data_file.h"

namespace hew {
namespace {

constexpr size_t kRowTextBytes = 300;
constexpr size_t kLargestMatrices = 5;

struct Place {
  const DataInput* input = nullptr;
  int64_t line = 0;
};

// Every row of a version with how often it stands there; the first place of each.
struct RowCount {
  int64_t count = 0;
  Place place;
};
Result<std::map<std::string, RowCount>> CountRows(const Workspace& workspace, const Version& version) {
  std::map<std::string, RowCount> rows;
  for (const auto& input : version.data) {
    if (input.role != "data") continue;
    HEW_ASSIGN(const std::string manifest, workspace.objects().Get(input.manifest));
    for (const auto& row : ParseManifest(manifest)) {
      RowCount& counted = rows[row.digest];
      if (counted.count++ == 0) counted.place = {&input, row.line};
    }
  }
  return rows;
}

std::string Shorten(std::string text) {
  if (text.size() <= kRowTextBytes) return text;
  size_t end = kRowTextBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
  return text.substr(0, end) + "…";
}

std::string TextOf(const DataRow& row) { return row.plain ? row.text : DumpJson(row.object); }

// The texts of some rows, read from the stored files.
Status FillTexts(const Workspace& workspace, const std::vector<std::pair<DiffRow*, Place>>& wanted) {
  std::map<const DataInput*, std::map<int64_t, DiffRow*>> by_file;
  for (const auto& [row, place] : wanted) by_file[place.input][place.line] = row;
  for (const auto& [input, lines] : by_file) {
    HEW_ASSIGN(const std::string bytes, workspace.objects().Get(input->digest));
    HEW_RETURN_IF_ERROR(ReadStoredRows(bytes, input->path, [&](DataRow&& row) -> Status {
      if (const auto at = lines.find(row.line); at != lines.end()) at->second->text = Shorten(TextOf(row));
      return {};
    }));
  }
  return {};
}

using Matrix2 = std::vector<float>;
struct Factors {
  int64_t rank = 0, in = 0, out = 0;
  const float *a = nullptr, *b = nullptr;  // [rank, in], [out, rank]
  double scale = 1;
};

// Sum over all entries of (sBA)_1 * (sBA)_2: trace of (B1'B2)(A2 A1'), without making either product.
double Inner(const Factors& x, const Factors& y) {
  std::vector<float> b(static_cast<size_t>(x.rank * y.rank)), a(b.size());
  for (int64_t i = 0; i < x.out; ++i) {
    for (int64_t p = 0; p < x.rank; ++p) {
      const float v = x.b[i * x.rank + p];
      for (int64_t q = 0; q < y.rank; ++q) b[static_cast<size_t>(p * y.rank + q)] += v * y.b[i * y.rank + q];
    }
  }
  for (int64_t p = 0; p < x.rank; ++p) {
    for (int64_t q = 0; q < y.rank; ++q) {
      float sums[16] = {};
      int64_t i = 0;
      for (; i + 16 <= x.in; i += 16) {
        for (int64_t k = 0; k < 16; ++k) sums[k] += x.a[p * x.in + i + k] * y.a[q * y.in + i + k];
      }
      for (; i < x.in; ++i) sums[0] += x.a[p * x.in + i] * y.a[q * y.in + i];
      for (int k = 1; k < 16; ++k) sums[0] += sums[k];
      a[static_cast<size_t>(p * y.rank + q)] = sums[0];
    }
  }
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum * x.scale * y.scale;
}

// A version's adapter: matrices by module name.
struct AdapterMatrices {
  SafetensorsFile file;
  std::map<std::string, Factors> modules;
};
Result<AdapterMatrices> ReadMatrices(const Workspace& workspace, const Version& version) {
  HEW_ASSIGN(const std::string folder, workspace.Checkout(version));
  HEW_ASSIGN(const std::string config_text, ReadFile(folder + "/adapter_config.json"));
  HEW_ASSIGN(const Json config, ParseJson(config_text, folder + "/adapter_config.json"));
  HEW_ASSIGN(SafetensorsFile file, SafetensorsFile::Open(folder + "/adapter_model.safetensors"));
  AdapterMatrices out{std::move(file), {}};
  const double alpha = config.value("lora_alpha", 1.0);
  const bool rslora = config.value("use_rslora", false);
  for (const auto& tensor : out.file.tensors()) {
    for (const char* side : {".lora_A.weight", ".lora_B.weight"}) {
      if (!tensor.name.ends_with(side) || tensor.dtype != DType::kF32 || tensor.shape.size() != 2) continue;
      Factors& f = out.modules[tensor.name.substr(0, tensor.name.size() - std::string_view(side).size())];
      const auto* values = reinterpret_cast<const float*>(tensor.bytes.data());
      if (side[6] == 'A') {
        f.a = values, f.rank = tensor.shape[0], f.in = tensor.shape[1];
        f.scale = alpha / (rslora ? std::sqrt(static_cast<double>(f.rank)) : static_cast<double>(f.rank));
      } else {
        f.b = values, f.out = tensor.shape[0];
      }
    }
  }
  std::erase_if(out.modules, [](const auto& m) { return !m.second.a || !m.second.b; });
  return out;
}

Result<WeightDiff> DiffWeights(const Workspace& workspace, const Version& before, const Version& after) {
  WeightDiff diff;
  if (before.kind == VersionKind::kModel || after.kind == VersionKind::kModel) {
    diff.note = "whole models, not adapters";
    return diff;
  }
  if (before.base != after.base) {
    diff.note = "adapters on different bases";
    return diff;
  }
  AdapterMatrices x, y;  // a base has none: its change to itself is zero
  if (before.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(x, ReadMatrices(workspace, before));
  }
  if (after.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(y, ReadMatrices(workspace, after));
  }
  std::set<std::string> names;
  for (const auto& [name, f] : x.modules) names.insert(name);
  for (const auto& [name, f] : y.modules) names.insert(name);
  double xx_sum = 0, yy_sum = 0, difference_sum = 0;
  for (const auto& name : names) {
    const auto a = x.modules.find(name), b = y.modules.find(name);
    const bool in_x = a != x.modules.end(), in_y = b != y.modules.end();
    const double xx = in_x ? Inner(a->second, a->second) : 0, yy = in_y ? Inner(b->second, b->second) : 0;
    const double xy = in_x && in_y && a->second.in == b->second.in && a->second.out == b->second.out
                          ? Inner(a->second, b->second)
                          : 0;
    const double squared = std::max(0.0, xx + yy - 2 * xy);
    xx_sum += xx, yy_sum += yy, difference_sum += squared;
    const size_t prefix = name.find("layers.");
    diff.largest.push_back({prefix == name.npos ? name : name.substr(prefix), std::sqrt(squared)});
  }
  diff.before_norm = std::sqrt(xx_sum), diff.after_norm = std::sqrt(yy_sum),
  diff.difference_norm = std::sqrt(difference_sum);
  std::stable_sort(diff.largest.begin(), diff.largest.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (diff.largest.size() > kLargestMatrices) diff.largest.resize(kLargestMatrices);
  return diff;
}

std::vector<RecipeChange> DiffRecipes(const Version& before, const Version& after) {
  std::vector<RecipeChange> changes;
  const auto note = [&](const std::string& field, const Json& x, const Json& y) {
    if (x != y) changes.push_back({field, x, y});
  };
  std::vector<std::string> fields;
  for (const Json* recipe : {&before.recipe, &after.recipe}) {
    if (!recipe->is_object()) continue;
    for (const auto& [key, value] : recipe->items()) {
      if (key != "now" && std::find(fields.begin(), fields.end(), key) == fields.end()) fields.push_back(key);
    }
  }
  const auto at = [](const Json& recipe, const std::string& key) {
    return recipe.is_object() && recipe.contains(key) ? recipe[key] : Json();
  };
  for (const auto& field : fields) note(field, at(before.recipe, field), at(after.recipe, field));
  note("base (sha256)", before.base, after.base);
  note("program", before.program, after.program);
  note("isa", before.isa, after.isa);
  note("precision", before.precision, after.precision);
  return changes;
}

const char* NameOf(Turn turn) {
  constexpr const char* kNames[] = {"broken", "fixed", "changed", "same"};
  return kNames[static_cast<int>(turn)];
}

}  // namespace

Result<RowDiff> DiffRows(const Workspace& workspace, const Version& before, const Version& after, size_t shown) {
  HEW_ASSIGN(const auto x, CountRows(workspace, before));
  HEW_ASSIGN(const auto y, CountRows(workspace, after));
  RowDiff diff;
  struct Found {
    DiffRow row;
    Place place;
    bool added;
  };
  std::vector<Found> found;
  const auto where = [](const Place& place) { return fmt::format("{}:{}", place.input->path, place.line); };
  for (const auto& [digest, row] : y) {
    const auto earlier = x.find(digest);
    const int64_t had = earlier == x.end() ? 0 : earlier->second.count;
    diff.same += std::min(had, row.count);
    diff.added_count += std::max<int64_t>(0, row.count - had);
    if (row.count > had) found.push_back({{digest, where(row.place), ""}, row.place, true});
  }
  for (const auto& [digest, row] : x) {
    const auto later = y.find(digest);
    const int64_t has = later == y.end() ? 0 : later->second.count;
    diff.removed_count += std::max<int64_t>(0, row.count - has);
    if (row.count > has) found.push_back({{digest, where(row.place), ""}, row.place, false});
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.place.input->path, a.place.line) < std::tie(b.place.input->path, b.place.line);
  });
  size_t added = 0, removed = 0;
  std::erase_if(found, [&](const Found& f) { return (f.added ? added++ : removed++) >= shown; });
  std::vector<std::pair<DiffRow*, Place>> wanted;
  for (auto& f : found) wanted.push_back({&f.row, f.place});
  HEW_RETURN_IF_ERROR(FillTexts(workspace, wanted));
  for (auto& f : found) (f.added ? diff.added : diff.removed).push_back(std::move(f.row));
  return diff;
}

AnswerDiff CompareAnswers(const std::vector<StoredAnswer>& before, const std::vector<StoredAnswer>& after) {
  AnswerDiff diff;
  std::map<std::pair<std::string, std::string>, const StoredAnswer*> earlier;
  for (const auto& a : before) earlier[{a.suite, a.id}] = &a;
  for (const auto& b : after) {
    const auto at = earlier.find({b.suite, b.id});
    if (at == earlier.end() || at->second->digest != b.digest) {
      diff.only_after += 1;
      continue;
    }
    const StoredAnswer& a = *at->second;
    const Turn turn = a.passed != b.passed   ? (a.passed ? Turn::kBroken : Turn::kFixed)
                      : a.answer != b.answer ? Turn::kChanged
                                             : Turn::kSame;
    int64_t* counts[] = {&diff.broken, &diff.fixed, &diff.changed, &diff.same};
    *counts[static_cast<int>(turn)] += 1;
    diff.passed_before += a.passed;
    diff.passed_after += b.passed;
    diff.both_passed += a.passed && b.passed;
    diff.cases.push_back(
        {b.suite, b.id, turn, b.must_pass, b.passed, b.tags, a.answer, b.answer, b.why, a.score, b.score});
  }
  diff.only_before = static_cast<int64_t>(before.size()) - static_cast<int64_t>(diff.cases.size());
  std::stable_sort(diff.cases.begin(), diff.cases.end(), [](const auto& a, const auto& b) { return a.turn < b.turn; });
  return diff;
}

Result<AnswerDiff> DiffAnswers(const Registry& registry, int64_t before, int64_t after, const std::string& suite) {
  HEW_ASSIGN(const auto x, registry.Answers(before, suite));
  HEW_ASSIGN(const auto y, registry.Answers(after, suite));
  return CompareAnswers(x, y);
}

Result<VersionDiff> DiffVersions(const Workspace& workspace, const Version& before, const Version& after,
                                 size_t shown) {
  VersionDiff diff;
  HEW_ASSIGN(diff.rows, DiffRows(workspace, before, after, shown));
  diff.recipe = DiffRecipes(before, after);
  HEW_ASSIGN(diff.weights, DiffWeights(workspace, before, after));
  HEW_ASSIGN(diff.answers, DiffAnswers(workspace.registry(), before.id, after.id));
  return diff;
}

Result<std::vector<StoredRow>> TrainingRows(const Workspace& workspace, const Version& version) {
  std::vector<StoredRow> rows;
  for (const auto& input : version.data) {
    if (input.role != "data") continue;
    HEW_ASSIGN(const std::string bytes, workspace.objects().Get(input.digest));
    HEW_ASSIGN(const std::string manifest, workspace.objects().Get(input.manifest));
    const auto entries = ParseManifest(manifest);
    size_t n = 0;
    HEW_RETURN_IF_ERROR(ReadStoredRows(bytes, input.path, [&](DataRow&& row) -> Status {
      std::string digest = n < entries.size() ? entries[n].digest : "";
      ++n;
      rows.push_back({std::move(digest), row.where, row.plain ? Json(row.text) : std::move(row.object)});
      return {};
    }));
  }
  return rows;
}

Json ToJson(const VersionDiff& diff) {
  const auto rows = [](const std::vector<DiffRow>& list) {
    Json out = Json::array();
    for (const auto& r : list) out.push_back({{"where", r.where}, {"sha256", r.digest}, {"row", r.text}});
    return out;
  };
  Json json;
  json["rows"] = {{"same", diff.rows.same},
                  {"added", diff.rows.added_count},
                  {"removed", diff.rows.removed_count},
                  {"added_rows", rows(diff.rows.added)},
                  {"removed_rows", rows(diff.rows.removed)}};
  json["recipe"] = Json::array();
  for (const auto& c : diff.recipe)
    json["recipe"].push_back({{"field", c.field}, {"before", c.before}, {"after", c.after}});
  Json largest = Json::array();
  for (const auto& [name, norm] : diff.weights.largest) largest.push_back({{"matrix", name}, {"norm", norm}});
  json["weights"] = {{"note", diff.weights.note},
                     {"before_norm", diff.weights.before_norm},
                     {"after_norm", diff.weights.after_norm},
                     {"difference_norm", diff.weights.difference_norm},
                     {"largest", largest}};
  Json cases = Json::array();
  for (const auto& c : diff.answers.cases) {
    if (c.turn == Turn::kSame) continue;
    Json one = {{"suite", c.suite}, {"id", c.id},         {"turn", NameOf(c.turn)}, {"must_pass", c.must_pass},
                {"tags", c.tags},   {"before", c.before}, {"after", c.after},       {"why", c.why}};
    if (c.before_score) one["before_score"] = *c.before_score;
    if (c.after_score) one["after_score"] = *c.after_score;
    cases.push_back(std::move(one));
  }
  json["answers"] = {{"broken", diff.answers.broken},
                     {"fixed", diff.answers.fixed},
                     {"changed", diff.answers.changed},
                     {"same", diff.answers.same},
                     {"passed_before", diff.answers.passed_before},
                     {"passed_after", diff.answers.passed_after},
                     {"only_before", diff.answers.only_before},
                     {"only_after", diff.answers.only_after},
                     {"cases", cases}};
  return json;
}

}  // namespace hew
