// Finding one's way in a JSON Schema: references, the words a decoder can keep, forms that exclude each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hew {

inline constexpr int kMostSchemaNesting = 100;  // of schemas in schemas, references included

inline constexpr std::string_view kSchemaTypes[] = {"object",  "array",   "string", "number",
                                                    "integer", "boolean", "null"};

template <size_t n>
bool In(const std::string_view (&words)[n], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// A member of an object, or null.
const Json* Member(const Json& schema, const char* word);
// Whether a value is of a type of JSON Schema; a whole float is an integer.
bool IsType(const Json& value, std::string_view type);
// Whether every word of the schema `at` is one that can be kept while writing, and beside others that it can be kept
// with.
Status CheckWords(const Json& schema, const std::string& at);
// The types it names, or that its words are about; none: anything.
Result<std::vector<std::string>> TypesOf(const Json& schema, const std::string& at);
// [min, max] of whole numbers of 0 or more; without a word 0 and `unbounded`.
Result<std::pair<int32_t, int32_t>> Bounds(const Json& schema, const std::string& at, const char* min, const char* max,
                                           int32_t unbounded);

class SchemaTree {
 public:
  explicit SchemaTree(const Json& root) : root_(root) {}
  const Json& root() const { return root_; }

  // The place that "#/$defs/name" means, or null.
  const Json* Find(const std::string& reference) const;
  // Where references lead; null if to nowhere.
  const Json* Target(const Json& schema) const;
  // Whether certainly no value fits both.
  bool Exclude(const Json& first, const Json& second) const;

 private:
  const Json& root_;
};

}  // namespace hew
