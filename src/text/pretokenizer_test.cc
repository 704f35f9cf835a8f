#include "text/pretokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "text/pretokenizer_patterns.h"

namespace hew {
namespace {

using Words = std::vector<std::string>;

Words Split(const PreTokenizer& pre, std::string_view text) {
  Words words;
  pre.Split(text, true, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

Words Split(const char* name, std::string_view text) { return Split(PreTokenizer::FromGgufName(name).value(), text); }

std::string Joined(const Words& words) {
  std::string text;
  for (const auto& word : words) text += word;
  return text;
}

TEST(PreTokenizer, CutsAsEachNameSays) {
  EXPECT_EQ(Split("gpt-2", "I'm 1234  x!!\n"), (Words{"I", "'m", " 1234", " ", " x", "!!", "\n"}));
  EXPECT_EQ(Split("llama-bpe", "I'M 1234  x!!\n"), (Words{"I", "'M", " ", "123", "4", " ", " x", "!!\n"}));
  EXPECT_EQ(Split("qwen2", "(ab 12"), (Words{"(ab", " ", "1", "2"}));
  EXPECT_EQ(Split("smollm", "a 12 b"), (Words{"a", " ", "1", "2", " b"}));
  EXPECT_EQ(Split("deepseek-coder", "ab, 가a12\n"), (Words{"ab", ",", " ", "가", "a", "1", "2", "\n"}));
  EXPECT_EQ(Split("deepseek-llm", "12 漢字ab"), (Words{"12", " ", "漢字", "ab"}));
  EXPECT_EQ(Split("falcon", "x=12345"), (Words{"x", "=", "123", "45"}));
  EXPECT_EQ(Split("tekken", "HelloWorld 12"), (Words{"Hello", "World", " ", "1", "2"}));
  EXPECT_EQ(Split("default", "a$b 1234"), (Words{"a", "$", "b", " ", "123", "4"}));
  EXPECT_EQ(Split("superbpe", "1234567 12"), (Words{"1", "234", "567", " ", "12"}));
  EXPECT_EQ(Split("afmoe", "12345 a"), (Words{"12", "345", " a"}));
  EXPECT_EQ(Split("kimi-k2", "Ab漢字cd"), (Words{"Ab", "漢字", "cd"}));
  EXPECT_EQ(Split("gemma4", "a b\n\nc"), (Words{"a b", "\n\n", "c"}));
  EXPECT_EQ(Split("ufakzeka", "Ali'nin"), (Words{"Ali", "'nin"}));
  EXPECT_EQ(Split("tiny_aya", "1234 x"), (Words{"1", "234", " x"}));
  EXPECT_EQ(Split("gpt-2", ""), Words{});
}

TEST(PreTokenizer, EveryNameOfTheIssueIsKnown) {
  for (const char* name : {"default", "gpt-2", "llama-bpe", "llama3", "qwen2", "smollm", "deepseek-llm",
                           "deepseek-coder", "falcon", "starcoder", "refact", "command-r", "tekken"}) {
    EXPECT_TRUE(PreTokenizer::FromGgufName(name)) << name;
  }
  EXPECT_FALSE(PreTokenizer::FromGgufName("unheard-of"));
}

TEST(PreTokenizer, LongTextsOfOneKindAreCutWhole) {
  for (const auto& entry : PatternTable()) {
    const auto pre = PreTokenizer::FromGgufName(entry.names[0]).value();
    for (const std::string unit : {"a", "A", " ", "\n", " \n", "가", "漢", "7", "!", "\xff", "'", "a ", "e\u0301"}) {
      std::string text;
      while (text.size() < (256u << 10)) text += unit;
      EXPECT_TRUE(Joined(Split(pre, text)) == text) << entry.names[0] << " '" << unit << "'";
      EXPECT_TRUE(Joined(Split(pre, text + "x")) == text + "x") << entry.names[0] << " '" << unit << "x'";
    }
  }
}

// A run of one letter is one word, however long: no limit cuts it short.
TEST(PreTokenizer, ALongWordStaysWhole) {
  const std::string word(1u << 20, 'a'), spaces(1u << 20, ' ');
  for (const char* name : {"default", "gpt-2", "llama-bpe", "qwen2", "smollm", "deepseek-coder", "deepseek-llm",
                           "falcon", "tekken", "gpt-4o"}) {
    EXPECT_EQ(Split(name, word + "\n" + word)[0].size(), word.size()) << name;
    EXPECT_GE(Split(name, spaces + "x")[0].size(), name == std::string_view("deepseek-llm") ? 1 : spaces.size() - 1)
        << name;
  }
}

RC_GTEST_PROP(PreTokenizer, PiecesAreTheText, (std::vector<uint8_t> raw)) {
  static const auto all = [] {
    std::vector<PreTokenizer> pres;
    for (const auto& entry : PatternTable()) pres.push_back(PreTokenizer::FromGgufName(entry.names[0]).value());
    return pres;
  }();
  const std::string text = std::string(raw.begin(), raw.end()) + " a1\n";
  for (const auto& pre : all) RC_ASSERT(Joined(Split(pre, text)) == text);
}

PreTokenizer With(const char* pattern, SplitBehavior behavior, bool invert = false,
                  PrefixRule when = PrefixRule::kNever) {
  PreTokenizer pre;
  pre.AddStep({"", " ", when, Regex::Compile(pattern).value(), behavior, invert});
  return pre;
}

TEST(PreTokenizer, EachBehaviour) {
  EXPECT_EQ(Split(With("-", SplitBehavior::kIsolated), "a--b"), (Words{"a", "-", "-", "b"}));
  EXPECT_EQ(Split(With("-", SplitBehavior::kRemoved), "a--b"), (Words{"a", "b"}));
  EXPECT_EQ(Split(With("-", SplitBehavior::kMergedWithPrevious), "a--b"), (Words{"a-", "-", "b"}));
  EXPECT_EQ(Split(With("-", SplitBehavior::kMergedWithNext), "a--b"), (Words{"a", "-", "-b"}));
  EXPECT_EQ(Split(With("-", SplitBehavior::kContiguous), "a--b"), (Words{"a", "--", "b"}));
  EXPECT_EQ(Split(With("[a-z]", SplitBehavior::kRemoved, true), "a--b"), (Words{"a", "b"}));
  EXPECT_EQ(Split(With("-", SplitBehavior::kIsolated, false, PrefixRule::kAlways), "a-b"), (Words{" a", "-", "b"}));
}

TEST(Regex, RefusesAndBounds) {
  const auto bad = Regex::Compile("(");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("found '('"), std::string::npos);
  EXPECT_FALSE(Regex::Compile("\\C"));  // would cut characters in two
  // Exponential in the text: ends, and says that it did not look to the end.
  const std::string text(5000, 'a');
  EXPECT_FALSE(Regex::Compile("(a|aa)+$|b").value().ForEach(text + "c", [](size_t, size_t) {}));
  // Quadratic over all matches together: the budget is for the text, not for one match.
  EXPECT_FALSE(Regex::Compile("(a|b)*c|a").value().ForEach(std::string(200'000, 'a'), [](size_t, size_t) {}));
  EXPECT_TRUE(
      Regex::Compile("b").value().Search("\xff"
                                         "ab"));
  EXPECT_FALSE(Regex::Compile("^b").value().Search("a\nb"));
  EXPECT_TRUE(Regex::Compile("^b", /*lines=*/true).value().Search("a\nb"));
  EXPECT_TRUE(Regex::Compile(Regex::Quote("a.b\\E(가")).value().Search("xa.b\\E(가"));
  EXPECT_FALSE(Regex::Compile(Regex::Quote("a.b")).value().Search("axb"));
}

}  // namespace
}  // namespace hew
