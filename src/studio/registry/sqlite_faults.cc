#include "studio/registry/sqlite_faults.h"

#include <sqlite3.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "base/file_calls.h"

namespace hew {
namespace {

constexpr const char* kName = "hew-faults";

// SQLite's file with the file below it, which lies behind it in the memory that SQLite gives.
struct FaultyFile {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

FaultyFile* Of(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real(); }
sqlite3_vfs* Below() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}

int Failed(int error, int otherwise) { return error == ENOSPC ? SQLITE_FULL : otherwise; }

int Close(sqlite3_file* file) {
  const int code = Real(file)->pMethods ? Real(file)->pMethods->xClose(Real(file)) : SQLITE_OK;
  delete Of(file)->path;
  return code;
}

int Write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  const std::string& path = *Of(file)->path;
  if (const int error = file_calls::Ask("database write", path, true)) return Failed(error, SQLITE_IOERR_WRITE);
  file_calls::BeforeWrite(path, static_cast<uint64_t>(offset), static_cast<size_t>(count));
  return Real(file)->pMethods->xWrite(Real(file), bytes, count, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const std::string& path = *Of(file)->path;
  if (file_calls::Ask("database truncate", path, false)) return SQLITE_IOERR_TRUNCATE;
  file_calls::BeforeWrite(path, static_cast<uint64_t>(size), SIZE_MAX);
  return Real(file)->pMethods->xTruncate(Real(file), size);
}

int Sync(sqlite3_file* file, int flags) {
  const std::string& path = *Of(file)->path;
  if (const int error = file_calls::Ask("database sync", path, true)) return Failed(error, SQLITE_IOERR_FSYNC);
  const int code = Real(file)->pMethods->xSync(Real(file), flags);
  if (code == SQLITE_OK) file_calls::AfterSync(path);
  return code;
}

int Open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  Real(file)->pMethods = nullptr;
  if (file_calls::Ask("database open", name ? name : "", true)) return SQLITE_CANTOPEN;
  const int code = Below()->xOpen(Below(), name, Real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  // All but what changes the disk is the file below's. Version 1 leaves out shared memory and mapping, which a rollback
  // journal does not need.
  static const sqlite3_io_methods methods = {
      1,
      Close,
      [](sqlite3_file* f, void* bytes, int count, sqlite3_int64 at) {
        return Real(f)->pMethods->xRead(Real(f), bytes, count, at);
      },
      Write,
      Truncate,
      Sync,
      [](sqlite3_file* f, sqlite3_int64* size) { return Real(f)->pMethods->xFileSize(Real(f), size); },
      [](sqlite3_file* f, int level) { return Real(f)->pMethods->xLock(Real(f), level); },
      [](sqlite3_file* f, int level) { return Real(f)->pMethods->xUnlock(Real(f), level); },
      [](sqlite3_file* f, int* held) { return Real(f)->pMethods->xCheckReservedLock(Real(f), held); },
      [](sqlite3_file* f, int what, void* value) { return Real(f)->pMethods->xFileControl(Real(f), what, value); },
      [](sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); },
      [](sqlite3_file* f) { return Real(f)->pMethods->xDeviceCharacteristics(Real(f)); },
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr};
  Of(file)->path = new std::string(name ? name : "");
  file->pMethods = &methods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_folder) {
  if (file_calls::Ask("database delete", name, false)) return SQLITE_IOERR_DELETE;
  file_calls::BeforeRemove(name);
  const int code = Below()->xDelete(Below(), name, sync_folder);
  if (code == SQLITE_OK && sync_folder) file_calls::AfterFolderSync(std::filesystem::path(name).parent_path().string());
  return code;
}

}  // namespace

const char* FaultyVfs() {
  if (!FileFaultSet()) return nullptr;
  static const bool registered = [] {
    static sqlite3_vfs vfs = *Below();  // clocks, random numbers and paths are those below
    vfs.zName = kName;
    vfs.pNext = nullptr;
    vfs.szOsFile = Below()->szOsFile + static_cast<int>(sizeof(FaultyFile));
    vfs.xOpen = Open;
    vfs.xDelete = Delete;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  return registered ? kName : nullptr;
}

}  // namespace hew
