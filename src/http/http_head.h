// The first lines of a reply.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace hew {

// Status line and fields up to the empty line. What keeps browsers careful is added where `fields` says nothing of it;
// no value can end its line. `length`: of the body, where it is known; `chunked`: where it is not.
std::string FormatHttpHead(int status, std::map<std::string, std::string> fields, std::optional<size_t> length,
                           bool keep, bool chunked);

}  // namespace hew
