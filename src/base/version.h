#pragma once

namespace hew {

inline constexpr const char* kHewVersion = "hew 0.1.0";

}  // namespace hew
