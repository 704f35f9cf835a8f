#include "studio/registry/workspace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/file_calls.h"
#include "model/model.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = ".hew";

std::string Absolute(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(fs::absolute(path, error), error);
  return error ? path : absolute.string();
}

// Size, time and inode of a file, or of the model files of a folder: while they stay, so does the digest.
std::string StampOf(const std::string& path) {
  std::string stamp;
  const auto add = [&](const std::string& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return;
    stamp += fmt::format("{}:{}.{}:{};", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino);
  };
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    add(path);
    return stamp;
  }
  std::vector<std::string> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name == "config.json" || name.ends_with(".safetensors")) files.push_back(at->path().string());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add(file);
  return stamp;
}

bool LooksLikeModel(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) || fs::exists(path + "/config.json", error) ||
         fs::exists(path + "/adapter_config.json", error);
}

bool IsWhole(const ObjectStore& objects, const Version& version, const std::string& folder) {
  std::error_code error;
  for (const auto& file : version.files) {
    const uint64_t size = fs::file_size(folder + "/" + file.name, error);
    if (error || size != fs::file_size(objects.PathOf(file.digest), error) || error) return false;
  }
  return true;
}

}  // namespace

Workspace::Workspace(std::string root, Registry registry)
    : root_(std::move(root)),
      registry_(std::make_unique<Registry>(std::move(registry))),
      objects_(Path("objects")) {}

Result<Workspace> Workspace::Init(const std::string& folder) {
  const std::string root = Absolute(folder), hew = root + "/" + kFolder;
  std::error_code error;
  if (fs::exists(hew + "/registry.db", error))
    return BadInput("{}: expected a folder without a workspace, found one", root);
  for (const char* name : {"/objects", "/runs", "/versions"}) HEW_RETURN_IF_ERROR(MakeFolder(hew + name));
  HEW_ASSIGN(Registry registry, Registry::Open(hew + "/registry.db"));
  return Workspace(root, std::move(registry));
}

Result<std::optional<Workspace>> Workspace::Find(const std::string& from) {
  std::error_code error;
  for (fs::path at = Absolute(from);; at = at.parent_path()) {
    if (fs::exists(at / kFolder / "registry.db", error)) {
      HEW_ASSIGN(Registry registry, Registry::Open((at / kFolder / "registry.db").string()));
      return std::optional<Workspace>(Workspace(at.string(), std::move(registry)));
    }
    if (at == at.parent_path()) return std::optional<Workspace>();
  }
}

Result<Workspace> Workspace::Require(const std::string& from) {
  HEW_ASSIGN(auto found, Find(from));
  if (!found) return BadInput("{}: expected a workspace here or above, found none: hew init makes one", Absolute(from));
  return *std::move(found);
}

Result<Version> Workspace::Open(const std::string& name) const {
  HEW_ASSIGN(const auto id, registry_->Find(name));
  if (!id)
    return BadInput("{}: expected a version (v3), an alias or a name of this workspace, found none called so", name);
  return registry_->Get(*id);
}

Result<std::string> Workspace::Checkout(const Version& version) const {
  std::string folder = Path("versions/" + version.Label());
  if (IsWhole(objects_, version, folder)) return folder;
  std::error_code error;
  fs::remove_all(folder, error);  // links of a machine that lost power
  const std::string temporary = fmt::format("{}.tmp.{}", folder, ::getpid());
  fs::remove_all(temporary, error);
  HEW_RETURN_IF_ERROR(MakeFolder(temporary));
  for (const auto& file : version.files) {
    const std::string object = objects_.PathOf(file.digest), link = temporary + "/" + file.name;
    fs::create_hard_link(object, link, error);
    if (error) fs::copy_file(object, link, error);
    if (error) {
      const std::string reason = error.message();
      fs::remove_all(temporary, error);
      return BadInput("{}: {}: expected its file in the workspace, found: {}", version.Label(), file.name, reason);
    }
  }
  if (!RenamePath(temporary, folder)) fs::remove_all(temporary, error);  // another process was first
  if (!IsWhole(objects_, version, folder)) return EnvironmentError("{}: cannot lay out {}", folder, version.Label());
  return folder;
}

Result<std::string> Workspace::RegisterBase(const std::string& path) {
  const std::string absolute = Absolute(path), stamp = StampOf(absolute);
  HEW_ASSIGN(auto known, registry_->BaseByStamp(absolute, stamp));
  if (!known) {
    HEW_ASSIGN(known, DigestOfModel(path));
    HEW_RETURN_IF_ERROR(registry_->SetBase(*known, absolute, stamp));
  }
  HEW_ASSIGN(const auto first, registry_->Find("v0"));
  if (!first) {
    Version base;
    base.id = kBaseVersion;
    base.kind = VersionKind::kBase;
    base.made_by = "base";
    base.name = fs::path(absolute).stem().string();
    base.base = *known;
    // Two processes may both be the first; the one that comes second finds v0 there.
    if (auto added = registry_->Add(base); !added) {
      HEW_ASSIGN(const auto other, registry_->Find("v0"));
      if (!other) return tl::unexpected(std::move(added).error());
    }
  }
  return *std::move(known);
}

Result<std::string> Workspace::BasePath(const std::string& digest) const {
  // A merged model of this workspace, which keeps its own file.
  HEW_ASSIGN(const auto own, registry_->VersionWithFile(digest));
  if (own) {
    HEW_ASSIGN(const Version version, registry_->Get(*own));
    HEW_ASSIGN(const std::string folder, Checkout(version));
    for (const auto& file : version.files) {
      if (file.digest == digest) return folder + "/" + file.name;
    }
  }
  HEW_ASSIGN(const auto known, registry_->BaseOf(digest));
  if (!known) return BadInput("base: expected a model with SHA-256 {}, found none: name it once with --base", digest);
  const auto& [path, stamp] = *known;
  std::error_code error;
  if (!fs::exists(path, error))
    return BadInput("{}: expected the base with SHA-256 {}, found no file there", path, digest);
  if (StampOf(path) != stamp) {
    HEW_ASSIGN(const std::string found, DigestOfModel(path));
    if (found != digest) return BadInput("{}: expected the base with SHA-256 {}, found {}", path, digest, found);
  }
  return path;
}

Result<std::string> Workspace::ModelPath(const Version& version) const {
  HEW_ASSIGN(std::string folder, Checkout(version));
  const bool gguf = version.files.size() == 1 && version.files[0].name.ends_with(".gguf");
  return gguf ? folder + "/" + version.files[0].name : folder;
}

Result<std::string> Workspace::DefaultBase() const {
  HEW_ASSIGN(const auto first, registry_->Find("v0"));
  if (!first) return BadInput("base: expected --base MODEL the first time, found none");
  HEW_ASSIGN(const Version base, registry_->Get(*first));
  return BasePath(base.base);
}

Result<std::string> Workspace::NewRunFolder(const std::string& name) const {
  if (name.find('/') != name.npos || name == "." || name == "..")
    return BadInput("--name: expected a name without '/', found '{}'", name);
  if (VersionNumber(name)) return BadInput("--name: expected a name that is no version number, found '{}'", name);
  HEW_RETURN_IF_ERROR(MakeFolder(Path("runs")));
  for (int n = 1;; ++n) {
    const std::string folder = Path("runs/" + (name.empty() ? fmt::format("run-{}", n) : name));
    if (::mkdir(folder.c_str(), 0755) == 0) return folder;
    if (errno != EEXIST) return EnvironmentError("{}: cannot make folder: {}", folder, std::strerror(errno));
    if (!name.empty()) return folder;  // of an earlier run: whoever trains says whether it may be taken
  }
}

Result<std::string> Workspace::UnfinishedRun(const std::string& name) const {
  std::error_code error;
  if (!name.empty()) return Path("runs/" + name);
  std::string latest;
  fs::file_time_type when{};
  for (fs::directory_iterator at(Path("runs"), error), end; !error && at != end; at.increment(error)) {
    const auto time = fs::last_write_time(at->path(), error);
    if (latest.empty() || time > when) latest = at->path().string(), when = time;
  }
  if (latest.empty()) return BadInput("--resume: expected an unfinished run in {}, found none", Path("runs"));
  return latest;
}

Result<ObjectLock> ObjectLock::Take(const Workspace& workspace, Kind kind) {
  const std::string path = workspace.Path("lock");
  const int fd = file_calls::Open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return EnvironmentError("{}: cannot open: {}", path, std::strerror(errno));
  ObjectLock lock(fd);
  for (int tries = 0; ::flock(fd, (kind == Kind::kAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return EnvironmentError("{}: cannot lock: {}", path, std::strerror(errno));
    if (tries >= 1000) return EnvironmentError("{}: another process has held the workspace for 10 s", path);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return lock;
}

ObjectLock::~ObjectLock() {
  if (fd_ >= 0) ::close(fd_);  // lets the lock go
}

Result<ModelRef> ResolveModel(const std::string& name, const std::string& from) {
  ModelRef ref;
  ref.path = name;
  if (name.find('/') != name.npos || LooksLikeModel(name)) return ref;
  HEW_ASSIGN(const auto workspace, Workspace::Find(from));
  if (!workspace) return ref;
  HEW_ASSIGN(const auto id, workspace->registry().Find(name));
  if (!id) {
    if (VersionNumber(name))
      return BadInput("{}: expected a version of this workspace, found none of this number", name);
    return ref;
  }
  HEW_ASSIGN(const Version version, workspace->registry().Get(*id));
  ref.version = *id;
  if (version.kind == VersionKind::kModel) {
    HEW_ASSIGN(ref.path, workspace->ModelPath(version));
    return ref;
  }
  HEW_ASSIGN(ref.path, workspace->BasePath(version.base));
  if (version.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(const std::string folder, workspace->Checkout(version));
    ref.adapters.push_back(folder);
  }
  return ref;
}

Result<std::string> ResolveAdapter(const std::string& spec, const std::string& from) {
  const size_t at = spec.rfind('=');
  const std::string name = spec.substr(0, at), scale = at == spec.npos ? "" : spec.substr(at);
  if (name.find('/') != name.npos || LooksLikeModel(name)) return spec;
  HEW_ASSIGN(const auto workspace, Workspace::Find(from));
  if (!workspace) return spec;
  HEW_ASSIGN(const auto id, workspace->registry().Find(name));
  if (!id) return spec;
  HEW_ASSIGN(const Version version, workspace->registry().Get(*id));
  if (version.kind != VersionKind::kAdapter)
    return BadInput("--adapter {}: expected a version with an adapter, found a {}", name, NameOf(version.kind));
  HEW_ASSIGN(const std::string folder, workspace->Checkout(version));
  return folder + scale;
}

}  // namespace hew
