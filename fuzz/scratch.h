// A folder for targets whose readers take paths. TMPDIR may name one in memory.
#pragma once

#include "base/test_folder.h"

namespace hew::fuzz {

inline const TestFolder& Scratch() {
  static const TestFolder folder;
  return folder;
}

}  // namespace hew::fuzz
