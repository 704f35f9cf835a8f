#include "base/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace hew {
namespace {

std::string ErrorOf(std::string_view text, const JsonLimits& limits = {}) {
  const auto json = ParseJson(text, "file.json", limits);
  return json ? "accepted: " + json->dump() : json.error().message;
}

TEST(ParseJson, KeepsOrderAndTypes) {
  const auto json = ParseJson(R"({"z":1,"a":[true,null,-2,0.5,"\u00e9\ud83d\ude00"],"m":{}})", "x");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(json->dump(), "{\"z\":1,\"a\":[true,null,-2,0.5,\"\xc3\xa9\xf0\x9f\x98\x80\"],\"m\":{}}");
  EXPECT_TRUE((*json)["z"].is_number_unsigned());
  EXPECT_TRUE((*json)["a"][2].is_number_integer());
  EXPECT_TRUE((*json)["a"][3].is_number_float());
}

TEST(ParseJson, AcceptsAnyKindOfDocumentAndAByteOrderMark) {
  EXPECT_EQ(*ParseJson("7", "x"), 7);
  EXPECT_EQ(*ParseJson(" \"text\" \n", "x"), "text");
  EXPECT_EQ(ParseJson("\xef\xbb\xbf{\"a\":1}", "x")->dump(), "{\"a\":1}");
}

TEST(ParseJson, RefusalsNameThePlace) {
  EXPECT_EQ(ErrorOf("{\n  \"a\": nope\n}"),
            "file.json: line 2, column 9 (byte 10): expected JSON, found invalid literal");
  EXPECT_EQ(
      ErrorOf("{\"a\":1} 2"),
      "file.json: line 1, column 9 (byte 8): expected JSON, found number literal; expected end of input");
  EXPECT_EQ(ErrorOf("{\"a\":{\"b\":1,\"b\":2}}"), "file.json: key \"b\": expected once, found twice");
  EXPECT_EQ(ErrorOf("[\"\xff\"]"), "file.json: line 1, column 3 (byte 2): expected UTF-8, found byte 0xff");
  EXPECT_EQ(ErrorOf(std::string("{}\0{}", 5)),
            "file.json: line 1, column 3 (byte 2): expected JSON, found a zero byte");
  EXPECT_EQ(ErrorOf("[[1]]", {.max_depth = 1}), "file.json: expected at most 1 levels of nesting, found more");
  EXPECT_EQ(ParseJson("[[1]]", "x", {.max_depth = 2})->dump(), "[[1]]");
}

TEST(ParseJson, RefusesInOneShortLine) {
  const std::string cases[] = {"",
                               " ",
                               "{",
                               "[1,",
                               "[1,]",
                               "{\"a\"}",
                               "{\"a\":1,}",
                               "{a:1}",
                               "'a'",
                               "01",
                               "1e999",
                               "-",
                               "NaN",
                               "// comment\n1",
                               "\"line\nbreak\"",
                               "\"\\ud800\"",
                               "\"\\ud800x\"",
                               "\"\\udc00\"",
                               "\"\\x\"",
                               "\"\xc0\xaf\"",
                               "\"\xed\xa0\x80\"",
                               "1 2",
                               "{}{}",
                               "\"" + std::string(100'000, 'x'),
                               std::string(100'000, '['),
                               std::string(100'000, '[') + std::string(100'000, ']')};
  for (const std::string& text : cases) {
    const std::string error = ErrorOf(text);
    EXPECT_TRUE(error.starts_with("file.json: ")) << text.substr(0, 40) << " -> " << error.substr(0, 200);
    EXPECT_NE(error.find("expected"), std::string::npos) << error;
    EXPECT_NE(error.find("found"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_LT(error.size(), 250u) << error;
  }
}

TEST(ParseJson, LargeObjectsAreWhole) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += fmt::format("{}\"key {}\":{}", i ? "," : "", i, i);
  const auto json = ParseJson(text + "}", "x");
  ASSERT_TRUE(json) << json.error().message;
  ASSERT_EQ(json->size(), 100'000u);
  int64_t i = 0;
  for (const auto& [key, value] : json->items()) {
    ASSERT_EQ(value, i);
    ++i;
  }
  EXPECT_FALSE(ParseJson(text + ",\"key 500\":1}", "x"));
}

TEST(ParseJson, WhatIsWrittenComesBack) {
  rc::check("dump, parse", [](const std::map<std::string, std::vector<int64_t>>& lists, double number) {
    Json json = Json::object();
    for (const auto& [key, values] : lists) {
      if (FindInvalidUtf8(key) == std::string::npos) json[key] = values;
    }
    json["number"] = number;
    const auto back = ParseJson(json.dump(), "x");
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == json);
  });
}

TEST(FindInvalidUtf8, FindsTheFirstBadByte) {
  constexpr size_t none = std::string_view::npos;
  EXPECT_EQ(FindInvalidUtf8(""), none);
  EXPECT_EQ(FindInvalidUtf8("plain text over eight bytes"), none);
  EXPECT_EQ(FindInvalidUtf8("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
            none);
  EXPECT_EQ(FindInvalidUtf8("123456789\x80"), 9u);
  for (std::string_view bad : {"\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
                               "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x9f\x98"}) {
    EXPECT_EQ(FindInvalidUtf8("ab" + std::string(bad)), 2u);
    EXPECT_EQ(FindInvalidUtf8("ab" + std::string(bad) + "cd"), 2u);
  }
}

TEST(Shown, IsOneLineOfBoundedLength) {
  EXPECT_EQ(Shown("plain \xc3\xa9"), "plain \xc3\xa9");
  EXPECT_EQ(Shown("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(Shown("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Shown("\xc2\x9b"), "\\xc2\\x9b");  // the one-byte form of ESC [ in some terminals
  EXPECT_EQ(Shown("12345", 5), "12345");
  EXPECT_EQ(Shown("123456", 5), "12345...");
  EXPECT_EQ(Shown("1234\xc3\xa9", 5), "1234...");
}

}  // namespace
}  // namespace hew
