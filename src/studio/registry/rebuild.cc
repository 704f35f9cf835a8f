// hew rebuild: a version once more from its recipe.
#include <filesystem>
#include <set>

#include "base/digest.h"
#include "base/file.h"
#include "studio/merge.h"
#include "studio/open_model.h"
#include "studio/pretrain.h"
#include "studio/registry/aside.h"
#include "studio/registry/maintenance.h"
#include "studio/registry/record.h"
#include "train/tune.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

using Digests = std::set<std::string>;

// Lays an input out under its old file name, in a folder of its own: names decide how a file is read. A data file
// without the rows of `left_out`, if there are any.
Result<std::string> LayOut(const Workspace& workspace, const DataInput& input, const std::string& folder,
                           const Digests& left_out = {}) {
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  HEW_ASSIGN(const std::string bytes, workspace.objects().Get(input.digest));
  const std::string path = folder + "/" + fs::path(input.path).filename().string();
  if (!left_out.empty() && input.role == "data") {
    HEW_ASSIGN(const std::string manifest, workspace.objects().Get(input.manifest));
    const auto entries = ParseManifest(manifest);
    std::string kept;
    bool plain = false;
    size_t n = 0;
    HEW_RETURN_IF_ERROR(ReadStoredRows(bytes, input.path, [&](DataRow&& row) -> Status {
      plain = row.plain;
      if (left_out.contains(entries.at(n++).digest)) return {};
      kept += row.plain ? row.text + "\n\n" : DumpJson(row.object) + "\n";
      return {};
    }));
    const std::string without = folder + (plain ? "/rows.txt" : "/rows.jsonl");
    HEW_RETURN_IF_ERROR(WriteFileAtomically(without, kept));
    return without;
  }
  std::error_code error;
  fs::copy_file(workspace.objects().PathOf(input.digest), path, error);
  if (error) return EnvironmentError("{}: cannot lay out: {}", path, error.message());
  return path;
}

Result<TuneSettings> SettingsOf(const Json& recipe, RunKind kind) {
  TuneSettings settings = kind == RunKind::kPretrain ? PretrainDefaults() : TuneSettings();
  for (const auto& spec : SettingSpecs(kind)) {
    const auto at = recipe.find(std::string(spec.name));
    if (at == recipe.end() || at->is_null()) continue;
    if (at->is_array()) {
      bool append = false;
      for (const auto& item : *at) {
        HEW_RETURN_IF_ERROR(SetFromText(spec, item.get<std::string>(), append, &settings));
        append = true;
      }
    } else if (!at->is_string() || !at->get<std::string>().empty()) {
      HEW_RETURN_IF_ERROR(SetFromText(spec, at->is_string() ? at->get<std::string>() : at->dump(), false, &settings));
    }
  }
  return settings;
}

// Gives the folder of the adapter.
Result<std::string> TuneAgain(const Workspace& workspace, const Runtime& rt, const Version& version,
                              const std::string& base, const std::string& aside, bool quiet,
                              const std::atomic<bool>* cancelled, const Digests& left_out = {}) {
  TuneRequest request;
  HEW_ASSIGN(request.settings, SettingsOf(version.recipe, RunKind::kTune));
  TuneSettings& s = request.settings;
  s.base = base;
  s.out = aside + "/out";
  s.data.clear(), s.eval_data.clear(), s.keep.clear(), s.chat_template.clear(), s.init_adapter.clear();
  int n = 0;
  for (const auto& input : version.data) {
    const std::string folder = aside + (input.role == "init_adapter" ? "/init" : fmt::format("/input-{}", n++));
    HEW_ASSIGN(const std::string path, LayOut(workspace, input, folder, left_out));
    if (input.role == "data") s.data.push_back(path);
    if (input.role == "eval_data") s.eval_data.push_back(path);
    if (input.role == "keep") s.keep.push_back(path);
    if (input.role == "template") s.chat_template = path;
    if (input.role == "init_adapter") s.init_adapter = path.ends_with(".gguf") ? path : folder;
  }
  if (version.parent && version.recipe.value("from_parent", true)) {
    HEW_ASSIGN(const Version parent, workspace.registry().Get(*version.parent));
    if (parent.kind == VersionKind::kAdapter) {
      HEW_ASSIGN(s.init_adapter, workspace.Checkout(parent));
    }
  }
  HEW_ASSIGN(const OpenedModel opened, OpenModel(rt, s.base, {}, s.chat_template));
  HEW_ASSIGN(request.now, ParseClock(version.recipe.value("now", "")));
  request.model = opened.model;
  request.tokenizer = opened.tokenizer;
  request.chat = opened.chat_template ? &*opened.chat_template : nullptr;
  request.template_knows_tools =
      opened.chat_template && opened.chat_template->source().find("tool_calls") != std::string::npos;
  request.quiet = quiet;
  request.cancel = cancelled;
  HEW_RETURN_IF_ERROR(Tune(rt, request));
  return s.out;
}

// Gives the digest of the weights.
Result<std::string> PretrainAgain(const Workspace& workspace, const Runtime& rt, const Version& version,
                                  const std::string& base, const std::string& aside, const std::string& file,
                                  bool quiet, const std::atomic<bool>* cancelled) {
  PretrainRequest request;
  HEW_ASSIGN(request.settings, SettingsOf(version.recipe, RunKind::kPretrain));
  request.settings.base = base;
  request.settings.out = aside + "/out";
  if (version.parent) {
    HEW_ASSIGN(const Version parent, workspace.registry().Get(*version.parent));
    if (parent.kind == VersionKind::kModel) {
      HEW_ASSIGN(request.settings.base, workspace.ModelPath(parent));
    }
  }
  request.quiet = quiet;
  request.cancel = cancelled;
  HEW_RETURN_IF_ERROR(Pretrain(rt, request));
  return Sha256OfFile(request.settings.out + "/" + file);
}

// The text of a pretrained version is not kept: it has to lie where it lay, as it was.
void CheckText(const Version& version, std::vector<std::string>* changed) {
  const Json digests = version.recipe.value("data_sha256", Json::object());
  for (const auto& [path, digest] : digests.items()) {
    const auto today = Sha256OfFile(path);
    if (!today) {
      changed->push_back("text " + today.error().message);
    } else if (*today != digest.get<std::string>()) {
      changed->push_back(fmt::format("text {}: expected sha256 {}, found {}", path, digest.get<std::string>(), *today));
    }
  }
}

Result<std::string> MergeAgain(const Workspace& workspace, const Runtime& rt, const Version& version,
                               const std::string& base, const Aside& aside, const std::string& file,
                               const std::atomic<bool>* cancelled) {
  std::vector<std::string> adapters;
  int n = 0;
  const Json recorded = version.recipe.value("adapters", Json::array());
  for (const auto& adapter : recorded) {
    const std::string folder = aside.path + fmt::format("/adapter-{}", n++);
    std::string path = folder;
    for (const auto& [name, digest] : adapter["files"].items()) {
      HEW_ASSIGN(const std::string laid,
                 LayOut(workspace, {"adapter", name, digest.get<std::string>(), "", 0}, folder));
      if (name.ends_with(".gguf")) path = laid;
    }
    adapters.push_back(fmt::format("{}={}", path, adapter.value("scale", 1.0)));
  }
  SaveOptions save;
  if (const std::string name = version.recipe.value("type", ""); !name.empty()) save.type = FileTypeFromName(name);
  save.max_shard_bytes = version.recipe.value("max_shard_bytes", save.max_shard_bytes);
  const std::string out = aside.path + (file.ends_with(".gguf") ? "/model.gguf" : "/model");
  HEW_RETURN_IF_ERROR(MergeModel(rt, base, adapters, out, save, cancelled));
  return Sha256OfFile(file.ends_with(".gguf") ? out : out + "/" + file);
}

}  // namespace

Result<RebuildReport> Rebuild(const Workspace& workspace, const Runtime& rt, const Version& version, bool quiet,
                              const std::atomic<bool>* cancelled) {
  if (version.kind == VersionKind::kBase)
    return BadInput("{}: expected a version made here, found the base itself", version.Label());
  RebuildReport report;
  for (const auto& input : version.data) {
    if (const auto whole = workspace.objects().Check(input.digest); !whole) {
      report.changed.push_back(fmt::format("{} {}: {}", input.role, input.path, whole.error().message));
    }
  }
  if (version.parent && version.recipe.value("from_parent", true)) {
    HEW_ASSIGN(const Version parent, workspace.registry().Get(*version.parent));
    for (const auto& file : parent.files) {
      if (const auto whole = workspace.objects().Check(file.digest); !whole)
        report.changed.push_back(fmt::format("parent {}: {}", parent.Label(), whole.error().message));
    }
  }
  const bool pretrained = version.made_by == "pretrain";
  if (pretrained) CheckText(version, &report.changed);
  std::string base;  // a model from nothing has none
  if (!version.base.empty()) {
    if (auto path = workspace.BasePath(version.base))
      base = *path;
    else
      report.changed.push_back(path.error().message);
  }
  const bool missing = !report.changed.empty();
  Version now;
  HEW_RETURN_IF_ERROR(SetProgram(&now, rt));
  const auto differs = [&](const char* what, const std::string& then, const std::string& today) {
    if (then != today) report.changed.push_back(fmt::format("{}: expected {}, found {}", what, then, today));
  };
  differs("instruction set (--isa)", version.isa, now.isa);
  differs("precision (--precision)", version.precision, now.precision);
  differs("program", version.program, now.program);
  if (version.program == now.program) differs("program's file (sha256)", version.program_digest, now.program_digest);

  report.file = "adapter_model.safetensors";
  for (const auto& file : version.files) {
    if (version.kind == VersionKind::kModel && (file.name.ends_with(".gguf") || file.name.ends_with(".safetensors")))
      report.file = file.name;
  }
  report.expected = version.FileDigest(report.file);
  if (missing) return report;
  HEW_ASSIGN(const std::string folder, workspace.NewRunFolder(""));
  const Aside aside{folder};
  if (pretrained) {
    HEW_ASSIGN(report.found, PretrainAgain(workspace, rt, version, base, folder, report.file, quiet, cancelled));
  } else if (version.kind == VersionKind::kModel) {
    HEW_ASSIGN(report.found, MergeAgain(workspace, rt, version, base, aside, report.file, cancelled));
  } else {
    HEW_ASSIGN(const std::string adapter, TuneAgain(workspace, rt, version, base, folder, quiet, cancelled));
    HEW_ASSIGN(report.found, Sha256OfFile(adapter + "/" + report.file));
  }
  report.same = report.found == report.expected;
  return report;
}

Result<std::string> TuneWithout(const Workspace& workspace, const Runtime& rt, const Version& version,
                                const std::vector<std::string>& digests, const std::string& folder, bool quiet,
                                const std::atomic<bool>* cancelled) {
  HEW_ASSIGN(const std::string base, workspace.BasePath(version.base));
  return TuneAgain(workspace, rt, version, base, folder, quiet, cancelled, Digests(digests.begin(), digests.end()));
}

}  // namespace hew
