#include "studio/pull.h"

#include <algorithm>
#include <filesystem>

#include "base/checked.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "studio/hub_listing.h"
#include "studio/hub_url.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxListingBytes = 64 << 20, kMaxIndexBytes = 64 << 20;

struct Plan {
  std::string folder, model, commit;  // model: the file to open, or "."
  std::vector<WantedFile> files;
};

// A path of a URL: everything but unreserved characters and "/" written as %NN.
std::string UrlPath(const std::string& name) {
  std::string path;
  for (const unsigned char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(static_cast<char>(c)) != std::string_view::npos;
    path += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return path;
}

std::string Percent(const std::string& revision) {  // one segment: the "/" of refs/pr/1 is written out as well
  std::string text;
  for (const char c : revision) text += c == '/' ? std::string("%2F") : std::string(1, c);
  return text;
}

Result<Plan> PlanHub(const PullSettings& settings, const PullSource& source) {
  std::string endpoint = settings.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::string revision = Percent(source.revision);
  const auto resolve = [&](const std::string& name) {
    return fmt::format("{}/{}/resolve/{}/{}", endpoint, source.repository, revision, UrlPath(name));
  };
  const DownloadRequest listing_request{
      fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint, source.repository, revision), settings.token,
      endpoint};
  auto text = HttpGetText(settings.http, listing_request, kMaxListingBytes);
  if (!text) return Annotate(source.spec, std::move(text).error());
  HEW_ASSIGN(const HubListing listing, ParseListing(*text, source.spec));
  const std::string file = !settings.file.empty() || !source.entry ? settings.file : std::string(source.entry->file);
  HEW_ASSIGN(HubChoice choice, ChooseFiles(listing, file, source.spec));
  if (!choice.index.empty()) {
    HEW_ASSIGN(const std::string index,
               HttpGetText(settings.http, {resolve(choice.index), settings.token, endpoint}, kMaxIndexBytes));
    HEW_RETURN_IF_ERROR(AddShards(listing, index, source.spec + ": " + choice.index, &choice));
  }
  Plan plan{settings.models_folder + "/" + source.Folder(), choice.model, listing.commit, {}};
  for (const HubFile& f : choice.files) plan.files.push_back({f.name, resolve(f.name), f.bytes, f.sha256, f.git_sha1});
  return plan;
}

Result<Plan> PlanUrl(const PullSettings& settings, const PullSource& source) {
  if (!settings.file.empty()) return BadInput("--file: expected with hf:ORG/REPO, found with a URL");
  const std::string path = source.url.substr(0, source.url.find_first_of("?#"));
  const size_t host = path.find("//") + 2, slash = path.rfind('/');
  const std::string name = slash < host ? "" : path.substr(slash + 1);
  HEW_RETURN_IF_ERROR(CheckFileName(name, source.spec + ": the file's name"));
  return Plan{settings.models_folder + "/" + source.Folder(), name, "", {{name, source.url, std::nullopt, "", ""}}};
}

// --sha256 speaks of one file.
Status SetDigest(const PullSettings& settings, const PullSource& source, Plan* plan) {
  if (settings.sha256.empty()) return {};
  const std::string digest = AsciiLower(settings.sha256);
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return BadInput("--sha256: expected 64 hexadecimal digits, found '{}'", Shown(settings.sha256));
  }
  if (plan->files.size() != 1)
    return BadInput("--sha256: expected one file, {} has {}", Shown(source.spec), plan->files.size());
  WantedFile& file = plan->files[0];
  if (!file.sha256.empty() && file.sha256 != digest) {
    return BadInput("{}: {}: expected sha256 {}, the hub lists {}", source.spec, file.name, digest, file.sha256);
  }
  file.sha256 = digest;
  return {};
}

// Nothing is fetched when the disk has no room for all that is still to come.
Status CheckRoom(const Plan& plan, const std::vector<bool>& here) {
  CheckedU64 needed = 0;
  for (size_t i = 0; i < plan.files.size(); ++i) {
    const uint64_t kept = ArrivedBytes(plan.folder + "/" + plan.files[i].name), bytes = plan.files[i].bytes.value_or(0);
    if (!here[i] && bytes > kept) needed = needed + CheckedU64(bytes - kept);
  }
  std::error_code error;
  const auto space = fs::space(plan.folder, error);
  if (error) return EnvironmentError("{}: cannot read the free space: {}", plan.folder, error.message());
  if (!needed.Within(space.available)) {
    return EnvironmentError("{}: needs {} on the disk, {} are free", plan.folder,
                            needed.ok() ? HumanBytes(needed.value()) : "more than there can be",
                            HumanBytes(space.available));
  }
  return {};
}

std::string Kept(const Plan& plan) {
  uint64_t bytes = 0;
  for (const auto& file : plan.files) bytes += ArrivedBytes(plan.folder + "/" + file.name);
  return bytes == 0
             ? "; nothing was kept"
             : fmt::format("; {} are kept in {}, the same command goes on from there", HumanBytes(bytes), plan.folder);
}

Status WriteRecord(const PullSource& source, const Plan& plan, const PullReport& report) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const auto& f : report.files) files.push_back({{"name", f.name}, {"bytes", f.bytes}, {"sha256", f.sha256}});
  const nlohmann::ordered_json record = {{"source", source.spec},       {"repository", source.repository},
                                         {"revision", source.revision}, {"commit", plan.commit},
                                         {"model", plan.model},         {"files", files}};
  return WriteFileAtomically(plan.folder + "/" + kPulledFile, DumpJson(record, 2) + "\n");
}

PullReport Report(const Plan& plan, std::vector<ArrivedFile> files) {
  PullReport report{plan.folder, "", 0, plan.commit, std::move(files)};
  std::vector<std::string> lines;
  for (const auto& f : report.files) {
    report.bytes += f.bytes;
    lines.push_back(f.sha256 + "  " + f.name + "\n");
  }
  if (plan.model != ".") {
    report.path += "/" + plan.model;
    report.sha256 = report.files[0].sha256;
    return report;
  }
  std::sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.substr(64) < b.substr(64); });
  std::string all;
  for (const auto& line : lines) all += line;
  report.sha256 = Sha256Hex(all);
  return report;
}

Result<PullReport> Fetch(const PullSettings& settings, const PullSource& source, const Plan& plan) {
  std::vector<bool> here;
  for (const auto& file : plan.files) {
    const std::string path = plan.folder + "/" + file.name;
    HEW_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
    HEW_ASSIGN(const bool arrived, IsArrived(path, file));
    here.push_back(arrived);
  }
  HEW_RETURN_IF_ERROR(CheckRoom(plan, here));
  std::vector<ArrivedFile> files;
  for (size_t i = 0; i < plan.files.size(); ++i) {
    const WantedFile& file = plan.files[i];
    const std::string path = plan.folder + "/" + file.name;
    if (here[i]) {
      HEW_ASSIGN(std::string sha256, Sha256OfFile(path));
      files.push_back({file.name, std::move(sha256), fs::file_size(path), true});
      continue;
    }
    auto arrived = Download(settings.http, settings.token, settings.endpoint, file, path);
    if (!arrived) {
      Error error = std::move(arrived).error();
      error.message = source.spec + ": " + error.message + (error.code == ErrorCode::kBadInput ? "" : Kept(plan));
      return tl::unexpected(std::move(error));
    }
    if (!arrived->checked)
      settings.say(fmt::format("note: {}: no digest is known, so only its size was checked", file.name));
    files.push_back(*std::move(arrived));
  }
  std::error_code ignored;
  fs::remove(plan.folder + "/" + kPulledFile, ignored);  // between an old version and a new one there is none
  for (size_t i = 0; i < plan.files.size(); ++i) {
    if (!here[i]) HEW_RETURN_IF_ERROR(InstallArrived(plan.folder + "/" + plan.files[i].name));
  }
  PullReport report = Report(plan, std::move(files));
  HEW_RETURN_IF_ERROR(WriteRecord(source, plan, report));
  return report;
}

// A catalogue file of known digest that lies on this machine, under whatever name, or "".
std::string FindCopy(const PullSettings& settings, const CatalogueEntry& entry, const std::string& place) {
  std::vector<std::string> paths = {place};
  for (const auto& folder : settings.look_in) {
    std::error_code ignored;
    for (const auto& item : fs::directory_iterator(folder, ignored)) {
      if (item.path().extension() == ".gguf") paths.push_back(item.path().string());
    }
  }
  const WantedFile wanted{std::string(entry.file), "", entry.bytes, std::string(entry.sha256), ""};
  for (const auto& path : paths) {
    std::error_code ignored;
    if (fs::file_size(path, ignored) != entry.bytes || ignored) continue;
    if (const auto same = IsArrived(path, wanted); same && *same) return path;
  }
  return "";
}

// Takes a copy into the folder of models without the network: a second name of the same bytes, or a copy of them.
Result<PullReport> Adopt(const PullSource& source, const std::string& copy, const Plan& plan) {
  const CatalogueEntry& entry = *source.entry;
  const std::string path = plan.folder + "/" + plan.model;
  if (copy != path) {
    HEW_RETURN_IF_ERROR(MakeFolder(plan.folder));
    std::error_code error;
    fs::remove(path, error);
    fs::create_hard_link(copy, path, error);
    if (error) {
      HEW_ASSIGN(const MappedFile file, MappedFile::Open(copy));
      HEW_RETURN_IF_ERROR(WriteFileAtomically(path, file.bytes()));
    }
  }
  PullReport report = Report(plan, {{std::string(entry.file), std::string(entry.sha256), entry.bytes, true}});
  HEW_RETURN_IF_ERROR(WriteRecord(source, plan, report));
  return report;
}

}  // namespace

Result<PullReport> Pull(const PullSettings& settings) {
  HEW_ASSIGN(const PullSource source, ParseModelSource(settings.source));
  if (source.entry && !source.entry->sha256.empty() && settings.file.empty() && settings.sha256.empty()) {
    const Plan plan{settings.models_folder + "/" + source.Folder(), std::string(source.entry->file), "", {}};
    if (const std::string copy = FindCopy(settings, *source.entry, plan.folder + "/" + plan.model); !copy.empty()) {
      settings.say(fmt::format("{} is here already: {} has its digest", source.spec, copy));
      return Adopt(source, copy, plan);
    }
  }
  HEW_ASSIGN(Plan plan, source.url.empty() ? PlanHub(settings, source) : PlanUrl(settings, source));
  HEW_RETURN_IF_ERROR(SetDigest(settings, source, &plan));
  return Fetch(settings, source, plan);
}

}  // namespace hew
