#include "base/file_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "base/file_undo.h"

namespace hew {
namespace {

struct Plan {
  bool on = false;
  FileFault fault;
  int64_t calls = 0;
  std::mutex mutex;
};

std::optional<FileFault> FaultFromEnvironment() {
  const char* text = std::getenv("HEW_FILE_FAULT");
  if (!text) return std::nullopt;
  FileFault fault;
  const std::string_view all = text;
  const auto parsed = std::from_chars(all.data(), all.data() + all.size(), fault.call);
  const std::string_view kind(parsed.ptr, static_cast<size_t>(all.data() + all.size() - parsed.ptr));
  if (kind == ":full") fault.kind = FaultKind::kFull;
  if (kind == ":short") fault.kind = FaultKind::kShort;
  if (kind == ":kill") fault.kind = FaultKind::kKill;
  if (kind == ":crash") fault.kind = FaultKind::kCrash;
  return fault;
}

Plan& ThePlan() {
  static Plan& plan = *[] {
    auto* made = new Plan;  // lives as long as the process: files are written until its end
    if (const auto fault = FaultFromEnvironment()) {
      made->on = true, made->fault = *fault;
      if (fault->call < 0 && fault->kind == FaultKind::kCrash) std::atexit(UndoUnsynced);
    }
    return made;
  }();
  return plan;
}

enum class Fate : uint8_t { kAsEver, kShort, kFail };

// Counts a call; sets errno where it has to fail.
Fate Next(std::string_view what, std::string_view path, bool takes_space) {
  Plan& plan = ThePlan();
  if (!plan.on) return Fate::kAsEver;
  const std::lock_guard lock(plan.mutex);
  if (++plan.calls != plan.fault.call) return Fate::kAsEver;
  std::fprintf(stderr, "hew: file call %lld: %.*s %.*s\n", static_cast<long long>(plan.calls),
               static_cast<int>(what.size()), what.data(), static_cast<int>(path.size()), path.data());
  switch (plan.fault.kind) {
    case FaultKind::kShort:
      return what == "write" ? Fate::kShort : Fate::kAsEver;
    case FaultKind::kCrash:
      UndoUnsynced();
      [[fallthrough]];
    case FaultKind::kKill:
      ::kill(::getpid(), SIGKILL);
      [[fallthrough]];
    default:
      errno = plan.fault.kind == FaultKind::kFull && takes_space ? ENOSPC : EIO;
      return Fate::kFail;
  }
}

bool Tracks() {
  const Plan& plan = ThePlan();
  return plan.on && plan.fault.kind == FaultKind::kCrash;
}

}  // namespace

void SetFileFault(const FileFault& fault) {
  Plan& plan = ThePlan();
  const std::lock_guard lock(plan.mutex);
  plan.on = true, plan.fault = fault, plan.calls = 0;
}

void ClearFileFault() {
  Plan& plan = ThePlan();
  const std::lock_guard lock(plan.mutex);
  plan.on = false;
}

bool FileFaultSet() { return ThePlan().on; }
int64_t FileCalls() { return ThePlan().calls; }

namespace file_calls {

int Open(const std::string& path, int flags, mode_t mode) {
  const bool makes = (flags & O_CREAT) != 0;
  if (Next(makes ? "create" : "open", path, makes) == Fate::kFail) return -1;
  const bool is_new = makes && Tracks() && ::access(path.c_str(), F_OK) != 0;
  if (makes && !is_new && Tracks() && (flags & O_TRUNC)) BeforeWrite(path, 0, SIZE_MAX);
  const int fd = ::open(path.c_str(), flags, mode);
  if (fd >= 0 && is_new) NoteNewName(path);
  return fd;
}

ssize_t Read(int fd, void* bytes, size_t count) {
  if (Next("read", PathOfDescriptor(fd), false) == Fate::kFail) return -1;
  return ::read(fd, bytes, count);
}

ssize_t Write(int fd, const void* bytes, size_t count) {
  const Fate fate = Next("write", PathOfDescriptor(fd), true);
  if (fate == Fate::kFail) return -1;
  if (fate == Fate::kShort) count = (count + 1) / 2;
  if (Tracks()) {  // appended, or where the descriptor stands
    const bool appends = (::fcntl(fd, F_GETFL) & O_APPEND) != 0;
    BeforeWrite(PathOfDescriptor(fd), static_cast<uint64_t>(::lseek(fd, 0, appends ? SEEK_END : SEEK_CUR)), count);
  }
  return ::write(fd, bytes, count);
}

int Sync(int fd) {
  if (Next("sync", PathOfDescriptor(fd), true) == Fate::kFail) return -1;
  const int result = ::fsync(fd);
  if (result == 0) AfterSync(PathOfDescriptor(fd));
  return result;
}

int Truncate(int fd, uint64_t size) {
  if (Next("truncate", PathOfDescriptor(fd), false) == Fate::kFail) return -1;
  BeforeWrite(PathOfDescriptor(fd), size, SIZE_MAX);
  return ::ftruncate(fd, static_cast<off_t>(size));
}

int Rename(const std::string& from, const std::string& to) {
  if (Next("rename", to, true) == Fate::kFail) return -1;
  if (Tracks()) NoteRename(from, to);
  return std::rename(from.c_str(), to.c_str());
}

int MakeFolder(const std::string& path) {
  if (Next("mkdir", path, true) == Fate::kFail) return -1;
  const int result = ::mkdir(path.c_str(), 0777);
  if (result == 0 && Tracks()) NoteNewName(path);
  return result;
}

int SyncFolder(const std::string& path) {
  if (Next("sync folder", path, true) == Fate::kFail) return -1;
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  const int result = ::fsync(fd), error = errno;
  ::close(fd);
  errno = error;
  if (result == 0) AfterFolderSync(path);
  return result;
}

int Ask(std::string_view what, const std::string& path, bool takes_space) {
  return Next(what, path, takes_space) == Fate::kFail ? errno : 0;
}

void BeforeWrite(const std::string& path, uint64_t offset, size_t count) {
  if (Tracks()) NoteWrite(path, offset, count);
}
void AfterSync(const std::string& path) {
  if (Tracks()) ForgetWrites(path);
}
void BeforeRemove(const std::string& path) {
  if (Tracks()) NoteRemove(path);
}
void AfterFolderSync(const std::string& path) {
  if (Tracks()) ForgetNames(path);
}

}  // namespace file_calls

Status WriteAll(int fd, const std::string& path, std::string_view bytes, uint64_t* size) {
  while (!bytes.empty()) {
    const ssize_t written = file_calls::Write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return EnvironmentError("{}: cannot write at byte {}: {}", path, *size, std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
    *size += static_cast<uint64_t>(written);
  }
  return {};
}

}  // namespace hew
