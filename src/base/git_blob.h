#pragma once

#include <string>

#include "base/result.h"

namespace hew {

// The name that Git gives a file's content: SHA-1 of "blob SIZE\0" and the bytes, 40 hexadecimal digits.
Result<std::string> GitBlobSha1OfFile(const std::string& path);

}  // namespace hew
