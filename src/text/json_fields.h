// Fields of a tokenizer's JSON files, where a missing or odd one counts as left out.
#pragma once

#include <string>

#include "base/json.h"

namespace hew {

inline const Json& FieldOf(const Json& json, const char* key) {
  static const Json null;
  if (!json.is_object()) return null;
  const auto at = json.find(key);
  return at == json.end() ? null : *at;
}

inline std::string TextOf(const Json& json, const char* key) {
  const Json& field = FieldOf(json, key);
  return field.is_string() ? field.get<std::string>() : "";
}

inline bool FlagOf(const Json& json, const char* key, bool fallback = false) {
  const Json& field = FieldOf(json, key);
  return field.is_boolean() ? field.get<bool>() : fallback;
}

}  // namespace hew
