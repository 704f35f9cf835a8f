#include "base/file_undo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace hew {
namespace {

namespace fs = std::filesystem;

struct Overwritten {
  uint64_t offset = 0;
  std::string bytes;  // that stood there
};

// A file with bytes that are not on the disk, held by a descriptor of its own: its name may change.
struct UnsyncedFile {
  int fd = -1;
  uint64_t size = 0;  // before the first of them
  std::vector<Overwritten> overwritten;
};

struct UnsyncedName {
  std::string folder;
  std::function<void()> undo;
};

struct Unsynced {
  std::mutex mutex;
  std::map<std::pair<dev_t, ino_t>, UnsyncedFile> files;
  std::vector<UnsyncedName> names;
};

Unsynced& All() {
  static Unsynced& all = *new Unsynced;
  return all;
}

std::string FolderOf(const std::string& path) {
  std::error_code ignored;
  const auto parent = fs::absolute(path, ignored).lexically_normal().parent_path();
  return parent.string();
}

// Something that stands where another is put or that is removed lives on beside it until the folder is synced. Nothing
// when there is nothing, or a folder, which no rename replaces.
std::string KeepBeside(const std::string& path) {
  static int number = 0;
  const std::string kept = path + ".undo." + std::to_string(::getpid()) + "." + std::to_string(number++);
  return ::link(path.c_str(), kept.c_str()) == 0 ? kept : "";
}

}  // namespace

std::string PathOfDescriptor(int fd) {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string();
}

void NoteWrite(const std::string& path, uint64_t offset, size_t count) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  const std::lock_guard lock(All().mutex);
  const auto [at, is_new] = All().files.try_emplace({info.st_dev, info.st_ino});
  UnsyncedFile& file = at->second;
  if (is_new) file.fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC), file.size = static_cast<uint64_t>(info.st_size);
  if (offset >= file.size) return;  // what is new goes away with the size
  const uint64_t end = count > file.size - offset ? file.size : offset + count;
  Overwritten before{offset, std::string(end - offset, '\0')};
  if (::pread(file.fd, before.bytes.data(), before.bytes.size(), static_cast<off_t>(offset)) > 0)
    file.overwritten.push_back(std::move(before));
}

void ForgetWrites(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return;
  const std::lock_guard lock(All().mutex);
  const auto at = All().files.find({info.st_dev, info.st_ino});
  if (at == All().files.end()) return;
  ::close(at->second.fd);
  All().files.erase(at);
}

void NoteNewName(const std::string& path) {
  const std::lock_guard lock(All().mutex);
  All().names.push_back({FolderOf(path), [path] {
                           std::error_code ignored;
                           fs::remove_all(path, ignored);
                         }});
}

void NoteRename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(All().mutex);
  const std::string kept = KeepBeside(to);
  All().names.push_back({FolderOf(to), [from, to, kept] {
                           ::rename(to.c_str(), from.c_str());
                           if (!kept.empty()) ::rename(kept.c_str(), to.c_str());
                         }});
}

void NoteRemove(const std::string& path) {
  const std::lock_guard lock(All().mutex);
  const std::string kept = KeepBeside(path);
  if (kept.empty()) return;
  All().names.push_back({FolderOf(path), [path, kept] { ::rename(kept.c_str(), path.c_str()); }});
}

void ForgetNames(const std::string& folder) {
  std::error_code ignored;
  const std::string whole = fs::absolute(folder, ignored).lexically_normal().string();
  const auto trimmed = whole.size() > 1 && whole.back() == '/' ? whole.substr(0, whole.size() - 1) : whole;
  const std::lock_guard lock(All().mutex);
  std::erase_if(All().names, [&](const UnsyncedName& name) { return name.folder == trimmed; });
  for (const auto& entry : fs::directory_iterator(trimmed, ignored)) {
    const std::string mark = ".undo." + std::to_string(::getpid()) + ".";
    if (entry.path().filename().string().find(mark) != std::string::npos) fs::remove(entry.path(), ignored);
  }
}

void UndoUnsynced() {
  const std::lock_guard lock(All().mutex);
  for (auto& [inode, file] : All().files) {
    if (::ftruncate(file.fd, static_cast<off_t>(file.size)) != 0) continue;
    std::reverse(file.overwritten.begin(), file.overwritten.end());
    for (const auto& [offset, bytes] : file.overwritten) {
      [[maybe_unused]] const auto put = ::pwrite(file.fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    }
  }
  while (!All().names.empty()) {
    const UnsyncedName last = std::move(All().names.back());
    All().names.pop_back();
    last.undo();
  }
}

}  // namespace hew
