#include "studio/json_schema.h"

#include <algorithm>
#include <cmath>

#include "base/shown.h"
#include "infer/schema_tree.h"
#include "text/regex.h"

namespace hew {
namespace {

constexpr int kMaxDepth = 200;  // of schemas in schemas, references included

constexpr std::string_view kDescriptive[] = {"$schema",  "$id",    "$comment",   "title",    "description", "default",
                                             "examples", "format", "deprecated", "readOnly", "writeOnly"};
constexpr std::string_view kNumbers[] = {"minimum",    "maximum",       "exclusiveMinimum", "exclusiveMaximum",
                                         "multipleOf", "minItems",      "maxItems",         "minLength",
                                         "maxLength",  "minProperties", "maxProperties"};
constexpr std::string_view kLists[] = {"anyOf", "oneOf", "allOf", "prefixItems"};
constexpr std::string_view kMaps[] = {"properties", "$defs", "definitions"};

const Json* Resolve(const Json& root, const std::string& reference) {
  if (reference == "#") return &root;
  if (!reference.starts_with("#/")) return nullptr;
  const Json* at = &root;
  std::string_view rest = std::string_view(reference).substr(2);
  while (true) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const auto next = at->is_object() ? at->find(std::string(rest.substr(0, end))) : at->end();
    if (!at->is_object() || next == at->end()) return nullptr;
    at = &*next;
    if (end == rest.size()) return at;
    rest.remove_prefix(end + 1);
  }
}

Status CheckWord(const Json& root, const std::string& word, const Json& value, int depth);

Status CheckOne(const Json& root, const Json& schema, int depth) {
  if (schema.is_boolean()) return {};
  if (!schema.is_object()) return BadInput("expected a schema (an object), found {}", schema.type_name());
  if (depth > kMaxDepth) return BadInput("expected at most {} schemas inside one another, found more", kMaxDepth);
  for (const auto& [word, value] : schema.items()) {
    if (auto known = CheckWord(root, word, value, depth); !known) return Annotate(word, std::move(known).error());
  }
  return {};
}

Status CheckWord(const Json& root, const std::string& word, const Json& value, int depth) {
  if (In(kDescriptive, word) || word == "const") return {};
  if (In(kNumbers, word))
    return value.is_number() ? Status() : BadInput("expected a number, found {}", value.type_name());
  if (In(kLists, word) || In(kMaps, word)) {
    const bool list = In(kLists, word);
    if (list ? !value.is_array() || value.empty() : !value.is_object())
      return BadInput("expected {}, found {}", list ? "a list of schemas" : "an object of schemas", value.type_name());
    for (const auto& [name, part] : value.items()) HEW_RETURN_IF_ERROR(CheckOne(root, part, depth + 1));
    return {};
  }
  if (word == "items" || word == "not" || word == "additionalProperties") return CheckOne(root, value, depth + 1);
  if (word == "uniqueItems")
    return value.is_boolean() ? Status() : BadInput("expected true or false, found {}", value.type_name());
  if (word == "enum")
    return value.is_array() && !value.empty() ? Status()
                                              : BadInput("expected a list of values, found {}", value.type_name());
  if (word == "required") {
    const bool names =
        value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); });
    return names ? Status() : BadInput("expected a list of names, found {}", value.dump());
  }
  if (word == "pattern") {
    if (!value.is_string()) return BadInput("expected a regular expression, found {}", value.type_name());
    const auto regex = Regex::Compile(value.get<std::string>());
    return regex ? Status() : Status(tl::unexpected(regex.error()));
  }
  if (word == "type") {
    const Json types = value.is_array() ? value : Json::array({value});
    for (const auto& type : types) {
      if (!type.is_string() || !In(kSchemaTypes, type.get<std::string>()))
        return BadInput("expected object, array, string, number, integer, boolean or null, found {}", type.dump());
    }
    return {};
  }
  if (word == "$ref") {
    if (!value.is_string() || !Resolve(root, value.get<std::string>()))
      return BadInput("expected a place in this schema such as #/$defs/name, found {}", value.dump());
    return {};
  }
  return BadInput("expected a word of JSON Schema that Hew checks, found '{}'", Shown(word));
}

size_t Characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class Validator {
 public:
  explicit Validator(const Json& root) : root_(root) {}

  Status Fits(const Json& value, const Json& schema, const std::string& at, int depth) {
    if (schema.is_boolean()) return schema.get<bool>() ? Status() : Wrong(at, "nothing", value.dump());
    if (depth > kMaxDepth)
      return BadInput("{}: expected at most {} schemas inside one another, found more", at, kMaxDepth);
    for (const auto& [word, wanted] : schema.items()) HEW_RETURN_IF_ERROR(Word(word, wanted, value, schema, at, depth));
    return {};
  }

 private:
  static Status Wrong(const std::string& at, const std::string& expected, const std::string& found) {
    return BadInput("{}: expected {}, found {}", at.empty() ? "answer" : at, expected, Shown(found));
  }

  Status Word(const std::string& word, const Json& wanted, const Json& value, const Json& schema, const std::string& at,
              int depth) {
    if (word == "type") {
      const Json types = wanted.is_array() ? wanted : Json::array({wanted});
      const bool fits =
          std::any_of(types.begin(), types.end(), [&](const Json& t) { return IsType(value, t.get<std::string>()); });
      return fits ? Status()
                  : Wrong(at, wanted.is_string() ? wanted.get<std::string>() : wanted.dump(), value.type_name());
    }
    if (word == "const") return value == wanted ? Status() : Wrong(at, wanted.dump(), value.dump());
    if (word == "enum")
      return std::find(wanted.begin(), wanted.end(), value) != wanted.end()
                 ? Status()
                 : Wrong(at, "one of " + wanted.dump(), value.dump());
    if (word == "$ref") return Fits(value, *Resolve(root_, wanted.get<std::string>()), at, depth + 1);
    if (word == "allOf" || word == "anyOf" || word == "oneOf") return Several(word, wanted, value, at, depth);
    if (word == "not")
      return Fits(value, wanted, at, depth + 1) ? Wrong(at, "anything but what fits " + wanted.dump(), value.dump())
                                                : Status();
    if (value.is_object()) return ObjectWord(word, wanted, value, schema, at, depth);
    if (value.is_array()) return ArrayWord(word, wanted, value, schema, at, depth);
    if (value.is_string()) return StringWord(word, wanted, value.get<std::string>(), at);
    if (value.is_number()) return NumberWord(word, wanted, value.get<double>(), at);
    return {};
  }

  Status Several(const std::string& word, const Json& wanted, const Json& value, const std::string& at, int depth) {
    size_t fitting = 0;
    for (const auto& part : wanted) {
      auto fits = Fits(value, part, at, depth + 1);
      if (!fits && word == "allOf") return fits;
      fitting += fits.has_value();
    }
    const bool good = word == "allOf" || (word == "anyOf" ? fitting > 0 : fitting == 1);
    return good ? Status()
                : Wrong(at, fmt::format("{} of {} forms", word == "anyOf" ? "one or more" : "just one", wanted.size()),
                        fmt::format("{} that fit", fitting));
  }

  Status ObjectWord(const std::string& word, const Json& wanted, const Json& value, const Json& schema,
                    const std::string& at, int depth) {
    const auto child = [&](const std::string& name) { return at.empty() ? name : at + "." + name; };
    if (word == "required") {
      for (const auto& name : wanted) {
        if (!value.contains(name.get<std::string>())) return Wrong(child(name.get<std::string>()), "a value", "none");
      }
    } else if (word == "properties") {
      for (const auto& [name, part] : wanted.items()) {
        if (value.contains(name)) HEW_RETURN_IF_ERROR(Fits(value[name], part, child(name), depth + 1));
      }
    } else if (word == "additionalProperties") {
      for (const auto& [name, part] : value.items()) {
        if (schema.contains("properties") && schema["properties"].contains(name)) continue;
        if (wanted == Json(false)) return Wrong(at, "no other field", name);
        HEW_RETURN_IF_ERROR(Fits(part, wanted, child(name), depth + 1));
      }
    } else if (word == "minProperties" || word == "maxProperties") {
      return Bound(word.starts_with("min"), wanted.get<double>(), static_cast<double>(value.size()), at, "fields");
    }
    return {};
  }

  Status ArrayWord(const std::string& word, const Json& wanted, const Json& value, const Json& schema,
                   const std::string& at, int depth) {
    const auto child = [&](size_t i) { return fmt::format("{}[{}]", at, i); };
    if (word == "items") {
      const size_t first = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
      for (size_t i = first; i < value.size(); ++i) HEW_RETURN_IF_ERROR(Fits(value[i], wanted, child(i), depth + 1));
    } else if (word == "prefixItems") {
      for (size_t i = 0; i < std::min(value.size(), wanted.size()); ++i)
        HEW_RETURN_IF_ERROR(Fits(value[i], wanted[i], child(i), depth + 1));
    } else if (word == "minItems" || word == "maxItems") {
      return Bound(word == "minItems", wanted.get<double>(), static_cast<double>(value.size()), at, "items");
    } else if (word == "uniqueItems" && wanted.get<bool>()) {
      for (size_t i = 1; i < value.size(); ++i) {
        if (std::find(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(i), value[i]) !=
            value.begin() + static_cast<std::ptrdiff_t>(i))
          return Wrong(child(i), "an item of its own", value[i].dump());
      }
    }
    return {};
  }

  Status StringWord(const std::string& word, const Json& wanted, const std::string& value, const std::string& at) {
    if (word == "minLength" || word == "maxLength")
      return Bound(word == "minLength", wanted.get<double>(), static_cast<double>(Characters(value)), at, "characters");
    if (word != "pattern") return {};
    const auto regex = Regex::Compile(wanted.get<std::string>());
    return regex && regex->Search(value) ? Status() : Wrong(at, "text like " + wanted.get<std::string>(), value);
  }

  Status NumberWord(const std::string& word, const Json& wanted, double value, const std::string& at) {
    if (!wanted.is_number()) return {};
    const double bound = wanted.get<double>();
    const bool wrong = (word == "minimum" && value < bound) || (word == "maximum" && value > bound) ||
                       (word == "exclusiveMinimum" && value <= bound) ||
                       (word == "exclusiveMaximum" && value >= bound) ||
                       (word == "multipleOf" && bound > 0 &&
                        std::abs(std::remainder(value, bound)) > 1e-9 * std::max(1.0, std::abs(value)));
    return wrong ? Wrong(at, fmt::format("{} {}", word, wanted.dump()), fmt::format("{}", value)) : Status();
  }

  static Status Bound(bool least, double bound, double found, const std::string& at, const char* unit) {
    if (least ? found >= bound : found <= bound) return {};
    return Wrong(at, fmt::format("at {} {} {}", least ? "least" : "most", bound, unit), fmt::format("{}", found));
  }

  const Json& root_;
};

}  // namespace

Status CheckSchema(const Json& schema) { return CheckOne(schema, schema, 0); }

Status FitsSchema(const Json& value, const Json& schema) { return Validator(schema).Fits(value, schema, "", 0); }

}  // namespace hew
