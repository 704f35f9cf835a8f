// URLs taken apart, as far as fetching needs it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

struct HttpTarget {
  std::string url;           // absolute
  std::string scheme, host;  // in lower case; http or https
  std::string origin;        // "https://host:443", spelled out
};

// `location`, absolute or, with a base, relative to it. Errors: kBadInput when it is no URL, or another scheme's.
Result<HttpTarget> ParseHttpTarget(const std::string& base, const std::string& location);

std::string AsciiLower(std::string_view text);
bool IsThisMachine(const std::string& host);  // a name or address of the loopback interface

}  // namespace hew
