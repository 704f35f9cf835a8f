// What constrained decoding writes is what the validator of schemas accepts: random schemas, random tokens.
#include <gtest/gtest.h>

#include "infer/constraint.h"
#include "infer/test_util.h"
#include "studio/json_schema.h"

namespace hew {
namespace {

using test::BytesTokenizer;
using test::RandomAnswer;
using test::RandomPieces;

class Schemas {
 public:
  explicit Schemas(uint64_t seed) : random_{seed, 5, 0} {}

  Json Whole() {
    Json schema = One(3);
    if (!schema.is_object()) schema = Json{{"anyOf", {schema, {{"type", "null"}}}}};
    Json tree = One(1);
    schema["$defs"]["tree"] = {
        {"type", "object"},
        {"properties",
         {{"v", tree}, {"more", {{"type", "array"}, {"items", {{"$ref", "#/$defs/tree"}}}, {"maxItems", 2}}}}},
        {"required", {"more"}}};
    return schema;
  }
  Random& random() { return random_; }

 private:
  int64_t Below(int64_t n) { return static_cast<int64_t>(random_.Below(static_cast<uint64_t>(n))); }

  Json One(int depth) {
    switch (Below(depth > 0 ? 12 : 8)) {
      case 0:
        return Json{{"type", "null"}};
      case 1:
        return Json{{"type", {"boolean", "integer"}}};
      case 2:
        return Json{{"enum", {"가", "\"b\\", 3, -1.5, nullptr, {{"c", {1, 2}}}}}};
      case 3: {
        Json schema = {{"type", "string"}};
        const int64_t min = Below(4);
        if (Below(2)) schema["minLength"] = min;
        if (Below(2)) schema["maxLength"] = min + Below(6);
        return schema;
      }
      case 4: {
        Json schema = {{"type", Below(2) ? "integer" : "number"}};
        const int64_t low = Below(300) - 150;
        if (Below(2)) schema[Below(2) ? "minimum" : "exclusiveMinimum"] = low;
        if (Below(2)) schema[Below(2) ? "maximum" : "exclusiveMaximum"] = low + 2 + Below(200);
        return schema;
      }
      case 5:
        return Json{{"const", Below(1000) - 500}};
      case 6:
        return Json{{"$ref", "#/$defs/tree"}};
      case 7:
        return Json(true);
      case 8:
        return Json{{"anyOf", {One(depth - 1), One(depth - 1)}}};
      case 9: {
        Json schema = {{"type", "array"}};
        if (Below(2)) schema["items"] = One(depth - 1);
        const int64_t min = Below(3);
        if (Below(2)) schema["minItems"] = min;
        if (Below(2)) schema["maxItems"] = min + Below(4);
        if (Below(4) == 0) schema["prefixItems"] = {One(depth - 1), One(depth - 1)};
        return schema;
      }
      default: {
        Json schema = {{"type", "object"}};
        static const std::vector<std::string> kNames = {"name", "이름", "a\"b", "n", "tags", "ok"};
        Json required = Json::array();
        for (const std::string& name : kNames) {
          if (Below(3) != 0) continue;
          schema["properties"][name] = One(depth - 1);
          if (Below(2)) required.push_back(name);
        }
        if (Below(4) == 0) required.push_back("undeclared");
        if (!required.empty()) schema["required"] = required;
        if (Below(3) == 0) schema["additionalProperties"] = One(depth - 1);
        return schema;
      }
    }
  }

  Random random_;
};

TEST(JsonGrammar, WhatIsWrittenFitsTheSchema) {
  int written = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Schemas schemas(seed);
    const Json schema = schemas.Whole();
    ASSERT_TRUE(CheckSchema(schema)) << schema.dump();
    const BytesTokenizer tokenizer(RandomPieces(schemas.random(), 200));
    const auto grammar = JsonGrammar(schema, tokenizer);
    ASSERT_TRUE(grammar) << grammar.error().message << "\n" << schema.dump();
    for (int i = 0; i < 4; ++i, ++written) {
      const auto constraint = (*grammar)->Begin();
      const std::string text = RandomAnswer(*constraint, tokenizer, schemas.random(), 60);
      const auto json = ParseJson(text, "answer");
      ASSERT_TRUE(json) << json.error().message << "\n" << schema.dump() << "\n" << text;
      const auto fits = FitsSchema(*json, schema);
      ASSERT_TRUE(fits) << fits.error().message << "\n" << schema.dump() << "\n" << text;
    }
  }
  EXPECT_EQ(written, 600);
}

}  // namespace
}  // namespace hew
