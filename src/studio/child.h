// Another program, run to its end.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"

namespace hew {

struct ChildOutput {
  int status = 0;        // its exit status, or 128 + the signal that ended it
  std::string out, err;  // of each the first 4 MB
  double seconds = 0;
  uint64_t peak_rss_bytes = 0;  // the most memory it held
};

// arguments[0] is the program, looked for along PATH. Errors: kEnvironment when it cannot be started; kCancelled (it is
// ended). What the program itself makes of it stands in `status`.
Result<ChildOutput> RunChild(const std::vector<std::string>& arguments, const std::atomic<bool>* cancel = nullptr);

}  // namespace hew
