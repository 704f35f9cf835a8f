#include "http/tool_calls.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

// Words as they are, calls as NAME(ARGUMENTS).
std::string Shape(const std::vector<ToolPiece>& pieces) {
  std::string out;
  for (const auto& piece : pieces)
    out += piece.is_call ? "[" + piece.call.name + piece.call.arguments + "]" : piece.text;
  return out;
}

std::string Read(const std::string& text, size_t step = std::string::npos, bool inside = false) {
  ToolCallParser parser(inside);
  std::string out;
  for (size_t at = 0; at < text.size(); at += std::min(step, text.size() - at))
    out += Shape(parser.Push(text.substr(at, step)));
  return out + Shape(parser.Flush());
}

constexpr const char* kTwo =
    "Let me look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": "
    "\"서울\"}}\n</tool_call>\n<tool_call>\n"
    "{\"name\": \"time\", \"arguments\": {}}\n</tool_call>";

TEST(ToolCalls, FindsCallsHoweverTheTextIsCut) {
  for (size_t step : {1, 2, 5, 11, 1000})
    EXPECT_EQ(Read(kTwo, step), "Let me look.[weather{\"city\":\"서울\"}][time{}]") << step;
}

TEST(ToolCalls, LeavesWordsAlone) {
  EXPECT_EQ(Read("a < b and <tool> is no call", 1), "a < b and <tool> is no call");
  EXPECT_EQ(Read("ends with <tool_c", 3), "ends with <tool_c");
}

TEST(ToolCalls, WordsComeAtOnce) {
  ToolCallParser parser;
  EXPECT_EQ(Shape(parser.Push("Hello wor")), "Hello wor");
  EXPECT_EQ(Shape(parser.Push("ld <tool")), "ld");
  EXPECT_EQ(Shape(parser.Push("box>")), " <toolbox>");
}

TEST(ToolCalls, WhatIsNoCallIsText) {
  EXPECT_EQ(Read("<tool_call>not json</tool_call>"), "<tool_call>not json</tool_call>");
  EXPECT_EQ(Read("<tool_call>{\"name\": 5}</tool_call>"), "<tool_call>{\"name\": 5}</tool_call>");
  EXPECT_EQ(Read("<tool_call>{\"name\": \"x\", \"arg"), "<tool_call>{\"name\": \"x\", \"arg");
}

TEST(ToolCalls, AnOpenedCallNeedsNoWords) {
  EXPECT_EQ(Read("{\"name\": \"x\", \"arguments\": {\"a\": 1}}", 4, true), "[x{\"a\":1}]");
  EXPECT_EQ(Read("<tool_call>\n{\"name\": \"x\", \"arguments\": {}}"), "[x{}]");
}

}  // namespace
}  // namespace hew
