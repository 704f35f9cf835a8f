// One compilation of a JSON Schema. Internal to json_grammar.cc and json_containers.cc.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "infer/grammar_graph.h"
#include "infer/schema_tree.h"
#include "infer/token_table.h"

namespace hew {

class JsonCompiler {
 public:
  JsonCompiler(const Json& root, const TokenTable& table) : tree_(root), table_(table) {}
  Result<GrammarGraph> Compile();

 private:
  // Each gives the node before its part, which `next` follows; `at` names the place for errors, `depth` counts schemas
  // in schemas.
  Result<NodeId> Value(const Json& schema, const std::string& at, NodeId next, int depth);
  Result<NodeId> OfType(const std::string& type, const Json& schema, const std::string& at, NodeId next, int depth);
  Result<NodeId> Text(const std::string& text, const std::string& at, NodeId next);
  Result<NodeId> Values(const Json& values, const Json& schema, const std::string& at, NodeId next);
  Result<NodeId> Reference(const Json& reference, const std::string& at, NodeId next, int depth);
  Result<NodeId> Several(const Json& list, const std::string& word, const std::string& at, NodeId next, int depth);
  Result<NodeId> Number(bool integer, const Json& schema, const std::string& at, NodeId next);

  // json_containers.cc: what is called, up to its return.
  struct Field {
    std::string name, at;
    const Json* schema;
    bool required;
  };
  Result<NodeId> Array(const Json& schema, const std::string& at, int depth);
  Result<NodeId> Object(const Json& schema, const std::string& at, int depth);
  Result<std::vector<Field>> FieldsOf(const Json& schema, const std::string& at, const Json* others);
  NodeId AnyObject(NodeId next);
  NodeId AnyValue(NodeId next);
  void MakeAny();
  NodeId Either(NodeId a, NodeId b);  // either may be missing: -1

  SchemaTree tree_;
  const TokenTable& table_;
  GrammarGraph graph_;
  // Objects and arrays, each once, however often it is referred to: body and field names.
  std::map<std::pair<const Json*, std::string>, std::pair<NodeId, int32_t>> containers_;
  NodeId any_object_ = -1, any_array_ = -1;
  int32_t any_names_ = -1;
};

}  // namespace hew
