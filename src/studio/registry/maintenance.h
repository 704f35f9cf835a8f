// Whether all of a workspace is whole, making a version again, and letting go of what nothing needs.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/runtime.h"
#include "studio/registry/workspace.h"

namespace hew {

struct VerifyReport {
  int64_t versions = 0, objects = 0;
  uint64_t bytes = 0;
  std::vector<std::string> faults;  // one line each: what, expected, found
};
// Reads everything: the database, each object against its digest, each version's parts, bases where they should lie.
// on_object(done, all) as they are read.
Result<VerifyReport> Verify(const Workspace& workspace,
                            const std::function<void(int64_t, int64_t)>& on_object = nullptr);

struct GcReport {
  int64_t removed = 0;
  uint64_t bytes = 0;
};
// Removes objects that no version names, leftovers of killed writers, and laid-out copies. Waits for writers; training
// at work keeps it away. `only_say`: removes nothing.
Result<GcReport> CollectGarbage(const Workspace& workspace, bool only_say);

struct RebuildReport {
  bool same = false;
  std::string file, expected, found;  // the weights' file and its digests
  std::vector<std::string> changed;   // inputs that are not what they were, in words
};
// Trains or merges again from the recorded recipe and inputs, aside, and compares the weights' bits. An input that is
// missing or has changed is named, and nothing is trained. Only adapters and merged models can be made again.
Result<RebuildReport> Rebuild(const Workspace& workspace, const Runtime& rt, const Version& version, bool quiet,
                              const std::atomic<bool>* cancelled);

// Trains a version again, with its seed and recipe, without the rows that have one of `digests`; gives the adapter's
// folder, inside `folder`.
Result<std::string> TuneWithout(const Workspace& workspace, const Runtime& rt, const Version& version,
                                const std::vector<std::string>& digests, const std::string& folder, bool quiet,
                                const std::atomic<bool>* cancelled);

}  // namespace hew
