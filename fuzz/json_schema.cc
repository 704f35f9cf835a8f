// JSON schemas from requests: checked, compiled to a grammar, and answers made by it held against the schema.
#include "studio/json_schema.h"

#include "infer/constraint.h"
#include "infer/test_util.h"
#include "mutate.h"
#include "target.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"type",
                                  "string",
                                  "number",
                                  "integer",
                                  "object",
                                  "array",
                                  "boolean",
                                  "null",
                                  "properties",
                                  "required",
                                  "additionalProperties",
                                  "items",
                                  "prefixItems",
                                  "minItems",
                                  "maxItems",
                                  "uniqueItems",
                                  "minLength",
                                  "maxLength",
                                  "pattern",
                                  "minimum",
                                  "maximum",
                                  "exclusiveMinimum",
                                  "exclusiveMaximum",
                                  "multipleOf",
                                  "anyOf",
                                  "oneOf",
                                  "allOf",
                                  "not",
                                  "enum",
                                  "const",
                                  "$ref",
                                  "$defs",
                                  "#/$defs/a",
                                  "#",
                                  "#/$defs/b",
                                  "description",
                                  "^a+$",
                                  "(a|b){1000}",
                                  "a"};

std::vector<std::string> Seeds() {
  const std::vector<std::string> schemas = {
      R"({"type":"object","properties":{"a":{"type":"string","maxLength":3},"b":{"type":"integer","minimum":-5,"maximum":12}},"required":["a"],"additionalProperties":false})",
      R"({"type":"array","items":{"anyOf":[{"type":"number","minimum":0},{"type":"null"}]},"minItems":1,"maxItems":3})",
      R"({"$defs":{"a":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"required":["next"]}},"$ref":"#/$defs/a"})",
      R"({"enum":["a",1,null,{"b":[true]}]})",
      R"({"const":"x"})",
      "true",
      R"({"type":"string","pattern":"^a+$"})",
      R"({"allOf":[{"type":"number"},{"multipleOf":0.5,"exclusiveMaximum":3}]})",
      R"({"type":["string","null"],"minLength":1})",
      R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"type":"array","uniqueItems":true})",
      R"({"oneOf":[{"type":"integer"},{"type":"string"}],"not":{"const":3}})"};
  std::vector<std::string> seeds;
  for (const std::string& schema : schemas) seeds.push_back(Joined(schema, R"({"a":"xy","b":3,"c":[1.5,null]})"));
  return seeds;
}

void Run(std::string_view bytes) {
  const auto [schema_text, value_text] = Parted(bytes);
  const auto schema = ParseJson(schema_text, "schema");
  if (!Holds(schema)) return;
  const bool checked = Holds(CheckSchema(*schema));
  const auto value = ParseJson(value_text, "value");
  if (checked && Holds(value)) (void)Holds(FitsSchema(*value, *schema));
  static const test::BytesTokenizer tokenizer;
  static const auto table = MakeTokenTable(tokenizer);
  const auto grammar = JsonGrammar(*schema, table);
  if (!Holds(grammar)) return;
  Random random{bytes.size(), 0, 0};
  const std::string answer = test::RandomAnswer(*(*grammar)->Begin(), tokenizer, random, 30);
  if (answer.ends_with("<no end>")) return;
  const auto made = ParseJson(answer, "answer");
  HEW_CHECK(made.has_value());
  if (checked && schema->is_object()) HEW_CHECK(FitsSchema(*made, *schema).has_value());
}

std::string Mutate(std::string_view bytes, Random& random) {
  const auto [schema, value] = Parted(bytes);
  if (random.Below(6) == 0) return Joined(schema, MutateJson(value, kWords, random));
  return Joined(MutateJson(schema, kWords, random), value);
}

}  // namespace

const FuzzTarget json_schema_target = {"json_schema", Seeds, Run, Mutate};

}  // namespace hew::fuzz
