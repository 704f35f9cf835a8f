// A workspace: the folder .hew/ with the registry, the objects and what is made of them, found upwards like git's.
//
//   .hew/registry.db   versions, aliases, suites, answers (registry.h)
//   .hew/objects/      files by digest (object_store.h)
//   .hew/versions/vN/  a version's files under their names, hard links to objects: made on demand, safe to remove
//   .hew/runs/NAME/    training at work; recorded as a version and removed when whole
//   .hew/lock          held shared by who writes objects, alone by gc
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "studio/registry/object_store.h"
#include "studio/registry/registry.h"

namespace hew {

class Workspace {
 public:
  // Makes .hew/ in `folder`. Error: there is one.
  static Result<Workspace> Init(const std::string& folder);
  // The nearest workspace at `from` or above it; nullopt: none.
  static Result<std::optional<Workspace>> Find(const std::string& from = ".");
  // The same, where none is an error: "expected a workspace here or above, found none: hew init makes one".
  static Result<Workspace> Require(const std::string& from = ".");

  Registry& registry() { return *registry_; }
  const Registry& registry() const { return *registry_; }
  const ObjectStore& objects() const { return objects_; }
  const std::string& root() const { return root_; }  // absolute
  std::string Path(const std::string& name) const { return root_ + "/.hew/" + name; }

  // "v12", an alias or a name. Error: nothing is called so.
  Result<Version> Open(const std::string& name) const;
  // The folder with a version's files under their names. Not for bases.
  Result<std::string> Checkout(const Version& version) const;
  // What opens a version that is a whole model: that folder, or the one GGUF file in it.
  Result<std::string> ModelPath(const Version& version) const;

  // The digest of a model, remembered while the file's time and size stay the same. The first base becomes v0.
  Result<std::string> RegisterBase(const std::string& path);
  // Where the base of this digest lies. Error: gone or changed, with the digests expected and found.
  Result<std::string> BasePath(const std::string& digest) const;
  // The base to train on when none is named: v0's. Error: there is none yet.
  Result<std::string> DefaultBase() const;

  // A new folder in .hew/runs/: `name`, or one of its own where that is empty.
  Result<std::string> NewRunFolder(const std::string& name) const;
  // The unfinished run to go on with: of that name, or the latest.
  Result<std::string> UnfinishedRun(const std::string& name) const;

 private:
  Workspace(std::string root, Registry registry);
  std::string root_;
  std::unique_ptr<Registry> registry_;  // kept in place: statements point into it
  ObjectStore objects_;
};

// Keeps gc away while objects are written that no version names yet, or (alone) keeps everybody else away.
class ObjectLock {
 public:
  enum class Kind { kShared, kAlone };
  // Waits 10 seconds at most.
  static Result<ObjectLock> Take(const Workspace& workspace, Kind kind);
  ObjectLock(ObjectLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ObjectLock& operator=(ObjectLock&&) = delete;
  ~ObjectLock();

 private:
  explicit ObjectLock(int fd) : fd_(fd) {}
  int fd_;
};

// What a command names MODEL, as paths.
struct ModelRef {
  std::string path;                   // a model
  std::vector<std::string> adapters;  // "PATH" or "PATH=SCALE"
  std::optional<int64_t> version;     // of the workspace
};

// A file or folder that is a model stays itself; else a version, alias or name of the workspace around `from`; else the
// name as it stands, for whoever opens it to refuse.
Result<ModelRef> ResolveModel(const std::string& name, const std::string& from = ".");
// "--adapter v3" or "v3=0.5" becomes the folder of that version's adapter; anything else stays.
Result<std::string> ResolveAdapter(const std::string& spec, const std::string& from = ".");

}  // namespace hew
