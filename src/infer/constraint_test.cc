#include "infer/constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "infer/test_util.h"

namespace hew {
namespace {

using test::AllowedIds;
using test::BytesTokenizer;
using test::RandomAnswer;
using test::RandomPieces;
using testing::HasSubstr;

std::shared_ptr<const Grammar> MakeGrammar(const std::string& schema, const Tokenizer& tokenizer) {
  auto grammar = JsonGrammar(Json::parse(schema), tokenizer);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar ? *grammar : nullptr;
}

// Whether `text`, byte by byte, is an answer, or the beginning of one.
enum class Fit { kNo, kBeginning, kWhole };
Fit Read(const Grammar& grammar, const BytesTokenizer& bytes, std::string_view text) {
  const auto constraint = grammar.Begin();
  const auto allows = [&](int32_t id) {
    const auto ids = AllowedIds(*constraint, bytes.vocab_size());
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  for (const char c : text) {
    const auto id = static_cast<int32_t>(static_cast<uint8_t>(c));
    if (!allows(id)) return Fit::kNo;
    constraint->Take(id);
  }
  return allows(bytes.end()) ? Fit::kWhole : Fit::kBeginning;
}

class JsonGrammarTest : public testing::Test {
 protected:
  void Expect(const std::string& schema, const std::vector<std::string>& good, const std::vector<std::string>& bad) {
    const auto grammar = MakeGrammar(schema, bytes_);
    for (const std::string& text : good) EXPECT_EQ(Read(*grammar, bytes_, text), Fit::kWhole) << schema << "\n" << text;
    for (const std::string& text : bad) EXPECT_NE(Read(*grammar, bytes_, text), Fit::kWhole) << schema << "\n" << text;
  }
  BytesTokenizer bytes_;
};

TEST_F(JsonGrammarTest, Strings) {
  Expect(R"({"type": "string"})", {R"("")", R"("배송 😀 é")", R"("\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00")", "\"\x7f\""},
         {"\"", "\"\n\"", R"("\x")", R"("\ud83d")", R"("\ud83d\u0041")", R"("\ude00")", "\"\xc0\x80\"",
          "\"\xed\xa0\x80\"", "\"\xff\"", "\"\xe0\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xeb\xb0\"", "''", "1"});
  Expect(R"({"type": "string", "minLength": 2, "maxLength": 3})",
         {R"("배송")", R"("a😀b")", R"("\n\u00e9\ud83d\ude00")"}, {R"("a")", R"("abcd")", R"("배")"});
  Expect(R"({"enum": ["예", "아니오", 3, null, {"a": [1.5]}]})",
         {R"("예")", R"("아니오")", "3", "null", R"({"a":[1.5]})"}, {R"("아니")", "4", R"({"a": [1.5]})"});
  Expect(R"({"type": "string", "enum": ["a", 1]})", {R"("a")"}, {"1"});
}

TEST_F(JsonGrammarTest, Numbers) {
  Expect(R"({"type": "number"})", {"0", "-0", "12", "-1.5", "0.25", "1e5", "2E-10", "1.5e+3"},
         {"", "-", "01", ".5", "1.", "1e", "+1", "NaN", "1e999"});
  Expect(R"({"type": "integer"})", {"0", "-7", "123"}, {"1.0", "1e3", "00", "-"});
  const auto all_between = [&](const std::string& schema, int low, int high) {
    const auto grammar = MakeGrammar(schema, bytes_);
    for (int i = -260; i <= 260; ++i) {
      EXPECT_EQ(Read(*grammar, bytes_, std::to_string(i)) == Fit::kWhole, i >= low && i <= high) << schema << " " << i;
    }
  };
  all_between(R"({"type": "integer", "minimum": -13, "maximum": 205})", -13, 205);
  all_between(R"({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 100})", 10, 99);
  all_between(R"({"type": "integer", "minimum": 0})", 0, 300);
  all_between(R"({"type": "integer", "maximum": -98.5})", -300, -99);
  all_between(R"({"type": "number", "minimum": -13, "exclusiveMaximum": 205})", -13, 204);
  Expect(R"({"type": "number", "minimum": 0})", {"0", "0.5", "12.25", "100"}, {"-1", "-0.5"});
  Expect(R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1})", {"0.5", "0.001", "1"},
         {"0", "0.0", "0.000", "1.0", "1.5", "-1"});
  Expect(R"({"type": "number", "minimum": -2, "maximum": -1})", {"-1", "-1.5", "-2"}, {"-0.5", "-2.5", "1", "0"});
}

TEST_F(JsonGrammarTest, ArraysAndObjects) {
  Expect(R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
         {"[1]", "[1, 2]", "[1,\n  2,\n  3\n]"}, {"[]", "[1,2,3,4]", "[1,]", "[\"a\"]", "[1,  2]"});
  Expect(
      R"({"type": "array", "items": {"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 2}, "minItems": 2})",
      {"[[null,null],[null,null]]", "[[null,null],[null,null],[null,null]]"},
      {"[[null],[null,null]]", "[[null,null]]", "[[null,null,null],[null,null]]"});
  Expect(R"({"type": "array", "prefixItems": [{"const": 1}, {"const": "b"}], "items": false, "minItems": 1})",
         {"[1]", R"([1, "b"])"}, {"[]", R"(["b"])", R"([1, "b", 2])"});
  Expect(R"({"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "maxItems": 3})",
         {"[]", "[1]", "[1,2]", "[1,2,2]"}, {"[2]", "[1,1]", "[1,2,2,2]"});
  const std::string schema =
      R"({"type": "object", "properties": {"이름": {"type": "string"}, "n": {"type": "integer"}, "\"q": {"type": "boolean"}}, "required": ["n"]})";
  Expect(schema,
         {R"({"n": 1})", R"({"이름": "배", "n": 1})", R"({"n":1,"\"q":true})",
          "{\n  \"이름\": \"\",\n  \"n\": 0,\n  \"\\\"q\": false\n}"},
         {"{}", R"({"이름": "배"})", R"({"n": 1, "이름": "배"})", R"({"n": 1, "z": 2})", R"({"n": 1,})",
          R"({"n": 1, "n": 1})"});
  Expect(R"({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}})",
         {"{}", R"({"a": 1})", R"({"a": 1, "b": "x", "c": "y"})", R"({"b": "x"})"},
         {R"({"a": "x"})", R"({"b": 1})", R"({"b": "x", "b": "y"})", R"({"b": "x", "a": 1})"});
  Expect("true", {"{}", R"({"a": [1, {"b": null}], "c": "d"})"}, {"[]", "1", R"({"a": 1, "a": 2})"});
  Expect(R"({"type": ["string", "null"]})", {"null", R"("x")"}, {"1"});
  Expect("{}", {"1", "[]", "{}", "\"\"", "true"}, {"", "nul"});
}

TEST_F(JsonGrammarTest, ReferencesAndChoices) {
  const std::string list =
      R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"},
      "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}, "required": ["v", "next"], "additionalProperties": false}}})";
  std::string deep = "null";
  for (int i = 0; i < 60; ++i) deep = R"({"v": 1, "next": )" + deep + "}";
  Expect(list, {R"({"v": 1, "next": null})", R"({"v": 1, "next": {"v": 2, "next": null}})", deep}, {R"({"v": 1})"});
  for (int i = 0; i < 10; ++i) deep = R"({"v": 1, "next": )" + deep + "}";
  Expect(list, {}, {deep});
  Expect(
      R"({"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
                       {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]})",
      {R"({"kind": "a", "x": 1})", R"({"kind": "b"})"}, {R"({"kind": "a"})", R"({"kind": "b", "x": 1})"});
}

TEST_F(JsonGrammarTest, RefusesWhatItCannotKeep) {
  const auto refusal = [&](const std::string& schema) {
    const auto grammar = JsonGrammar(Json::parse(schema), bytes_);
    return grammar ? std::string("accepted") : grammar.error().message;
  };
  EXPECT_EQ(
      refusal(R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}})"),
      "response_format.schema.properties.a.pattern: expected a word that can be kept while writing, found 'pattern'");
  EXPECT_THAT(refusal(R"({"not": {}})"), HasSubstr("response_format.schema.not: "));
  EXPECT_THAT(refusal(R"({"type": "array", "uniqueItems": true})"), HasSubstr("uniqueItems"));
  EXPECT_THAT(refusal(R"({"type": "number", "multipleOf": 3})"), HasSubstr("multipleOf"));
  EXPECT_THAT(refusal(R"({"type": ["integer", "null"], "multipleOf": 1})"), HasSubstr("multipleOf"));
  EXPECT_EQ(refusal(R"({"type": "integer", "multipleOf": 1, "uniqueItems": false})"), "accepted");
  EXPECT_THAT(refusal(R"({"type": "object", "properties": 3, "required": [1]})"),
              HasSubstr("expected an object of schemas"));
  EXPECT_THAT(refusal(R"({"type": "object", "required": [1]})"), HasSubstr("expected a list of names, found 1"));
  EXPECT_THAT(refusal(R"({"oneOf": [3, {"type": 4}]})"), HasSubstr("alike"));
  EXPECT_THAT(refusal(R"({"type": "number", "minimum": 0.5})"), HasSubstr("expected a whole number"));
  EXPECT_THAT(refusal(R"({"anyOf": [{}], "minLength": 3})"), HasSubstr("expected no 'minLength' beside it"));
  EXPECT_THAT(refusal(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})"), HasSubstr("found [0] and [1] alike"));
  EXPECT_THAT(refusal(R"({"allOf": [{}, {}]})"), HasSubstr("expected one schema, found 2"));
  EXPECT_THAT(refusal(R"({"$ref": "#/$defs/none"})"), HasSubstr("expected a place in this schema"));
  EXPECT_THAT(refusal(R"({"$ref": "#"})"), HasSubstr("at most 100 schemas"));
  EXPECT_THAT(refusal(R"({"type": "thing"})"), HasSubstr(R"(found "thing")"));
  EXPECT_THAT(refusal(R"({"type": "string", "minLength": 3, "maxLength": 2})"),
              HasSubstr("expected at least 3, found 2"));
  EXPECT_THAT(refusal(R"({"type": "string", "maxLength": -1})"), HasSubstr("from 0 to 1000000"));
  EXPECT_THAT(refusal("false"), HasSubstr("that some JSON of at most 64 levels fits"));
  EXPECT_THAT(refusal(R"({"type": "integer", "minimum": 5, "maximum": 4})"), HasSubstr("that some JSON"));
  EXPECT_THAT(refusal(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"),
              HasSubstr("that some JSON"));
  EXPECT_THAT(refusal("3"), HasSubstr("expected a schema (an object), found number"));
  const BytesTokenizer ascii({}, 128);
  const auto korean = JsonGrammar(Json::parse(R"({"const": "배"})"), ascii);
  ASSERT_FALSE(korean);
  EXPECT_THAT(korean.error().message, HasSubstr("tokens can spell"));
  const BytesTokenizer none({}, 60);
  EXPECT_FALSE(JsonGrammar(Json(true), none));
}

// The tokens of a mask are just those whose bytes can be read one after the other.
TEST(JsonGrammar, MasksAreThoseOfTheBytes) {
  Random random{4, 1, 0};
  const BytesTokenizer bytes, tokenizer(RandomPieces(random, 100));
  const std::string schemas[] = {
      "true",
      R"({"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 5}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "n": {"type": "number"}, "price": {"type": "integer", "minimum": -3, "maximum": 12}, "deep": {}}, "required": ["tags"], "additionalProperties": {"enum": ["b c", true, 1]}})"};
  for (const std::string& schema : schemas) {
    const auto fine = MakeGrammar(schema, bytes), coarse = MakeGrammar(schema, tokenizer);
    for (int round = 0; round < 2; ++round) {
      const auto constraint = coarse->Begin();
      std::string text;
      for (int i = 0; i < 14; ++i) {
        const std::vector<int32_t> allowed = AllowedIds(*constraint, tokenizer.vocab_size());
        const std::set<int32_t> set(allowed.begin(), allowed.end());
        ASSERT_FALSE(allowed.empty()) << text;
        for (int32_t id = i % 7 == 0 ? 0 : 256; id < tokenizer.end(); ++id) {
          ASSERT_EQ(Read(*fine, bytes, text + tokenizer.TokenBytes(id, false)) != Fit::kNo, set.contains(id))
              << schema << "\n"
              << text << "\n"
              << tokenizer.TokenBytes(id, false);
        }
        ASSERT_EQ(Read(*fine, bytes, text) == Fit::kWhole, set.contains(tokenizer.end()));
        std::vector<int32_t> longer;  // of several bytes, if there are any
        std::copy_if(allowed.begin(), allowed.end(), std::back_inserter(longer), [](int32_t id) { return id >= 256; });
        const auto& from = longer.empty() || random.Below(3) == 0 ? allowed : longer;
        const int32_t id = from[random.Below(from.size())];
        constraint->Take(id);
        if (id == tokenizer.end()) break;
        text += tokenizer.TokenBytes(id, false);
      }
    }
  }
}

// Where the bytes of a character are no tokens of their own, no half character is begun.
TEST(JsonGrammar, HalfCharactersOnlyWhereTheRestCanBeSaid) {
  const BytesTokenizer tokenizer({"배", "\xeb\xb0", "\"\xeb", "\"배"}, 128);
  const auto constraint = MakeGrammar(R"({"type": "string"})", tokenizer)->Begin();
  const auto first = AllowedIds(*constraint, tokenizer.vocab_size());
  EXPECT_EQ(first, (std::vector<int32_t>{'"', 131}));
  constraint->Take('"');
  const auto second = AllowedIds(*constraint, tokenizer.vocab_size());
  EXPECT_TRUE(std::find(second.begin(), second.end(), 128) != second.end());
  EXPECT_TRUE(std::find(second.begin(), second.end(), 129) == second.end());
}

// A place somewhere in `json`.
Json* AnyPlace(Json& json, Random& random) {
  Json* at = &json;
  while (at->is_structured() && !at->empty() && random.Below(4) != 0) {
    auto member = at->begin();
    for (uint64_t i = random.Below(at->size()); i > 0; --i) ++member;
    at = &*member;
  }
  return at;
}

// Whatever a client calls a schema is refused or can be written.
TEST(JsonGrammar, SpoiltSchemasAreRefusedOrWritten) {
  Random random{8, 1, 0};
  const BytesTokenizer tokenizer(RandomPieces(random, 50));
  const auto table = MakeTokenTable(tokenizer);
  const Json whole = Json::parse(
      R"({"$defs": {"a": {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"enum": [1, "b"]}}, "required": ["y"]}},
      "type": "object", "additionalProperties": {"type": "string", "maxLength": 3},
      "properties": {"p": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]}, "q": {"type": ["number", "array"], "minimum": 2, "exclusiveMaximum": 9,
      "items": {"const": {"k": []}}, "prefixItems": [true], "minItems": 1, "maxItems": 4}, "r": {"allOf": [{"anyOf": [{"type": "integer", "maximum": 5}]}]}}, "required": ["q"]})");
  const Json values = Json::parse(
      R"([3, -1, 0.5, 1e300, "x", "#", "object", null, true, false, [], [1], ["q"], {}, {"type": "string"}, {"$ref": "#"}, {"$ref": "#/$defs/a"},
      {"oneOf": [{}, 1]}, {"type": []}, {"minItems": 2}, "minItems"])");
  int written = 0;
  for (int i = 0; i < 2000; ++i) {
    Json schema = whole;
    for (uint64_t changes = 1 + random.Below(3); changes > 0; --changes) {
      Json* place = AnyPlace(schema, random);
      *place = values[random.Below(values.size())];
    }
    const auto grammar = JsonGrammar(schema, table);
    if (!grammar) continue;
    ++written;
    const auto constraint = (*grammar)->Begin();
    const std::string text = RandomAnswer(*constraint, tokenizer, random, 40);
    ASSERT_TRUE(ParseJson(text, "answer")) << schema.dump() << "\n" << text;
  }
  EXPECT_GT(written, 100);
}

TEST(JsonGrammar, RandomObjectsAreJson) {
  Random random{1, 1, 0};
  const BytesTokenizer tokenizer(RandomPieces(random, 300));
  const auto grammar = MakeGrammar("true", tokenizer);
  for (int i = 0; i < 40; ++i) {
    const auto constraint = grammar->Begin();
    const std::string text = RandomAnswer(*constraint, tokenizer, random, 80);
    const auto json = ParseJson(text, "answer");
    ASSERT_TRUE(json) << json.error().message << "\n" << text;
    EXPECT_TRUE(json->is_object());
  }
}

}  // namespace
}  // namespace hew
