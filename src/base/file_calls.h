// The calls by which files are read and written, under their system names. Each can be made to fail, by its number,
// from a test or through the environment: what happens when a disk is full, breaks, or loses its power in between.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

enum class FaultKind : uint8_t {
  kEio,    // the call fails: the device
  kFull,   // the call fails: no space (where it takes space; else as kEio)
  kShort,  // a write takes half of its bytes, which is no error; other calls are as ever
  kKill,   // the process ends before the call, as by kill -9
  kCrash,  // the same with the power: what was not synced is lost, names as well as bytes
};

struct FileFault {
  int64_t call = 0;  // counted from 1; 0: none; below 0, with kCrash: when the program has ended
  FaultKind kind = FaultKind::kEio;
};

// Counts from now on, and lets that call fail. HEW_FILE_FAULT=17:eio (full, short, kill, crash) does so from the start.
// The call that fails says so on standard error: "hew: file call 17: ...".
void SetFileFault(const FileFault& fault);
void ClearFileFault();
bool FileFaultSet();
int64_t FileCalls();  // so far, since SetFileFault

namespace file_calls {

// As open, read, write, ... of the system, with its results and errno.
int Open(const std::string& path, int flags, mode_t mode = 0);
ssize_t Read(int fd, void* bytes, size_t count);
ssize_t Write(int fd, const void* bytes, size_t count);
int Sync(int fd);
int Truncate(int fd, uint64_t size);
int Rename(const std::string& from, const std::string& to);
int MakeFolder(const std::string& path);  // one; EEXIST where it is there
int SyncFolder(const std::string& path);

// For the files of others (SQLite's): counts a call named `what`. An error number where it has to fail, else 0.
int Ask(std::string_view what, const std::string& path, bool takes_space);
// Before these bytes are written, and after all bytes are safe, and before a name goes away: what kCrash needs.
void BeforeWrite(const std::string& path, uint64_t offset, size_t count);
void AfterSync(const std::string& path);
void BeforeRemove(const std::string& path);
void AfterFolderSync(const std::string& path);

}  // namespace file_calls

// All of `bytes`, however many calls that takes; `size` grows by what was written. Errors name `path`.
Status WriteAll(int fd, const std::string& path, std::string_view bytes, uint64_t* size);

}  // namespace hew
