// What a loss of power would take: all that was done to files and is not on the disk yet, kept so that it can be
// undone. For file_calls.cc, in tests alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hew {

std::string PathOfDescriptor(int fd);

// Before bytes [offset, offset + count) of a file change, or go away (count SIZE_MAX: all behind offset).
void NoteWrite(const std::string& path, uint64_t offset, size_t count);
void ForgetWrites(const std::string& path);  // they are on the disk

// After a name was made, and before one is given to something else or goes away.
void NoteNewName(const std::string& path);
void NoteRename(const std::string& from, const std::string& to);
void NoteRemove(const std::string& path);
void ForgetNames(const std::string& folder);  // they are on the disk

void UndoUnsynced();

}  // namespace hew
