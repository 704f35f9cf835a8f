// The steps of a durable write, and a way to watch them: a test makes a write fail at a step, or ends the process there.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// In this order; kCommit is that of a database, which follows.
enum class FileStep { kCreate, kWrite, kSync, kRename, kSyncFolder, kCommit };

// Asked before each step; an error ends the write there. An empty one is nobody.
using FileObserver = std::function<Status(FileStep step, const std::string& path)>;

// As WriteFileAtomically, with every step told.
Status WriteFileInSteps(const std::string& path, std::string_view bytes, const FileObserver& observer);
// Makes a rename to `path` durable.
Status SyncFolderOf(const std::string& path, const FileObserver& observer = {});

}  // namespace hew
