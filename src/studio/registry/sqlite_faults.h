// SQLite's own writes, counted and made to fail like the program's (base/file_calls.h).
#pragma once

namespace hew {

// The name of a layer above SQLite's file system where a fault is set; else null, which is SQLite's own.
const char* FaultyVfs();

}  // namespace hew
