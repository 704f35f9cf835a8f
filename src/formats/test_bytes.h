// For tests only: what they ask of an error about a file; raw_bytes.h makes the files.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/result.h"
#include "formats/raw_bytes.h"

namespace hew {

// An error for the user: one line of bounded length that names the file and says what was expected and found.
inline void ExpectGoodError(const Error& error, const std::string& path, const std::string& mentions) {
  EXPECT_EQ(error.code, ErrorCode::kBadInput);
  EXPECT_TRUE(error.message.starts_with(path)) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
  EXPECT_LT(error.message.size(), path.size() + 400) << error.message;
  EXPECT_NE(error.message.find("expected"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("found"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(mentions), std::string::npos) << error.message << "\nshould mention: " << mentions;
}

}  // namespace hew
