#include "train/data_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hew {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

DataRow Row(std::string_view json) {
  DataRow row;
  row.where = "d.jsonl:3";
  row.object = nlohmann::ordered_json::parse(json);
  return row;
}

Result<NormalRow> Normal(std::string_view json) { return NormaliseRow(Row(json), DataFormat::kAuto); }

std::string ErrorOf(std::string_view json) {
  const auto row = Normal(json);
  return row ? "" : row.error().message;
}

TEST(DataFormat, ChatKeepsWeightsOfAssistantMessagesOnly) {
  const auto row = Normal(R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"U","weight":1},
    {"role":"assistant","content":"A","weight":0},{"role":"assistant","content":[{"type":"text","text":"B"},{"type":"text","text":"C"}]}]})");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->kind, NormalRow::Kind::kConversation);
  EXPECT_THAT(row->weights, ElementsAre(0, 0, 0, 1));
  EXPECT_EQ(row->messages[3]["content"], "BC");
  EXPECT_FALSE(row->messages[2].contains("weight"));
}

TEST(DataFormat, ToolCallsHaveTheirArgumentsUnwrapped) {
  auto row = Normal(R"({"messages":[{"role":"user","content":"U"},{"role":"assistant","content":null,
    "tool_calls":[{"type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}]}],"tools":[{"name":"f"}]})");
  ASSERT_TRUE(row) << row.error().message;
  EXPECT_TRUE(row->has_tool_calls);
  EXPECT_EQ(row->messages[1]["tool_calls"][0]["function"]["arguments"], nlohmann::ordered_json({{"x", 1}}));
  EXPECT_EQ(row->tools[0]["function"]["name"], "f");
  WriteToolCallsAsText(&*row);
  EXPECT_EQ(row->messages[1]["content"], R"({"name":"f","arguments":{"x":1}})");
  EXPECT_FALSE(row->messages[1].contains("tool_calls"));
}

TEST(DataFormat, AlpacaJoinsInstructionAndInput) {
  const auto pair = Normal(R"({"instruction":"Add","input":"1 2","output":"3"})");
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->kind, NormalRow::Kind::kPair);
  EXPECT_EQ(pair->prompt, "Add\n1 2");
  EXPECT_EQ(Normal(R"({"instruction":"hi","input":"","output":"x"})")->prompt, "hi");
  const auto turns = Normal(R"({"instruction":"Q2","output":"A2","system":"S","history":[["Q1","A1"]]})");
  ASSERT_TRUE(turns);
  EXPECT_EQ(turns->messages.dump(),
            R"([{"role":"system","content":"S"},{"role":"user","content":"Q1"},{"role":"assistant","content":"A1"},)"
            R"({"role":"user","content":"Q2"},{"role":"assistant","content":"A2"}])");
}

TEST(DataFormat, ShareGptRolesAndCalls) {
  const auto row = Normal(
      R"({"conversations":[{"from":"human","value":"Q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{}}"},
    {"from":"observation","value":"42"},{"from":"gpt","value":"A"}],"system":"S","tools":"[{\"name\":\"f\"}]"})");
  ASSERT_TRUE(row) << row.error().message;
  std::string roles;
  for (const auto& message : row->messages) roles += message["role"].get<std::string>() + " ";
  EXPECT_EQ(roles, "system user assistant tool assistant ");
  EXPECT_THAT(row->weights, ElementsAre(0, 0, 1, 0, 1));
  EXPECT_TRUE(row->tools.is_array());
}

TEST(DataFormat, PromptsMayBeTextOrMessages) {
  const auto pair = Normal(R"({"prompt":"2+2=","completion":" 4"})");
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->completion, " 4");
  const auto chat = Normal(
      R"({"prompt":[{"role":"assistant","content":"old"}],"completion":[{"role":"assistant","content":"new"}]})");
  ASSERT_TRUE(chat);
  EXPECT_THAT(chat->weights, ElementsAre(0, 1));
  EXPECT_EQ(PairAsConversation(*pair).messages.dump(),
            R"([{"role":"user","content":"2+2="},{"role":"assistant","content":" 4"}])");
  EXPECT_EQ(Normal(R"({"text":"T"})")->completion, "T");
}

TEST(DataFormat, ErrorsNameTheField) {
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"user","content":5}]})"),
            "d.jsonl:3: messages[0].content: expected text, found number");
  EXPECT_THAT(ErrorOf(R"({"messages":"hi"})"), HasSubstr("messages: expected a list of messages, found string"));
  EXPECT_THAT(ErrorOf(R"({"messages":[]})"), HasSubstr("messages: expected at least one message"));
  EXPECT_THAT(ErrorOf(R"({"messages":[{"content":"x"}]})"),
              HasSubstr("messages[0].role: expected text, found no such field"));
  EXPECT_THAT(ErrorOf(R"({"messages":[{"role":"assistant","content":"x","weight":-1}]})"),
              HasSubstr("messages[0].weight: expected a number from 0 to 1, found -1"));
  EXPECT_THAT(ErrorOf(R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]})"),
              HasSubstr("messages[0].content: expected parts"));
  EXPECT_THAT(ErrorOf(R"({"prompt":"p"})"),
              HasSubstr("completion: expected text, found no such field (fields: prompt)"));
  EXPECT_THAT(ErrorOf(R"({"instruction":"p"})"), HasSubstr("output: expected text"));
  EXPECT_THAT(ErrorOf(R"({"conversations":[{"from":"martian","value":"x"}]})"),
              HasSubstr("conversations[0]: from: expected human"));
  EXPECT_THAT(ErrorOf(R"({"prompt":"p","chosen":"a","rejected":"b"})"), HasSubstr("found a preference pair"));
  EXPECT_THAT(ErrorOf(R"({"foo":1,"bar":2})"), HasSubstr("found fields: foo, bar"));
  EXPECT_THAT(NormaliseRow(Row(R"({"text":"x"})"), DataFormat::kChat).error().message,
              HasSubstr("messages: expected a list, found no such field (fields: text)"));
}

NormalRow Chosen(std::string_view json) {
  const auto row = NormalisePreference(Row(json));
  EXPECT_TRUE(row) << row.error().message;
  return row ? row->chosen : NormalRow();
}

TEST(Preference, EveryShapeIsTheSamePair) {
  const char* const shapes[] = {
      R"({"prompt":[{"role":"user","content":"Q"}],"chosen":[{"role":"assistant","content":"A"}],"rejected":[{"role":"assistant","content":"B"}]})",
      R"({"prompt":"Q","chosen":[{"role":"assistant","content":"A"}],"rejected":[{"role":"assistant","content":"B"}]})",
      R"({"prompt":[{"role":"user","content":"Q"}],"chosen":"A","rejected":{"role":"assistant","content":"B"}})",
      R"({"chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],
          "rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"B"}]})",
      R"({"prompt":"Q","chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],
          "rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"B"}]})",
      R"({"input":{"messages":[{"role":"user","content":"Q"}],"tools":[]},
          "preferred_output":[{"role":"assistant","content":"A"}],"non_preferred_output":[{"role":"assistant","content":"B"}]})",
      R"({"conversations":[{"from":"human","value":"Q"}],"chosen":{"from":"gpt","value":"A"},"rejected":{"from":"gpt","value":"B"}})",
  };
  for (const char* shape : shapes) {
    const auto row = NormalisePreference(Row(shape));
    ASSERT_TRUE(row) << shape << row.error().message;
    EXPECT_EQ(row->chosen.messages.dump(), R"([{"role":"user","content":"Q"},{"role":"assistant","content":"A"}])")
        << shape;
    EXPECT_EQ(row->rejected.messages[1]["content"], "B") << shape;
    EXPECT_THAT(row->chosen.weights, ElementsAre(0, 1)) << shape;
    EXPECT_THAT(row->rejected.weights, ElementsAre(0, 1)) << shape;
    EXPECT_EQ(*RecogniseFormat(Row(shape)), DataFormat::kPreference);
  }
}

TEST(Preference, TextsStayTextsAndEarlierAnswersAreNotLearned) {
  const NormalRow plain = Chosen(R"({"prompt":"Q","chosen":"A","rejected":"B"})");
  EXPECT_EQ(plain.kind, NormalRow::Kind::kPair);
  EXPECT_EQ(plain.prompt + plain.completion, "QA");
  const NormalRow alpaca = Chosen(R"({"instruction":"Add","input":"1 2","chosen":"3","rejected":"4"})");
  EXPECT_EQ(alpaca.prompt + "|" + alpaca.completion, "Add\n1 2|3");
  const NormalRow turns = Chosen(R"({"prompt":[{"role":"user","content":"1"},{"role":"assistant","content":"2"},
      {"role":"user","content":"3"}],"chosen":"4","rejected":"5"})");
  EXPECT_THAT(turns.weights, ElementsAre(0, 0, 0, 1));
}

TEST(Preference, ErrorsNameTheField) {
  const auto error = [](std::string_view json) {
    const auto row = NormalisePreference(Row(json));
    return row ? std::string("taken") : row.error().message;
  };
  EXPECT_THAT(error(R"({"prompt":"Q","chosen":"A"})"),
              HasSubstr("d.jsonl:3: rejected: expected an answer, found no such field"));
  EXPECT_THAT(error(R"({"chosen":"A","rejected":"B"})"), HasSubstr("prompt: expected text or a list of messages"));
  EXPECT_THAT(error(R"({"prompt":7,"chosen":"A","rejected":"B"})"),
              HasSubstr("prompt: expected a list of messages, found number"));
  EXPECT_THAT(error(R"({"prompt":"Q","chosen":[{"role":1}],"rejected":"B"})"),
              HasSubstr("chosen[0].role: expected text, found number"));
  EXPECT_THAT(error(R"({"prompt":"Q","chosen":[{"role":"user","content":"A"}],"rejected":"B"})"),
              HasSubstr("chosen: expected an answer of the assistant"));
  EXPECT_THAT(error(R"({"preferred_output":[],"non_preferred_output":[]})"),
              HasSubstr("input.messages: expected a list"));
  EXPECT_THAT(error(R"({"chosen":[{"role":"user","content":"x"}],"rejected":[{"role":"user","content":"y"}]})"),
              HasSubstr("prompt: expected a question, or two conversations"));
  EXPECT_THAT(error(R"({"prompt":"Q","completion":"A"})"),
              HasSubstr("found a row to imitate (fields: prompt, completion)"));
}

}  // namespace
}  // namespace hew
