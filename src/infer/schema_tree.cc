#include "infer/schema_tree.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/shown.h"

namespace hew {
namespace {

constexpr std::string_view kDescriptive[] = {"$schema",   "$id",      "$comment",   "title",      "description",
                                             "default",   "examples", "format",     "deprecated", "readOnly",
                                             "writeOnly", "$defs",    "definitions"};
constexpr std::string_view kOfTypes[] = {"type",
                                         "properties",
                                         "required",
                                         "additionalProperties",
                                         "items",
                                         "prefixItems",
                                         "minItems",
                                         "maxItems",
                                         "minLength",
                                         "maxLength",
                                         "minimum",
                                         "maximum",
                                         "exclusiveMinimum",
                                         "exclusiveMaximum"};

}  // namespace

const Json* Member(const Json& schema, const char* word) {
  const auto at = schema.find(word);
  return at == schema.end() ? nullptr : &*at;
}

bool IsType(const Json& v, std::string_view type) {
  if (type == "object") return v.is_object();
  if (type == "array") return v.is_array();
  if (type == "string") return v.is_string();
  if (type == "number") return v.is_number();
  if (type == "boolean") return v.is_boolean();
  if (type == "null") return v.is_null();
  return v.is_number_integer() || (v.is_number_float() && std::floor(v.get<double>()) == v.get<double>());
}

Status CheckWords(const Json& schema, const std::string& at) {
  const Json* type = Member(schema, "type");
  for (const auto& [word, value] : schema.items()) {
    const bool trivial = (word == "uniqueItems" && value == Json(false)) ||
                         (word == "multipleOf" && value == Json(1) && type && *type == Json("integer"));
    const bool whole =
        word == "$ref" || word == "const" || word == "enum" || word == "anyOf" || word == "oneOf" || word == "allOf";
    if (!trivial && !whole && !In(kDescriptive, word) && !In(kOfTypes, word)) {
      return BadInput("{}.{}: expected a word that can be kept while writing, found '{}'", at, Shown(word),
                      Shown(word));
    }
    if (!whole) continue;
    for (const auto& [other, ignored] : schema.items()) {
      const bool fits =
          other == word || In(kDescriptive, other) || (other == "type" && (word == "const" || word == "enum"));
      if (!fits) return BadInput("{}.{}: expected no '{}' beside it, found one", at, word, Shown(other));
    }
  }
  return {};
}

Result<std::vector<std::string>> TypesOf(const Json& schema, const std::string& at) {
  std::vector<std::string> types;
  if (schema.contains("type")) {
    const Json& type = schema["type"];
    for (const Json& one : type.is_array() ? type : Json::array({type})) {
      if (!one.is_string() || !In(kSchemaTypes, one.get<std::string>())) {
        return BadInput("{}.type: expected object, array, string, number, integer, boolean or null, found {}", at,
                        Shown(one.dump()));
      }
      types.push_back(one.get<std::string>());
    }
    if (types.empty()) return BadInput("{}.type: expected at least one type, found none", at);
    return types;
  }
  const auto any_of = [&](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return schema.contains(word); });
  };
  if (any_of({"properties", "required", "additionalProperties"})) types.push_back("object");
  if (any_of({"items", "prefixItems", "minItems", "maxItems"})) types.push_back("array");
  if (any_of({"minLength", "maxLength"})) types.push_back("string");
  if (any_of({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})) types.push_back("number");
  return types;
}

Result<std::pair<int32_t, int32_t>> Bounds(const Json& schema, const std::string& at, const char* min, const char* max,
                                           int32_t unbounded) {
  std::pair<int32_t, int32_t> bounds = {0, unbounded};
  for (const auto& [word, bound] : {std::pair(min, &bounds.first), std::pair(max, &bounds.second)}) {
    const Json* value = Member(schema, word);
    if (!value) continue;
    if (!IsType(*value, "integer") || value->get<double>() < 0 || value->get<double>() > 1e6) {
      return BadInput("{}.{}: expected a whole number from 0 to 1000000, found {}", at, word, Shown(value->dump()));
    }
    *bound = static_cast<int32_t>(value->get<double>());
  }
  if (bounds.first > bounds.second)
    return BadInput("{}.{}: expected at least {}, found {}", at, max, bounds.first, bounds.second);
  return bounds;
}

const Json* SchemaTree::Find(const std::string& reference) const {
  const Json* at = &root_;
  if (reference == "#") return at;
  if (!reference.starts_with("#/")) return nullptr;
  for (size_t begin = 2; begin <= reference.size();) {
    const size_t end = std::min(reference.find('/', begin), reference.size());
    std::string name = reference.substr(begin, end - begin);
    for (const auto& [escape, plain] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
      for (size_t i = 0; (i = name.find(escape, i)) != std::string::npos; ++i) name.replace(i, 2, plain);
    }
    const Json* member = at->is_object() ? Member(*at, name.c_str()) : nullptr;
    if (!member) return nullptr;
    at = member;
    begin = end + 1;
  }
  return at;
}

const Json* SchemaTree::Target(const Json& schema) const {
  const Json* at = &schema;
  for (int i = 0; at && at->is_object() && at->contains("$ref"); ++i) {
    const Json& reference = (*at)["$ref"];
    at = i < kMostSchemaNesting && reference.is_string() ? Find(reference.get<std::string>()) : nullptr;
  }
  return at;
}

bool SchemaTree::Exclude(const Json& first, const Json& second) const {
  const Json *a = Target(first), *b = Target(second);
  if (!a || !b || !a->is_object() || !b->is_object()) return false;
  const Json *type_a = Member(*a, "type"), *type_b = Member(*b, "type");
  if (type_a && type_b && type_a->is_string() && type_b->is_string()) {
    const auto kind = [](const Json& type) {
      return type == Json("integer") ? std::string("number") : type.get<std::string>();
    };
    if (kind(*type_a) != kind(*type_b)) return true;
  }
  const auto constant = [this](const Json& schema) -> std::optional<Json> {
    const Json* target = Target(schema);
    if (!target || !target->is_object()) return std::nullopt;
    if (const Json* value = Member(*target, "const")) return *value;
    const Json* list = Member(*target, "enum");
    return list && list->is_array() && list->size() == 1 ? std::optional((*list)[0]) : std::nullopt;
  };
  const auto differ = [&](const Json& x, const Json& y) {
    const auto value = constant(x), other = constant(y);
    return value && other && *value != *other;
  };
  if (differ(*a, *b)) return true;
  const Json *fields_a = Member(*a, "properties"), *fields_b = Member(*b, "properties");
  if (!fields_a || !fields_b || !fields_a->is_object() || !fields_b->is_object()) return false;
  const auto requires_field = [](const Json& schema, const std::string& name) {
    const Json* list = Member(schema, "required");
    return list && list->is_array() && std::find(list->begin(), list->end(), Json(name)) != list->end();
  };
  if (!type_a || !type_b || *type_a != Json("object") || *type_b != Json("object")) return false;
  for (const auto& [name, field] : fields_a->items()) {
    const Json* other = Member(*fields_b, name.c_str());
    if (other && requires_field(*a, name) && requires_field(*b, name) && differ(field, *other)) return true;
  }
  return false;
}

}  // namespace hew
