// HEW_CHECK guards our own mistakes and stays on in release. Nothing that a file, a user or a client sends may reach it.
#pragma once

namespace hew {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}

#define HEW_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::hew::CheckFailed(#condition, __FILE__, __LINE__))
