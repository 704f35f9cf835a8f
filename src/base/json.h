// Reading JSON that came from outside: strict, bounded and with errors as values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/shown.h"

namespace hew {

using Json = nlohmann::ordered_json;  // keeps the order of keys; looking a key up is linear in the object's size

struct JsonLimits {
  int max_depth = 100;  // arrays and objects inside one another
};

// Parses one whole document. Refused: a repeated key, nesting deeper than the limit, anything after the document, text
// that is not UTF-8, lone surrogates, numbers beyond double. A byte-order mark at the start is accepted.
// Errors: kBadInput "NAME: line 3, column 14 (byte 57): ...", or "NAME: key "x": expected once, found twice".
// Objects of any size are built in linear time; go through a large one with items(), not with find().
Result<Json> ParseJson(std::string_view text, const std::string& name, const JsonLimits& limits = {});

// As json.dump(indent), which throws at text that is no UTF-8, such as a path may be: here it becomes U+FFFD.
template <typename AnyJson>
std::string DumpJson(const AnyJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, AnyJson::error_handler_t::replace);
}

}  // namespace hew
