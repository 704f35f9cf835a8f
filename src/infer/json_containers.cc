// Objects and arrays of a JSON Schema, and JSON of any kind.
#include <algorithm>

#include "base/shown.h"
#include "infer/json_compiler.h"
#include "infer/json_numbers.h"

namespace hew {
namespace {

constexpr size_t kMostFields = 1000;  // of one object
constexpr int32_t kLongestName = 64;  // of a field that the schema does not name, in characters
const Json kAnything = true;

}  // namespace

// The rest of an array behind '['.
Result<NodeId> JsonCompiler::Array(const Json& schema, const std::string& at, int depth) {
  HEW_ASSIGN(const auto count, Bounds(schema, at, "minItems", "maxItems", GrammarGraph::kUnbounded));
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

NodeId JsonCompiler::Either(NodeId a, NodeId b) {
  std::vector<NodeId> ways;
  if (a >= 0) ways.push_back(a);
  if (b >= 0) ways.push_back(b);
  return graph_.Either(ways);
}

// Declared fields, in their order; required ones that are not declared follow.
Result<std::vector<JsonCompiler::Field>> JsonCompiler::FieldsOf(const Json& schema, const std::string& at,
                                                                const Json* others) {
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
Result<NodeId> JsonCompiler::Object(const Json& schema, const std::string& at, int depth) {
  const Json* others = Member(schema, "additionalProperties");
  HEW_ASSIGN(const std::vector<Field> fields, FieldsOf(schema, at, others ? others : &kAnything));
  const bool free = others ? *others != Json(false) : fields.empty();
  const NodeId close = graph_.Space(graph_.Byte('}', '}', graph_.Return()));
  const auto comma = [&](NodeId name) { return graph_.Byte(',', ',', graph_.Space(name)); };
  // The names that may come next, and what may come behind a value, after the last declared field; then before each.
  NodeId names = -1, behind = close;
  if (free) {
    const NodeId loop = graph_.Later();
    HEW_ASSIGN(const NodeId value, Value(others ? *others : kAnything, at + ".additionalProperties", loop, depth + 1));
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

NodeId JsonCompiler::AnyObject(NodeId next) {
  if (any_object_ < 0) MakeAny();
  return graph_.Call(any_object_, next, any_names_);
}

NodeId JsonCompiler::AnyValue(NodeId next) {
  if (any_object_ < 0) MakeAny();
  return graph_.Either({graph_.Byte('"', '"', graph_.String(0, GrammarGraph::kUnbounded, false, next)),
                        NumberNodes(graph_, next), graph_.Literal("true", next), graph_.Literal("false", next),
                        graph_.Literal("null", next), graph_.Call(any_object_, next, any_names_),
                        graph_.Call(any_array_, next)});
}

void JsonCompiler::MakeAny() {
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
                   return graph_.Byte('"', '"',
                                      graph_.String(0, kLongestName, true, graph_.Byte(':', ':', graph_.Space(value))));
                 }));
}

}  // namespace hew
