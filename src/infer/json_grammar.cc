#include "infer/json_grammar.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/shown.h"
#include "infer/json_numbers.h"

namespace hew {
namespace {

constexpr int kMostNesting = 100;               // of schemas in schemas, references included
constexpr size_t kMostNodes = size_t{1} << 20;  // of a grammar: some 50 MB
constexpr size_t kMostFields = 1000;            // of one object
constexpr int32_t kLongestName = 64;            // of a field that the schema does not name, in characters

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
constexpr std::string_view kTypes[] = {"object", "array", "string", "number", "integer", "boolean", "null"};

template <size_t n>
bool In(const std::string_view (&words)[n], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
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

class Compiler {
 public:
  Compiler(const Json& root, const TokenTable& table) : root_(root), table_(table) {}

  Result<GrammarGraph> Compile() {
    const NodeId end = graph_.Accept();
    if (root_.is_boolean() && root_.get<bool>()) {
      graph_.start = AnyObject(end);
    } else {
      HEW_ASSIGN(graph_.start, Value(root_, kRoot, end, 0));
    }
    graph_.SetHeights();
    if (graph_.at(graph_.start).height > GrammarGraph::kMostDepth) {
      return BadInput("{}: expected a schema that some JSON of at most {} levels fits, found none", kRoot,
                      GrammarGraph::kMostDepth);
    }
    return std::move(graph_);
  }

 private:
  static constexpr const char* kRoot = "response_format.schema";

  Result<NodeId> Value(const Json& schema, const std::string& at, NodeId next, int depth) {
    if (schema.is_boolean()) return schema.get<bool>() ? AnyValue(next) : graph_.Either({});
    if (!schema.is_object()) return BadInput("{}: expected a schema (an object), found {}", at, schema.type_name());
    if (depth > kMostNesting)
      return BadInput("{}: expected at most {} schemas inside one another, found more", at, kMostNesting);
    if (graph_.nodes.size() > kMostNodes)
      return BadInput("{}: expected a smaller schema, found one of over {} parts", kRoot, kMostNodes);
    for (const auto& [word, value] : schema.items()) {
      const bool trivial = (word == "uniqueItems" && value == Json(false)) ||
                           (word == "multipleOf" && value == Json(1) && schema.value("type", "") == "integer");
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
    if (schema.contains("$ref")) return Reference(schema["$ref"], at + ".$ref", next, depth);
    if (schema.contains("const")) return Values(Json::array({schema["const"]}), schema, at + ".const", next);
    if (schema.contains("enum")) return Values(schema["enum"], schema, at + ".enum", next);
    for (const char* word : {"anyOf", "oneOf", "allOf"}) {
      if (schema.contains(word)) return Several(schema[word], word, at + "." + word, next, depth);
    }
    HEW_ASSIGN(const std::vector<std::string> types, TypesOf(schema, at));
    if (types.empty()) return AnyValue(next);
    std::vector<NodeId> ways;
    for (const std::string& type : types) {
      HEW_ASSIGN(const NodeId way, OfType(type, schema, at, next, depth));
      ways.push_back(way);
    }
    return graph_.Either(ways);
  }

  // The types it names, or that its words are about; none: anything.
  static Result<std::vector<std::string>> TypesOf(const Json& schema, const std::string& at) {
    std::vector<std::string> types;
    if (schema.contains("type")) {
      const Json& type = schema["type"];
      for (const Json& one : type.is_array() ? type : Json::array({type})) {
        if (!one.is_string() || !In(kTypes, one.get<std::string>())) {
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

  Result<NodeId> OfType(const std::string& type, const Json& schema, const std::string& at, NodeId next, int depth) {
    if (type == "null") return graph_.Literal("null", next);
    if (type == "boolean") return graph_.Either({graph_.Literal("true", next), graph_.Literal("false", next)});
    if (type == "string") {
      HEW_ASSIGN(const auto length, Bounds(schema, at, "minLength", "maxLength"));
      return graph_.Byte('"', '"', graph_.String(length.first, length.second, false, next));
    }
    if (type == "number" || type == "integer") return Number(type == "integer", schema, at, next);
    // Objects and arrays are called: each once, however often it is referred to.
    if (const auto known = containers_.find({&schema, type}); known != containers_.end()) {
      return graph_.Call(known->second.first, next, known->second.second);
    }
    const NodeId body = graph_.Later();
    int32_t names = -1;
    if (type == "object") {
      std::vector<std::string> declared;
      for (const Json* list : {Member(schema, "properties"), Member(schema, "required")}) {
        if (!list) continue;
        for (const auto& [name, value] : list->items())
          declared.push_back(list->is_object() ? name : value.is_string() ? value.get<std::string>() : "");
      }
      names = graph_.AddNames(std::move(declared));
    }
    containers_[{&schema, type}] = {body, names};
    HEW_ASSIGN(const NodeId inside, type == "object" ? Object(schema, at, depth) : Array(schema, at, depth));
    graph_.Resolve(body, inside);
    return graph_.Call(body, next, names);
  }

  static const Json* Member(const Json& schema, const char* word) {
    const auto at = schema.find(word);
    return at == schema.end() ? nullptr : &*at;
  }

  // Text that stands as it is; every byte must be sayable.
  Result<NodeId> Text(const std::string& text, const std::string& at, NodeId next) {
    for (const char c : text) {
      if (!table_.has_byte(static_cast<uint8_t>(c))) {
        return BadInput("{}: expected text that this model's tokens can spell, found {}", at, Shown(text));
      }
    }
    return graph_.Literal(text, next);
  }

  Result<NodeId> Values(const Json& values, const Json& schema, const std::string& at, NodeId next) {
    if (!values.is_array() || values.empty())
      return BadInput("{}: expected a list of values, found {}", at, Shown(values.dump()));
    HEW_ASSIGN(const std::vector<std::string> types, TypesOf(schema, at));
    std::vector<NodeId> ways;
    for (const Json& value : values) {
      const bool fits = types.empty() ||
                        std::any_of(types.begin(), types.end(), [&](const auto& type) { return IsType(value, type); });
      if (!fits) continue;
      HEW_ASSIGN(const NodeId way, Text(value.dump(), at, next));
      ways.push_back(way);
    }
    return graph_.Either(ways);
  }

  Result<NodeId> Reference(const Json& reference, const std::string& at, NodeId next, int depth) {
    const Json* target = reference.is_string() ? Find(reference.get<std::string>()) : nullptr;
    if (!target)
      return BadInput("{}: expected a place in this schema such as #/$defs/name, found {}", at,
                      Shown(reference.dump()));
    return Value(*target, kRoot + reference.get<std::string>().substr(1), next, depth + 1);
  }

  const Json* Find(const std::string& reference) const {
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

  Result<NodeId> Several(const Json& list, const std::string& word, const std::string& at, NodeId next, int depth) {
    if (!list.is_array() || list.empty())
      return BadInput("{}: expected a list of schemas, found {}", at, Shown(list.dump()));
    if (word == "allOf" && list.size() > 1)
      return BadInput("{}: expected one schema, found {}: they cannot be joined", at, list.size());
    if (word == "oneOf") {
      for (size_t i = 0; i < list.size(); ++i) {
        for (size_t k = 0; k < i; ++k) {
          if (!Exclude(list[i], list[k])) {
            return BadInput(
                "{}: expected schemas of different types or with a required constant that differs, found [{}] and [{}] "
                "alike",
                at, k, i);
          }
        }
      }
    }
    std::vector<NodeId> ways;
    for (size_t i = 0; i < list.size(); ++i) {
      HEW_ASSIGN(const NodeId way, Value(list[i], fmt::format("{}[{}]", at, i), next, depth + 1));
      ways.push_back(way);
    }
    return graph_.Either(ways);
  }

  // Whether certainly no value fits both.
  bool Exclude(const Json& first, const Json& second) const {
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

  // Where references lead; null if to nowhere.
  const Json* Target(const Json& schema) const {
    const Json* at = &schema;
    for (int i = 0; at && at->is_object() && at->contains("$ref"); ++i) {
      const Json& reference = (*at)["$ref"];
      at = i < kMostNesting && reference.is_string() ? Find(reference.get<std::string>()) : nullptr;
    }
    return at;
  }

  // [min, max] of whole numbers of 0 or more.
  static Result<std::pair<int32_t, int32_t>> Bounds(const Json& schema, const std::string& at, const char* min,
                                                    const char* max) {
    std::pair<int32_t, int32_t> bounds = {0, GrammarGraph::kUnbounded};
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

  Result<NodeId> Number(bool integer, const Json& schema, const std::string& at, NodeId next) {
    NumberBound low = {-kMostInteger, false}, high = {kMostInteger, false};
    bool bounded = false;
    for (const char* word : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
      const Json* value = Member(schema, word);
      if (!value) continue;
      if (!value->is_number()) return BadInput("{}.{}: expected a number, found {}", at, word, Shown(value->dump()));
      const bool is_low = std::string_view(word).ends_with("inimum"),
                 open = std::string_view(word).starts_with("exclusive");
      double number = value->get<double>();
      if (!integer && std::floor(number) != number) {
        return BadInput("{}.{}: expected a whole number (only those can be kept while writing), found {}", at, word,
                        value->dump());
      }
      number = is_low ? std::ceil(number) : std::floor(number);
      if (std::abs(number) > static_cast<double>(kMostInteger)) {
        return BadInput("{}.{}: expected a number of at most 16 digits, found {}", at, word, value->dump());
      }
      // A whole number beyond an open bound is one further; one that was rounded is beyond it already.
      const bool beyond = integer && open && number == value->get<double>();
      const NumberBound bound = {static_cast<int64_t>(number) + (beyond ? (is_low ? 1 : -1) : 0), open && !integer};
      NumberBound& known = is_low ? low : high;
      const bool tighter = is_low ? bound.value > known.value : bound.value < known.value;
      if (tighter || (bound.value == known.value && bound.open)) known = bound;
      bounded = true;
    }
    if (integer) return IntegerNodes(graph_, low.value, high.value, next);
    return bounded ? BoundedNumberNodes(graph_, low, high, next) : NumberNodes(graph_, next);
  }

  // The rest of an array behind '['.
  Result<NodeId> Array(const Json& schema, const std::string& at, int depth) {
    HEW_ASSIGN(const auto count, Bounds(schema, at, "minItems", "maxItems"));
    const Json* items = Member(schema, "items");
    const Json* first = Member(schema, "prefixItems");
    if (first && !first->is_array())
      return BadInput("{}.prefixItems: expected a list of schemas, found {}", at, first->type_name());
    const auto [min, max] = count;
    const NodeId close = graph_.Space(graph_.Byte(']', ']', graph_.Return()));
    const auto comma = [&](NodeId value) { return graph_.Byte(',', ',', graph_.Space(value)); };
    // Behind the places of prefixItems: items, counted together with them.
    const int32_t most = max == GrammarGraph::kUnbounded ? min : max;
    const NodeId behind = graph_.Later();
    HEW_ASSIGN(const NodeId item,
               items ? Value(*items, at + ".items", graph_.NextItem(behind, std::max(most, 1)), depth + 1)
                     : AnyValue(graph_.NextItem(behind, std::max(most, 1))));
    const NodeId another = graph_.Guard(0, max == GrammarGraph::kUnbounded ? max : max - 1, comma(item));
    graph_.Resolve(behind, graph_.Either({graph_.Guard(min, GrammarGraph::kUnbounded, close), another}));
    const auto places = static_cast<int32_t>(first ? std::min<size_t>(first->size(), static_cast<size_t>(max)) : 0);
    // What comes behind place i, when i + 1 values are written.
    NodeId rest = places > 0 ? Either(places >= min ? close : -1, places < max ? comma(item) : -1) : -1;
    NodeId value = item;
    for (int32_t i = places; i-- > 0;) {
      HEW_ASSIGN(value, Value((*first)[static_cast<size_t>(i)], fmt::format("{}.prefixItems[{}]", at, i),
                              graph_.NextItem(rest, std::max(most, 1)), depth + 1));
      if (i > 0) rest = Either(i >= min ? close : -1, comma(value));
    }
    return graph_.Byte('[', '[', Either(min == 0 ? close : -1, max > 0 ? graph_.Space(value) : -1));
  }

  NodeId Either(NodeId a, NodeId b) {
    std::vector<NodeId> ways;
    if (a >= 0) ways.push_back(a);
    if (b >= 0) ways.push_back(b);
    return graph_.Either(ways);
  }

  struct Field {
    std::string name, at;
    const Json* schema;
    bool required;
  };

  // Declared fields, in their order; required ones that are not declared follow.
  Result<std::vector<Field>> FieldsOf(const Json& schema, const std::string& at, const Json* others) {
    std::vector<Field> fields;
    const Json *properties = Member(schema, "properties"), *required = Member(schema, "required");
    if (properties && !properties->is_object())
      return BadInput("{}.properties: expected an object of schemas, found {}", at, properties->type_name());
    if (required && !required->is_array())
      return BadInput("{}.required: expected a list of names, found {}", at, required->type_name());
    if (properties) {
      for (const auto& [name, field] : properties->items())
        fields.push_back({name, at + ".properties." + Shown(name), &field, false});
    }
    for (const Json& name : required ? *required : Json::array()) {
      if (!name.is_string()) return BadInput("{}.required: expected a list of names, found {}", at, Shown(name.dump()));
      const auto known =
          std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name.get<std::string>(); });
      if (known != fields.end()) {
        known->required = true;
      } else {
        fields.push_back({name.get<std::string>(), at + ".additionalProperties", others, true});
      }
    }
    if (fields.size() > kMostFields)
      return BadInput("{}.properties: expected at most {} fields, found {}", at, kMostFields, fields.size());
    return fields;
  }

  // An object from '{' on. Fields come in order, each at most once; then others, if the schema asks for them.
  Result<NodeId> Object(const Json& schema, const std::string& at, int depth) {
    const Json* others = Member(schema, "additionalProperties");
    HEW_ASSIGN(const std::vector<Field> fields, FieldsOf(schema, at, others ? others : &kAnything));
    const bool free = others ? *others != Json(false) : fields.empty();
    const NodeId close = graph_.Space(graph_.Byte('}', '}', graph_.Return()));
    const auto comma = [&](NodeId name) { return graph_.Byte(',', ',', graph_.Space(name)); };
    // The names that may come next, and what may come behind a value, after the last declared field; then before each.
    NodeId names = -1, behind = close;
    if (free) {
      const NodeId loop = graph_.Later();
      HEW_ASSIGN(const NodeId value,
                 Value(others ? *others : kAnything, at + ".additionalProperties", loop, depth + 1));
      names = graph_.Byte('"', '"', graph_.String(0, kLongestName, true, graph_.Byte(':', ':', graph_.Space(value))));
      behind = graph_.Either({close, comma(names)});
      graph_.Resolve(loop, behind);
    }
    bool needed = false;  // a required field is still to come
    for (size_t i = fields.size(); i-- > 0;) {
      const Field& field = fields[i];
      HEW_ASSIGN(const NodeId value, Value(*field.schema, field.at, behind, depth + 1));
      HEW_ASSIGN(const NodeId name, Text(Json(field.name).dump() + ":", field.at, graph_.Space(value)));
      names = field.required ? name : Either(name, names);
      needed = needed || field.required;
      behind = Either(needed ? -1 : close, comma(names));
    }
    return graph_.Byte('{', '{', Either(needed ? -1 : close, names >= 0 ? graph_.Space(names) : -1));
  }

  NodeId AnyObject(NodeId next) {
    if (any_object_ < 0) MakeAny();
    return graph_.Call(any_object_, next, any_names_);
  }

  NodeId AnyValue(NodeId next) {
    if (any_object_ < 0) MakeAny();
    return graph_.Either({graph_.Byte('"', '"', graph_.String(0, GrammarGraph::kUnbounded, false, next)),
                          NumberNodes(graph_, next), graph_.Literal("true", next), graph_.Literal("false", next),
                          graph_.Literal("null", next), graph_.Call(any_object_, next, any_names_),
                          graph_.Call(any_array_, next)});
  }

  void MakeAny() {
    any_object_ = graph_.Later();
    any_array_ = graph_.Later();
    any_names_ = graph_.AddNames({});
    const auto list = [&](char open, char close_byte, const auto& item_before) {
      const auto byte = [](char c) { return static_cast<uint8_t>(c); };
      const NodeId close = graph_.Space(graph_.Byte(byte(close_byte), byte(close_byte), graph_.Return())),
                   behind = graph_.Later();
      const NodeId item = item_before(AnyValue(behind));
      graph_.Resolve(behind, graph_.Either({close, graph_.Byte(',', ',', graph_.Space(item))}));
      return graph_.Byte(byte(open), byte(open), graph_.Either({close, graph_.Space(item)}));
    };
    graph_.Resolve(any_array_, list('[', ']', [](NodeId value) { return value; }));
    graph_.Resolve(any_object_, list('{', '}', [&](NodeId value) {
                     return graph_.Byte(
                         '"', '"', graph_.String(0, kLongestName, true, graph_.Byte(':', ':', graph_.Space(value))));
                   }));
  }

  inline static const Json kAnything = true;

  const Json& root_;
  const TokenTable& table_;
  GrammarGraph graph_;
  std::map<std::pair<const Json*, std::string>, std::pair<NodeId, int32_t>> containers_;
  NodeId any_object_ = -1, any_array_ = -1;
  int32_t any_names_ = -1;
};

}  // namespace

Result<GrammarGraph> CompileJsonSchema(const Json& schema, const TokenTable& table) {
  if (table.end_ids().empty()) return BadInput("tokenizer: expected a token that ends an answer, found none");
  for (int byte = ' '; byte < 0x7F; ++byte) {
    if (!table.has_byte(static_cast<uint8_t>(byte))) {
      return BadInput("tokenizer: expected a token for each ASCII character, found none for '{}'",
                      static_cast<char>(byte));
    }
  }
  return Compiler(schema, table).Compile();
}

}  // namespace hew
