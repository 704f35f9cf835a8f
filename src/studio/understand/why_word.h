// Which words of a question an answer hangs on: each word is left out in turn and the same answer scored again. It
// measures the effect of removal and nothing else: what remains may read oddly, and words that can stand for each other
// each look small. Words are what spaces separate (Korean: eojeol), not tokens.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "infer/generator.h"

namespace hew {

// A text whose words are left out: the prompt itself, or one message of a chat.
struct WordText {
  std::string name;  // "prompt", "system", "user"
  std::string text;
};

// The model's prompt made of the texts, in their order, some word of one of them perhaps missing.
using MakePrompt = std::function<Result<std::vector<int32_t>>(const std::vector<std::string>& texts)>;

struct WhyWordRequest {
  std::vector<WordText> texts;
  MakePrompt prompt;
  std::optional<std::string> answer;  // nullopt: what the model says by itself, greedily
  int64_t max_tokens = 24;            // of its own answer
  bool try_space = true;              // a given answer is scored with a space in front, too, and the likelier one taken
};

struct WordEffect {
  size_t text = 0, begin = 0, end = 0;  // bytes [begin, end) of texts[text]
  std::string word;
  double logprob_without = 0;  // of the answer, the word left out
  double effect = 0;           // logprob - logprob_without: above 0, the word makes the answer likelier
};

struct WhyWordReport {
  std::vector<WordText> texts;
  std::string answer;
  std::vector<int32_t> answer_ids;
  bool given = false;             // the answer was
  double logprob = 0;             // of the answer with all words, summed over its tokens
  std::vector<WordEffect> words;  // in the order of the texts

  std::vector<WordEffect> Sorted() const;  // largest effect first, whatever its sign
};

// Errors: fewer than two words in all; an answer of no tokens; prompts longer than the context.
Result<WhyWordReport> WhyWord(const Engine& engine, const WhyWordRequest& request);

// Bytes [begin, end) of each word: what lies between ASCII or ideographic spaces.
std::vector<std::pair<size_t, size_t>> WordsOf(std::string_view text);
// The text without [begin, end) and the spaces before it (or, at the beginning, after it).
std::string WithoutWord(std::string_view text, size_t begin, size_t end);

Json ToJson(const WhyWordReport& report);

}  // namespace hew
