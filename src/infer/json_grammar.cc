#include "infer/json_grammar.h"

#include <algorithm>
#include <cmath>

#include "base/shown.h"
#include "infer/json_compiler.h"
#include "infer/json_numbers.h"

namespace hew {
namespace {

constexpr size_t kMostNodes = size_t{1} << 20;  // of a grammar: some 50 MB
constexpr const char* kSchemaRoot = "response_format.schema";

}  // namespace

Result<GrammarGraph> JsonCompiler::Compile() {
  const NodeId end = graph_.Accept();
  if (tree_.root().is_boolean() && tree_.root().get<bool>()) {
    graph_.start = AnyObject(end);
  } else {
    HEW_ASSIGN(graph_.start, Value(tree_.root(), kSchemaRoot, end, 0));
  }
  graph_.SetHeights();
  if (graph_.at(graph_.start).height > GrammarGraph::kMostDepth) {
    return BadInput("{}: expected a schema that some JSON of at most {} levels fits, found none", kSchemaRoot,
                    GrammarGraph::kMostDepth);
  }
  return std::move(graph_);
}

Result<NodeId> JsonCompiler::Value(const Json& schema, const std::string& at, NodeId next, int depth) {
  if (schema.is_boolean()) return schema.get<bool>() ? AnyValue(next) : graph_.Either({});
  if (!schema.is_object()) return BadInput("{}: expected a schema (an object), found {}", at, schema.type_name());
  if (depth > kMostSchemaNesting)
    return BadInput("{}: expected at most {} schemas inside one another, found more", at, kMostSchemaNesting);
  if (graph_.nodes.size() > kMostNodes)
    return BadInput("{}: expected a smaller schema, found one of over {} parts", kSchemaRoot, kMostNodes);
  HEW_RETURN_IF_ERROR(CheckWords(schema, at));
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

Result<NodeId> JsonCompiler::OfType(const std::string& type, const Json& schema, const std::string& at, NodeId next,
                                    int depth) {
  if (type == "null") return graph_.Literal("null", next);
  if (type == "boolean") return graph_.Either({graph_.Literal("true", next), graph_.Literal("false", next)});
  if (type == "string") {
    HEW_ASSIGN(const auto length, Bounds(schema, at, "minLength", "maxLength", GrammarGraph::kUnbounded));
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

// Text that stands as it is; every byte must be sayable.
Result<NodeId> JsonCompiler::Text(const std::string& text, const std::string& at, NodeId next) {
  for (const char c : text) {
    if (!table_.has_byte(static_cast<uint8_t>(c))) {
      return BadInput("{}: expected text that this model's tokens can spell, found {}", at, Shown(text));
    }
  }
  return graph_.Literal(text, next);
}

Result<NodeId> JsonCompiler::Values(const Json& values, const Json& schema, const std::string& at, NodeId next) {
  if (!values.is_array() || values.empty())
    return BadInput("{}: expected a list of values, found {}", at, Shown(values.dump()));
  HEW_ASSIGN(const std::vector<std::string> types, TypesOf(schema, at));
  std::vector<NodeId> ways;
  for (const Json& value : values) {
    const bool fits =
        types.empty() || std::any_of(types.begin(), types.end(), [&](const auto& type) { return IsType(value, type); });
    if (!fits) continue;
    HEW_ASSIGN(const NodeId way, Text(value.dump(), at, next));
    ways.push_back(way);
  }
  return graph_.Either(ways);
}

Result<NodeId> JsonCompiler::Reference(const Json& reference, const std::string& at, NodeId next, int depth) {
  const Json* target = reference.is_string() ? tree_.Find(reference.get<std::string>()) : nullptr;
  if (!target)
    return BadInput("{}: expected a place in this schema such as #/$defs/name, found {}", at, Shown(reference.dump()));
  return Value(*target, kSchemaRoot + reference.get<std::string>().substr(1), next, depth + 1);
}

Result<NodeId> JsonCompiler::Several(const Json& list, const std::string& word, const std::string& at, NodeId next,
                                     int depth) {
  if (!list.is_array() || list.empty())
    return BadInput("{}: expected a list of schemas, found {}", at, Shown(list.dump()));
  if (word == "allOf" && list.size() > 1)
    return BadInput("{}: expected one schema, found {}: they cannot be joined", at, list.size());
  if (word == "oneOf") {
    for (size_t i = 0; i < list.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (!tree_.Exclude(list[i], list[k])) {
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

Result<NodeId> JsonCompiler::Number(bool integer, const Json& schema, const std::string& at, NodeId next) {
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

Result<GrammarGraph> CompileJsonSchema(const Json& schema, const TokenTable& table) {
  if (table.end_ids().empty()) return BadInput("tokenizer: expected a token that ends an answer, found none");
  for (int byte = ' '; byte < 0x7F; ++byte) {
    if (!table.has_byte(static_cast<uint8_t>(byte))) {
      return BadInput("tokenizer: expected a token for each ASCII character, found none for '{}'",
                      static_cast<char>(byte));
    }
  }
  return JsonCompiler(schema, table).Compile();
}

}  // namespace hew
