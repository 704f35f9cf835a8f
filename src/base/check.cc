#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hew {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "hew: internal error at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace hew
