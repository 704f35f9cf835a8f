// Suites: what is read, what is refused, what passes; and that scores do not depend on what else is asked.
#include "studio/test_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/test_folder.h"
#include "infer/continuations.h"
#include "model/test_util.h"
#include "studio/export_test_support.h"
#include "studio/json_schema.h"

namespace hew {
namespace {

using testing::HasSubstr;

Result<TestCase> Case(const char* json) { return ReadCase(*ParseJson(json, "case"), "suite.jsonl:1", 1); }

bool Holds(const std::string& check, const std::string& answer) {
  const auto test = Case((R"({"prompt": "q", "check": )" + check + "}").c_str());
  EXPECT_TRUE(test) << test.error().message;
  std::string why;
  const bool passed = Passes(*test, answer, &why);
  EXPECT_EQ(passed, why.empty());
  return passed;
}

TEST(Suite, ChecksOfText) {
  EXPECT_TRUE(Holds(R"({"equals": "yes"})", " yes\n"));
  EXPECT_FALSE(Holds(R"({"equals": "yes"})", "Yes"));
  EXPECT_TRUE(Holds(R"({"contains": ["a", "b"]})", "b a"));
  EXPECT_FALSE(Holds(R"({"contains": ["a", "b"]})", "a"));
  EXPECT_FALSE(Holds(R"({"contains": "a", "not_contains": "b"})", "a b"));
  EXPECT_TRUE(Holds(R"({"regex": "^\\d+ days"})", "19 days"));
}

TEST(Suite, ChecksOfJson) {
  const std::string schema =
      R"({"json_schema": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 2},
    "age": {"type": "integer", "minimum": 0}, "kind": {"enum": ["a", "b"]}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true}},
    "additionalProperties": false, "$defs": {"tag": {"type": "string", "pattern": "^[a-z]+$"}}}})";
  EXPECT_TRUE(Holds(schema, R"({"name": "Hew", "age": 3, "kind": "a", "tags": ["x", "y"]})"));
  EXPECT_TRUE(Holds(schema, "```json\n{\"name\": \"Hew\"}\n```"));
  for (const char* wrong :
       {R"({"age": 3})", R"({"name": "H"})", R"({"name": "Hew", "age": -1})", R"({"name": "Hew", "age": 1.5})",
        R"({"name": "Hew", "more": 1})", R"({"name": "Hew", "kind": "c"})", R"({"name": "Hew", "tags": ["x", "x"]})",
        R"({"name": "Hew", "tags": ["X"]})", "no JSON", "[]"}) {
    EXPECT_FALSE(Holds(schema, wrong)) << wrong;
  }
  const Json value = *ParseJson(R"({"name": "Hew", "tags": ["ok", 7]})", "v");
  EXPECT_EQ(
      FitsSchema(value, *ParseJson(R"({"properties": {"tags": {"items": {"type": "string"}}}})", "s")).error().message,
      "tags[1]: expected string, found number");
  EXPECT_TRUE(FitsSchema(
      Json(4), *ParseJson(R"({"oneOf": [{"type": "string"}, {"multipleOf": 2}], "not": {"const": 6}})", "s")));
  EXPECT_FALSE(FitsSchema(Json(6), *ParseJson(R"({"not": {"const": 6}})", "s")));
  const auto circular = FitsSchema(Json(1), *ParseJson(R"({"$ref": "#"})", "s"));
  EXPECT_THAT(circular.error().message, HasSubstr("inside one another"));
}

TEST(Suite, RefusesWithPlaceAndField) {
  const std::pair<const char*, const char*> kWrong[] = {
      {R"({"prompt": "q", "check": {"contians": "x"}})", "found 'contians'"},
      {R"({"prompt": "q"})", "check: expected one"},
      {R"({"check": {"equals": "x"}})", "expected messages or prompt"},
      {R"({"prompt": "q", "check": {"regex": "("}})", "check.regex"},
      {R"({"prompt": "q", "check": {"choices": ["a"], "gold": 0}})", "two or more"},
      {R"({"prompt": "q", "check": {"choices": ["a", "b"], "gold": 2}})", "gold: expected an index below 2"},
      {R"({"prompt": "q", "check": {"gold": 2}})", "expected choices beside it"},
      {R"({"prompt": "q", "check": {"max_perplexity": -1}})", "max_perplexity"},
      {R"({"prompt": "q", "check": {"judge": {"model": "v1"}}})", "expected model and rubric"},
      {R"({"prompt": "q", "check": {"json_schema": {"typ": "object"}}})", "found 'typ'"},
      {R"({"prompt": "q", "check": {"json_schema": {"$ref": "#/no"}}})", "$ref"},
      {R"({"query": "q", "choices": "a", "gold": 0})", "choices"},
      {R"({"id": 3, "prompt": "q", "check": {"equals": "x"}})", "id: expected text"}};
  for (const auto& [row, word] : kWrong) {
    const auto test = Case(row);
    ASSERT_FALSE(test) << row;
    EXPECT_THAT(test.error().message, HasSubstr(word));
    EXPECT_TRUE(test.error().message.starts_with("suite.jsonl:1")) << test.error().message;
  }
}

TEST(Suite, TheDigestChangesWithWhatDecidesAndWithNothingElse) {
  const auto a = *Case(R"({"id": "1", "prompt": "q", "check": {"equals": "x"}, "tags": ["t"]})");
  EXPECT_EQ(a.Digest(64),
            Case(R"({"check": {"equals": "x"}, "prompt": "q", "id": "2", "must_pass": true})")->Digest(64));
  EXPECT_NE(a.Digest(64), a.Digest(32));
  EXPECT_NE(a.Digest(64), Case(R"({"id": "1", "prompt": "q", "check": {"equals": "y"}})")->Digest(64));
  const auto choices = *Case(R"({"query": "q", "choices": ["a", "b"], "gold": 1})");
  EXPECT_EQ(choices.Digest(64), choices.Digest(32)) << "no answer is generated";
}

TEST(Suite, HarnessRows) {
  const auto arc = *Case(R"({"query": "Question: Which is a rock?\n", "choices": ["granite", "oak"], "gold": 0})");
  EXPECT_EQ(arc.prompt, "Question: Which is a rock?\nAnswer:");
  const auto copa = *Case(R"({"query": "The man fell, because", "choices": ["he slept.", "he tripped."], "gold": 1})");
  EXPECT_EQ(copa.prompt, "The man fell, because");
  EXPECT_EQ(copa.checks[0].gold, 1u);
  const auto lambada = *Case(R"({"context": "He opened the", "continuation": "door"})");
  EXPECT_EQ(lambada.checks[0].kind, CheckKind::kContinuation);
}

class ScoringTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "tiny");
    auto opened = OpenModel(rt_, folder_.Path("tiny"), {});
    ASSERT_TRUE(opened) << opened.error().message;
    opened_ = *std::move(opened);
    engine_ = *opened_->MakeEngine(rt_);
  }
  std::vector<int32_t> Ids(const std::string& text) const { return opened_->tokenizer->Encode(text); }

  TestFolder folder_;
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  std::optional<OpenedModel> opened_;
  Engine engine_;
};

// Against ScoreTokens, one text at a time, and against greedy decoding: the same bits, whatever is shared.
TEST_F(ScoringTest, ContinuationsEqualTheirTextsScoredAlone) {
  std::vector<ContinuationRequest> requests;
  for (const char* context : {"a common beginning, one", "a common beginning, one", "a common beginning, two", "other",
                              "a common beginning, one more"}) {
    for (const char* continuation : {" x", " yes it is", " no"}) requests.push_back({Ids(context), Ids(continuation)});
  }
  const std::string longer(200, 'k');
  requests.push_back({Ids(longer), Ids(" end")});
  size_t told = 0;
  const auto scores = ScoreContinuations(engine_, requests, [&](size_t done) { told = done; });
  ASSERT_TRUE(scores) << scores.error().message;
  ASSERT_EQ(scores->size(), requests.size());
  EXPECT_EQ(told, requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    auto ids = requests[i].context;
    ids.insert(ids.end(), requests[i].continuation.begin(), requests[i].continuation.end());
    const auto alone = ScoreTokens(engine_, ids);
    ASSERT_TRUE(alone);
    double sum = 0;
    for (size_t k = requests[i].context.size(); k < ids.size(); ++k)
      sum += **(alone->begin() + static_cast<std::ptrdiff_t>(k));
    EXPECT_EQ((*scores)[i].logprob, sum) << i;
    GenerateRequest greedy{requests[i].context, {}, static_cast<int64_t>(requests[i].continuation.size()), {}};
    greedy.sampling.temperature = 0;
    const auto said = Generator(engine_).Generate(greedy);
    ASSERT_TRUE(said);
    EXPECT_EQ((*scores)[i].greedy, said->ids == requests[i].continuation) << i;
    // What greedy decoding says is greedy.
    const auto same = ScoreContinuations(engine_, {{requests[i].context, said->ids}});
    EXPECT_TRUE((*same)[0].greedy);
  }
  EXPECT_FALSE(ScoreContinuations(engine_, {{{}, {1}}}));
  EXPECT_FALSE(ScoreContinuations(engine_, {{{1}, {999999}}}));
  EXPECT_FALSE(ScoreContinuations(engine_, {{std::vector<int32_t>(300, 1), {1}}})) << "longer than the context";
}

TEST_F(ScoringTest, GeneratedAnswersDoNotDependOnTheBatch) {
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 9; ++i) {
    GenerateRequest request{
        Ids("the same beginning of all, then " + std::string(static_cast<size_t>(i), 'z') + " end"), {}, 6 + i % 3, {}};
    request.sampling.temperature = 0;
    requests.push_back(request);
  }
  requests.push_back(requests[3]);  // twice the same
  for (const int64_t batch : {1, 3, 16}) {
    const auto answers = GenerateAll(engine_, requests, batch);
    ASSERT_TRUE(answers);
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ((*answers)[i].ids, Generator(engine_).Generate(requests[i])->ids) << i << " of batch " << batch;
  }
}

TEST_F(ScoringTest, ASuiteOfAllKindsIsDecided) {
  const std::string rows = R"({"id": "text", "prompt": "hello", "check": {"not_contains": "no such words"}})"
                           "\n"
                           R"({"id": "choices", "query": "q", "choices": ["a", "a longer one"], "gold": 1})"
                           "\n"
                           R"({"id": "last", "context": "He opened the", "continuation": "door"})"
                           "\n"
                           R"({"id": "loose", "prompt": "some text", "check": {"max_perplexity": 1e9}})"
                           "\n"
                           R"({"id": "tight", "prompt": "some text", "check": {"max_perplexity": 1.01}})"
                           "\n";
  const auto cases = ParseSuite(rows, "suite");
  ASSERT_TRUE(cases) << cases.error().message;
  SuiteOptions options;
  options.max_tokens = 4;
  size_t kept = 0, done = 0;
  options.keep = [&](std::span<const CaseResult> results) -> Status {
    kept += results.size();
    return {};
  };
  options.on_done = [&](size_t n) { done = n; };
  const auto result = RunSuite(*opened_, engine_, *cases, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(kept, 5u);
  EXPECT_EQ(done, 5u);
  EXPECT_EQ(result->cases[0].id, "text");
  EXPECT_TRUE(result->cases[0].passed);
  const CaseResult& choice = result->cases[1];
  ASSERT_EQ(choice.logprobs.size(), 2u);
  EXPECT_EQ(choice.passed, choice.logprobs[1] > choice.logprobs[0]);
  EXPECT_EQ(*choice.passed_per_character, choice.logprobs[1] / 12 > choice.logprobs[0]);
  EXPECT_TRUE(result->cases[3].passed);
  EXPECT_FALSE(result->cases[4].passed);
  EXPECT_EQ(result->cases[3].score, result->cases[4].score);
  // Perplexity counts every token of the text, the first behind BOS.
  std::vector<int32_t> ids = Ids("some text");
  ids.insert(ids.begin(), *opened_->tokenizer->bos());
  const auto logprobs = ScoreTokens(engine_, ids);
  double sum = 0;
  for (size_t i = 1; i < ids.size(); ++i) sum += *(*logprobs)[i];
  EXPECT_NEAR(*result->cases[3].score, std::exp(-sum / static_cast<double>(ids.size() - 1)), 1e-9);
  const auto metrics = SuiteMetrics(result->cases);
  EXPECT_TRUE(metrics.contains("acc_norm"));
  EXPECT_NEAR(metrics["perplexity"].get<double>(), std::exp(-result->cases[2].logprobs[0]), 1e-9);
}

// A judge's mark is the mean of 1 to 5 by what it finds likely, and `least` decides.
TEST_F(ScoringTest, AJudgeMarksAnswers) {
  folder_.Put(
      "tiny/tokenizer_config.json",
      R"({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": "{% for m in messages %}Q {{ m.content }} A {% endfor %}"})");
  int opened = 0;
  SuiteOptions options;
  options.max_tokens = 6;
  options.open_judge = [&](const std::string& name) {
    ++opened;
    EXPECT_EQ(name, "the judge");
    return OpenModel(rt_, folder_.Path("tiny"), {});
  };
  const auto run = [&](double least) {
    const std::string judge =
        fmt::format(R"("check": {{"judge": {{"model": "the judge", "rubric": "short", "least": {}}}}})", least);
    const auto cases = ParseSuite(
        R"({"id": "text", "prompt": "tell me", )" + judge + "}\n" +
            R"({"id": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "and you"}]}], )" +
            judge + "}\n",
        "suite.jsonl");
    EXPECT_TRUE(cases) << cases.error().message;
    const auto asked = OpenModel(rt_, folder_.Path("tiny"), {});
    return RunSuite(*asked, *asked->MakeEngine(rt_), *cases, options);
  };
  const auto marked = run(1);
  ASSERT_TRUE(marked) << marked.error().message;
  EXPECT_EQ(opened, 1) << "once for both cases";
  const auto judge = OpenModel(rt_, folder_.Path("tiny"), {});
  double highest = 1, lowest = 5;
  for (const CaseResult& result : marked->cases) {
    EXPECT_TRUE(result.passed) << result.why;
    const std::string ask = fmt::format(
        "Mark an answer from 1 (worst) to 5 (best). What counts: short\n\nQuestion: {}\n\nAnswer: {}\n\nReply with the "
        "mark alone.",
        result.id == "text" ? "tell me" : "and you", result.answer);
    const auto ids = ChatPrompt(*judge, Json::array({{{"role", "user"}, {"content", ask}}}), nullptr, {});
    ASSERT_TRUE(ids);
    const Matrix logits = test::LogitsOf(rt_, *judge->model, {}, *ids);
    double sum = 0, weighted = 0;
    for (int mark = 1; mark <= 5; ++mark) {
      const double p = std::exp(logits.view().f32(logits.row_count() - 1)[Ids(std::to_string(mark))[0]]);
      sum += p;
      weighted += p * mark;
    }
    EXPECT_NEAR(*result.score, weighted / sum, 1e-4) << result.id;
    highest = std::max(highest, *result.score);
    lowest = std::min(lowest, *result.score);
  }
  const auto stricter = run((highest + lowest) / 2);
  ASSERT_TRUE(stricter);
  EXPECT_EQ(stricter->passed + stricter->failed, 2);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(stricter->cases[i].passed, *marked->cases[i].score >= (highest + lowest) / 2);
  const auto refused = run(5);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->failed, 2);
  EXPECT_THAT(refused->cases[0].why, HasSubstr("expected at least 5"));
}

}  // namespace
}  // namespace hew
