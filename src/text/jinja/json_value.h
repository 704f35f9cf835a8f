// JSON to values and back: the context of a rendering, and the filter tojson.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace hew::jinja {

// An error for numbers beyond int64 and for nesting beyond kMaxNesting. `is_data`: the texts in it, names included, are
// marked as the caller's data; but a plain word as a message's role is not, since templates build tokens of it
// ('<|' + role + '|>') and it spells none alone.
Result<Value> FromJson(const nlohmann::ordered_json& json, bool is_data);

// The settings of Python's json.dumps.
struct DumpOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level's white space; none: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Result<MarkedText> DumpJson(const Value& value, const DumpOptions& options, Budget* budget);

}  // namespace hew::jinja
