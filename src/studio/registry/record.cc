#include "studio/registry/record.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/version.h"
#include "studio/open_model.h"
#include "train/data_file.h"
#include "train/snapshots.h"
#include "train/tune.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

// Keys sorted, so that a row written in another order is the same row.
std::string RowDigest(const DataRow& row) {
  return Sha256Hex(row.plain ? row.text : DumpJson(nlohmann::json(row.object)));
}

constexpr const char* kClockFormat = "%Y-%m-%dT%H:%M:%S";

Result<std::vector<VersionFile>> StoreFiles(const Workspace& workspace, const std::string& folder,
                                            const std::vector<std::string>& names) {
  std::vector<VersionFile> files;
  for (const auto& name : names) {
    HEW_ASSIGN(std::string digest, workspace.objects().PutFile(folder + "/" + name));
    files.push_back({name, std::move(digest)});
  }
  return files;
}

// Names of the regular files of a folder, sorted.
std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error)) names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::string> MakeManifest(const std::string& path, int64_t* rows) {
  std::string manifest;
  *rows = 0;
  HEW_RETURN_IF_ERROR(ReadDataFile(path, [&](DataRow&& row) -> Status {
    manifest += fmt::format("{} {}\n", RowDigest(row), row.line);
    ++*rows;
    return {};
  }));
  return manifest;
}

std::vector<RowEntry> ParseManifest(std::string_view manifest) {
  std::vector<RowEntry> rows;
  while (!manifest.empty()) {
    const size_t end = std::min(manifest.find('\n'), manifest.size());
    const std::string_view line = manifest.substr(0, end);
    manifest.remove_prefix(std::min(end + 1, manifest.size()));
    if (line.size() < 66) continue;
    rows.push_back({std::string(line.substr(0, 64)), std::strtoll(std::string(line.substr(65)).c_str(), nullptr, 10)});
  }
  return rows;
}

Status ReadStoredRows(std::string_view bytes, const std::string& path, const std::function<Status(DataRow&&)>& take) {
  if (!bytes.starts_with("\x1f\x8b")) return ReadDataBytes(bytes, path, take);
  HEW_ASSIGN(const std::string inflated, Gunzip(bytes, path));
  return ReadDataBytes(inflated, path, take);
}

Result<DataInput> StoreData(const Workspace& workspace, const std::string& role, const std::string& path) {
  if (path == "-") return BadInput("--data: expected a file, whose rows a workspace can keep, found standard input");
  DataInput input{role, path, "", "", 0};
  HEW_ASSIGN(input.digest, workspace.objects().PutFile(path));
  if (role == "data" || role == "eval_data") {
    HEW_ASSIGN(const std::string manifest, MakeManifest(path, &input.rows));
    HEW_ASSIGN(input.manifest, workspace.objects().Put(manifest));
  }
  return input;
}

Result<std::vector<DataInput>> StoreInputs(const Workspace& workspace, const TuneSettings& settings,
                                           bool from_version) {
  std::vector<DataInput> inputs;
  const auto store = [&](const std::string& role, const std::string& path) -> Status {
    HEW_ASSIGN(DataInput input, StoreData(workspace, role, path));
    inputs.push_back(std::move(input));
    return {};
  };
  for (const auto& path : settings.data) HEW_RETURN_IF_ERROR(store("data", path));
  for (const auto& path : settings.eval_data) HEW_RETURN_IF_ERROR(store("eval_data", path));
  for (const auto& path : settings.keep) HEW_RETURN_IF_ERROR(store("keep", path));
  if (!settings.chat_template.empty()) HEW_RETURN_IF_ERROR(store("template", settings.chat_template));
  if (settings.init_adapter.empty() || from_version) return inputs;
  std::error_code error;
  if (!fs::is_directory(settings.init_adapter, error)) {
    HEW_RETURN_IF_ERROR(store("init_adapter", settings.init_adapter));
    return inputs;
  }
  for (const char* name : {"/adapter_config.json", "/adapter_model.safetensors"}) {
    HEW_RETURN_IF_ERROR(store("init_adapter", settings.init_adapter + name));
  }
  return inputs;
}

Status SetProgram(Version* version, const Runtime& rt) {
  version->program = kHewVersion;
  HEW_ASSIGN(version->program_digest, Sha256OfFile("/proc/self/exe"));
  version->isa = NameOf(rt.isa);
  version->precision = NameOf(rt.precision);
  return {};
}

namespace {

// What training left in `folder`, into the version; the whole of it is given back.
Result<Json> TakeRun(const Runtime& rt, const TuneSettings& settings, const std::string& folder, Version* version) {
  HEW_RETURN_IF_ERROR(SetProgram(version, rt));
  HEW_ASSIGN(const std::string text, ReadFile(folder + "/" + kRunFile));
  HEW_ASSIGN(Json run, ParseJson(text, folder + "/" + kRunFile));
  version->metrics = run.value("report", Json());
  version->recipe = SettingsToJson(settings);
  version->recipe.erase("out");
  // How many rows are worked on at once decides the order of sums, and may follow from the memory of the day.
  if (const auto identity = run.find("identity"); identity != run.end() && identity->contains("micro_tokens"))
    version->recipe["micro_tokens"] = (*identity)["micro_tokens"];
  return run;
}

}  // namespace

Result<int64_t> RecordTune(Workspace& workspace, const Runtime& rt, const TuneRecord& record) {
  Version version;
  version.name = record.name;
  version.made_by = record.made_by;
  version.parent = record.parent;
  HEW_ASSIGN(version.base, workspace.RegisterBase(record.settings.base));
  HEW_ASSIGN(const Json run, TakeRun(rt, record.settings, record.folder, &version));
  if (record.parent) version.recipe.erase("init_adapter");  // the parent's, wherever its files lie
  if (!version.parent) {  // a fresh adapter on the first base comes after v0, which is that base
    HEW_ASSIGN(const Version first, workspace.registry().Get(kBaseVersion));
    if (first.base == version.base) version.parent = kBaseVersion;
  }
  version.recipe["now"] = FormatClock(record.now, kClockFormat);
  if (const auto sweep = run.find("sweep"); sweep != run.end())
    version.recipe["sweep"] = *sweep;  // out of which it was chosen

  version.data = record.inputs;
  HEW_ASSIGN(version.files,
             StoreFiles(workspace, record.folder,
                        {"adapter_config.json", "adapter_model.safetensors", kRunFile, kRecipeFile, kMetricsFile}));
  return workspace.registry().Add(version);
}

Result<int64_t> RecordPretrain(Workspace& workspace, const Runtime& rt, const PretrainRecord& record) {
  Version version;
  version.kind = VersionKind::kModel;
  version.name = record.name;
  version.made_by = "pretrain";
  version.parent = record.parent;
  if (record.parent) {
    HEW_ASSIGN(const Version parent, workspace.registry().Get(*record.parent));
    version.base = parent.base;
  } else if (!record.settings.base.empty()) {
    HEW_ASSIGN(version.base, workspace.RegisterBase(record.settings.base));
  }
  HEW_RETURN_IF_ERROR(TakeRun(rt, record.settings, record.folder, &version));
  // Where the text lay and what it was: all that is kept of it.
  Json digests = Json::object();
  const auto note = [&](const std::string& path) -> Result<std::string> {
    std::error_code error;
    const std::string full = fs::absolute(path, error).lexically_normal().string();
    HEW_ASSIGN(digests[full], Sha256OfFile(path));
    return full;
  };
  for (const auto& [key, paths] :
       {std::pair{"data", &record.settings.data}, {"eval_data", &record.settings.eval_data}}) {
    version.recipe[key] = Json::array();
    for (const auto& path : *paths) {
      HEW_ASSIGN(std::string full, note(path));
      version.recipe[key].push_back(std::move(full));
    }
  }
  if (!record.settings.tokenizer.empty()) {
    std::error_code error;
    const bool folder = fs::is_directory(record.settings.tokenizer, error);
    HEW_ASSIGN(version.recipe["tokenizer"], note(record.settings.tokenizer + (folder ? "/tokenizer.json" : "")));
  }
  version.recipe["data_sha256"] = digests;
  HEW_ASSIGN(const auto lock, ObjectLock::Take(workspace, ObjectLock::Kind::kShared));
  HEW_ASSIGN(version.files, StoreFiles(workspace, record.folder, FilesIn(record.folder)));
  return workspace.registry().Add(version);
}

std::string SnapshotsOf(const Workspace& workspace, const Version& version) {
  return workspace.Path("snapshots/" + version.Label());
}

Status KeepSnapshots(const Workspace& workspace, const Version& version, const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder + "/" + kSnapshotsFolder, error)) return {};
  const std::string kept = SnapshotsOf(workspace, version);
  HEW_RETURN_IF_ERROR(MakeFolder(kept));
  const auto copy = fs::copy_options::overwrite_existing;
  for (const char* name : {kMetricsFile, kRecipeFile, "samples.jsonl"}) {
    if (fs::exists(folder + "/" + name, error)) fs::copy_file(folder + "/" + name, kept + "/" + name, copy, error);
    if (error) return EnvironmentError("{}/{}: cannot write: {}", kept, name, error.message());
  }
  fs::rename(folder + "/" + kSnapshotsFolder, kept + "/" + kSnapshotsFolder, error);
  if (error) return EnvironmentError("{}: cannot move to {}: {}", folder, kept, error.message());
  return {};
}

Result<int64_t> RecordMerge(Workspace& workspace, const Runtime& rt, const MergeRecord& record) {
  Version version;
  version.kind = VersionKind::kModel;
  version.name = record.name;
  version.made_by = "merge";
  version.parent = record.parent;
  HEW_ASSIGN(version.base, workspace.RegisterBase(record.base));
  HEW_RETURN_IF_ERROR(SetProgram(&version, rt));
  version.metrics = record.metrics;
  version.recipe = {{"base", record.base},
                    {"type", record.type},
                    {"max_shard_bytes", record.max_shard_bytes},
                    {"adapters", Json::array()}};
  HEW_ASSIGN(const auto lock, ObjectLock::Take(workspace, ObjectLock::Kind::kShared));
  for (const auto& spec : record.adapters) {
    HEW_ASSIGN(const auto parsed, ParseAdapterSpec(spec));
    // Whole, since the folder it was in may change or go.
    std::error_code error;
    Json files = Json::object();
    const auto add = [&](const std::string& file, const std::string& name) -> Status {
      HEW_ASSIGN(const std::string digest, workspace.objects().PutFile(file));
      files[name] = digest;
      version.data.push_back({"adapter", file, digest, "", 0});
      return {};
    };
    if (fs::is_directory(parsed.first, error)) {
      for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
        HEW_RETURN_IF_ERROR(add(parsed.first + "/" + name, name));
    } else {
      HEW_RETURN_IF_ERROR(add(parsed.first, "adapter.gguf"));
    }
    version.recipe["adapters"].push_back({{"files", files}, {"scale", parsed.second}});
  }
  std::error_code error;
  if (!fs::is_directory(record.path, error)) {
    HEW_ASSIGN(std::string digest, workspace.objects().PutFile(record.path));
    version.files.push_back({"model.gguf", std::move(digest)});
    return workspace.registry().Add(version);
  }
  HEW_ASSIGN(version.files, StoreFiles(workspace, record.path, FilesIn(record.path)));
  return workspace.registry().Add(version);
}

}  // namespace hew
