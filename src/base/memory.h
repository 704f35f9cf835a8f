// How much memory there is to have, before it is taken.
#pragma once

#include <cstdint>
#include <string>

namespace hew {

// What this process may still take: what the system has to give (MemAvailable), at most what the limits of its control
// groups (v1 and v2, with those around them) and of the process (RLIMIT_AS) leave. Pages that only cache files count as
// free. `root` stands before /proc and /sys, for tests.
uint64_t AvailableMemoryBytes(const std::string& root = "");

uint64_t ResidentBytes();  // of this process now; base/progress.h has the peak

}  // namespace hew
