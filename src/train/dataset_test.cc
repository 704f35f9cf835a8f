#include "train/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/preview.h"
#include "train/test_support.h"

namespace hew {
namespace {

using testing::HasSubstr;

class DatasetTest : public testing::Test {
 protected:
  DatasetTest() : folder_(TestFolder(testing::UnitTest::GetInstance()->current_test_info()->name())) {
    auto chat = ChatTemplate::Create(kTurnsTemplate, "<s>", "<|im_end|>");
    EXPECT_TRUE(chat) << chat.error().message;
    chat_ = std::make_unique<ChatTemplate>(*std::move(chat));
  }

  DatasetOptions Options() const {
    DatasetOptions options;
    options.tokenizer = &tokenizer_;
    options.chat = chat_.get();
    options.context = 200;
    return options;
  }

  // Every example as text, the learned part in [[ ]].
  std::vector<std::string> Marked(const std::string& rows, DatasetOptions options, const char* name = "d.jsonl") {
    const auto data = ReadDataset({WriteTestFile(folder_, name, rows)}, options);
    if (!data) return {"error: " + data.error().message};
    std::vector<std::string> out;
    for (const auto& example : data->examples) out.push_back(ShowExample(*options.tokenizer, example, false));
    return out;
  }

  std::string folder_;
  ByteTokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> chat_;
};

TEST_F(DatasetTest, LearnsContentAndEndOfTurnOfAssistantsAlone) {
  const auto marked = Marked(
      R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is this thing?"},{"role":"assistant","content":"yes it is"}]})"
      "\n"
      R"({"messages":[{"role":"user","content":"Q1"},{"role":"assistant","content":"A1","weight":0},{"role":"user","content":"A1"},{"role":"assistant","content":"A1"}]})"
      "\n",
      Options());
  ASSERT_EQ(marked.size(), 2u) << marked[0];
  EXPECT_EQ(marked[0],
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is this "
            "thing?<|im_end|>\n<|im_start|>assistant\n[[yes it is<|im_end|>]]\n");
  EXPECT_EQ(marked[1],
            "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nA1<|im_end|>\n<|im_"
            "start|>assistant\n[[A1<|im_end|>]]\n");
}

TEST_F(DatasetTest, ControlTokensThatAMessageSpellsAreText) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"<|im_end|>\n<|im_start|>system"},{"role":"assistant","content":"no <|im_end|>"}]})"
      "\n";
  const auto data = ReadDataset({WriteTestFile(folder_, "d.jsonl", row)}, Options());
  ASSERT_TRUE(data) << data.error().message;
  const auto& ids = data->examples[0].ids;
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 256), 2);  // the template's own: one for each message
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 257), 2);
  EXPECT_THAT(ShowExample(tokenizer_, data->examples[0], false), HasSubstr("[[no <|im_end|><|im_end|>]]"));
}

TEST_F(DatasetTest, PairsAreTurnsWithATemplateAndRunningTextWithout) {
  const std::string row = "{\"prompt\":\"why?\",\"completion\":\"yes\"}\n";
  EXPECT_THAT(Marked(row, Options()),
              testing::ElementsAre("<|im_start|>user\nwhy?<|im_end|>\n<|im_start|>assistant\n[[yes<|im_end|>]]\n"));
  DatasetOptions plain = Options();
  plain.chat = nullptr;
  // "?y" is one token: the prompt's own tokens are kept, as serving will see them.
  EXPECT_THAT(Marked(row, plain), testing::ElementsAre("why?[[yes<|im_end|>]]"));
  const ByteTokenizer with_bos(true);
  plain.tokenizer = &with_bos;
  EXPECT_THAT(Marked(row, plain), testing::ElementsAre("<s>why?[[yes<|im_end|>]]"));
  EXPECT_THAT(Marked("{\"text\":\"abc\"}\n", plain), testing::ElementsAre("<s>[[abc<|im_end|>]]"));
}

TEST_F(DatasetTest, WithoutATemplateConversationsAreRefused) {
  DatasetOptions plain = Options();
  plain.chat = nullptr;
  EXPECT_THAT(Marked("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n", plain)[0],
              HasSubstr("d.jsonl:1: expected a model with a chat template (or --template FILE)"));
}

TEST_F(DatasetTest, LongRowsAreRefusedOrCut) {
  const std::string rows = "{\"prompt\":\"q\",\"completion\":\"short\"}\n{\"prompt\":\"q\",\"completion\":\"" +
                           std::string(300, 'x') + "\"}\n";
  EXPECT_THAT(Marked(rows, Options())[0],
              HasSubstr("d.jsonl:2: expected rows of at most 200 tokens (the model's context), found 1 longer"));
  DatasetOptions cut = Options();
  cut.max_length = 100;
  const auto data = ReadDataset({folder_ + "/d.jsonl"}, cut);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->counts.cut, 1);
  EXPECT_EQ(data->counts.longest, 100);
}

TEST_F(DatasetTest, CountsDuplicatesAndRowsWithNothingToLearn) {
  const std::string path = WriteTestFile(
      folder_, "d.jsonl",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n");
  const auto data = ReadDataset({path}, Options());
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->counts.rows, 3);
  EXPECT_EQ(data->counts.duplicates, 1);
  EXPECT_EQ(data->counts.unlearned, 1);
  EXPECT_EQ(data->counts.learned_tokens, 4);
  EXPECT_EQ(data->examples.size(), 2u);
  EXPECT_THAT(Marked("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n", Options())[0],
              HasSubstr("expected rows with an answer to learn, found none in 1 rows"));
}

TEST_F(DatasetTest, FindsTestQuestionsInTheTrainingData) {
  const auto read = [&](const char* name, const std::string& rows) {
    return *ReadDataset({WriteTestFile(folder_, name, rows)}, Options());
  };
  const Dataset train =
      read("t.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"c\",\"completion\":\"d\"}\n");
  const Dataset eval =
      read("e.jsonl", "{\"prompt\":\"x\",\"completion\":\"b\"}\n{\"prompt\":\"c\",\"completion\":\"other\"}\n");
  const Overlap overlap = FindOverlap(train, eval);
  EXPECT_EQ(overlap.rows, 1);
  EXPECT_THAT(overlap.first, testing::EndsWith("e.jsonl:2"));
  EXPECT_NE(train.Digest(), eval.Digest());
}

TEST_F(DatasetTest, PlainTextIsCutIntoWindowsThatLearnEveryTokenOnce) {
  DatasetOptions options = Options();
  options.max_length = 10;
  const auto data =
      ReadDataset({WriteTestFile(folder_, "s.txt", "0123456789abcdefghijklmnopqrstuv\n\nsecond")}, options);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->counts.learned_tokens, 32 + 6);  // each document's first token has none before it; its end is learned
  std::string learned;
  for (const auto& example : data->examples) {
    EXPECT_LE(example.size(), 10);
    for (size_t i = 0; i < example.ids.size(); ++i) {
      if (example.weights[i] > 0) learned += tokenizer_.TokenBytes(example.ids[i], true);
    }
  }
  EXPECT_EQ(learned, "123456789abcdefghijklmnopqrstuv<|im_end|>econd<|im_end|>");
}

TEST_F(DatasetTest, TheShownExampleSteersNoTerminal) {
  TrainingExample example;
  example.ids = {'a', 0x1b, 'b', 0xff};
  example.weights = {0, 1, 1, 0};
  EXPECT_EQ(ShowExample(tokenizer_, example, false), "a[[\\x1bb]]\\xff");
  EXPECT_EQ(ShowExample(tokenizer_, example, true), "a\033[1;32m\\x1bb\033[0m\\xff");
}

}  // namespace
}  // namespace hew
