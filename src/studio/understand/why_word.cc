#include "studio/understand/why_word.h"

#include <algorithm>
#include <cmath>

#include "infer/continuations.h"

namespace hew {
namespace {

constexpr std::string_view kIdeographicSpace = "\xE3\x80\x80";  // U+3000

// Bytes of the space that begins at `at`; 0: none does.
size_t SpaceAt(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  if (std::string_view(" \t\n\r\v\f").find(text[at]) != std::string_view::npos) return 1;
  return text.substr(at).starts_with(kIdeographicSpace) ? kIdeographicSpace.size() : 0;
}

// Bytes of the space that ends before `at`.
size_t SpaceBefore(std::string_view text, size_t at) {
  if (at >= 1 && SpaceAt(text, at - 1) == 1) return 1;
  return at >= 3 && SpaceAt(text, at - 3) == 3 ? 3 : 0;
}

// The model's own words after `ids`, without the token that ends them.
Result<std::vector<int32_t>> OwnAnswer(const Engine& engine, const std::vector<int32_t>& ids, int64_t max_tokens) {
  GenerateRequest generate;
  generate.prompt = ids;
  generate.sampling.temperature = 0;
  generate.max_tokens = max_tokens;
  HEW_ASSIGN(auto result, Generator(engine).Generate(generate));
  const auto& ends = engine.tokenizer->end_ids();
  while (!result.ids.empty() && std::find(ends.begin(), ends.end(), result.ids.back()) != ends.end())
    result.ids.pop_back();
  return std::move(result.ids);
}

// A given answer as ids: as it stands, or with a space in front where that is likelier.
Result<std::vector<int32_t>> GivenAnswer(const Engine& engine, const std::vector<int32_t>& prompt,
                                         const WhyWordRequest& request) {
  std::vector<int32_t> plain = engine.tokenizer->Encode(*request.answer);
  if (plain.empty() || !request.try_space || SpaceAt(*request.answer, 0) > 0) return plain;
  std::vector<int32_t> spaced = engine.tokenizer->Encode(" " + *request.answer);
  HEW_ASSIGN(const auto scores, ScoreContinuations(engine, {{prompt, plain}, {prompt, spaced}}));
  return scores[1].logprob > scores[0].logprob ? spaced : plain;
}

}  // namespace

std::vector<std::pair<size_t, size_t>> WordsOf(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> words;
  for (size_t at = 0; at < text.size();) {
    if (const size_t space = SpaceAt(text, at)) {
      at += space;
      continue;
    }
    const size_t begin = at;
    while (at < text.size() && SpaceAt(text, at) == 0) ++at;
    words.emplace_back(begin, at);
  }
  return words;
}

std::string WithoutWord(std::string_view text, size_t begin, size_t end) {
  const bool first = SpaceBefore(text, begin) == 0;
  while (const size_t space = SpaceBefore(text, begin)) begin -= space;
  // Where nothing is left before the word, what follows moves to the front.
  if (first || begin == 0) {
    while (const size_t space = SpaceAt(text, end)) end += space;
  }
  return std::string(text.substr(0, begin)) + std::string(text.substr(end));
}

std::vector<WordEffect> WhyWordReport::Sorted() const {
  std::vector<WordEffect> sorted = words;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.effect) > std::abs(b.effect); });
  return sorted;
}

Result<WhyWordReport> WhyWord(const Engine& engine, const WhyWordRequest& request) {
  WhyWordReport report;
  report.texts = request.texts;
  report.given = request.answer.has_value();
  std::vector<std::string> texts;
  for (size_t t = 0; t < request.texts.size(); ++t) {
    texts.push_back(request.texts[t].text);
    for (const auto& [begin, end] : WordsOf(texts[t]))
      report.words.push_back({t, begin, end, texts[t].substr(begin, end - begin)});
  }
  if (report.words.size() < 2)
    return BadInput("text: expected at least two words, one of which can be left out, found {}", report.words.size());
  HEW_ASSIGN(const auto prompt, request.prompt(texts));
  HEW_RETURN_IF_ERROR(CheckPrompt(engine, prompt));
  if (report.given) {
    HEW_ASSIGN(report.answer_ids, GivenAnswer(engine, prompt, request));
  } else {
    HEW_ASSIGN(report.answer_ids, OwnAnswer(engine, prompt, request.max_tokens));
  }
  if (report.answer_ids.empty()) {
    return BadInput("answer: expected at least one token, found {}",
                    report.given ? "an empty text" : "that the model says nothing: give one");
  }
  report.answer = engine.tokenizer->Decode(report.answer_ids);

  std::vector<ContinuationRequest> scored = {{prompt, report.answer_ids}};
  for (const WordEffect& word : report.words) {
    std::vector<std::string> without = texts;
    without[word.text] = WithoutWord(texts[word.text], word.begin, word.end);
    HEW_ASSIGN(auto ids, request.prompt(without));
    scored.push_back({std::move(ids), report.answer_ids});
  }
  HEW_ASSIGN(const auto scores, ScoreContinuations(engine, scored));
  report.logprob = scores[0].logprob;
  for (size_t i = 0; i < report.words.size(); ++i) {
    report.words[i].logprob_without = scores[i + 1].logprob;
    report.words[i].effect = report.logprob - report.words[i].logprob_without;
  }
  return report;
}

Json ToJson(const WhyWordReport& report) {
  Json texts = Json::array(), words = Json::array();
  for (const auto& t : report.texts) texts.push_back({{"name", t.name}, {"text", t.text}});
  for (const auto& w : report.words) {
    words.push_back({{"word", w.word},
                     {"text", w.text},
                     {"begin", w.begin},
                     {"end", w.end},
                     {"logprob_without", w.logprob_without},
                     {"effect", w.effect}});
  }
  return {{"measures", "the answer's log-probability with all words, less that with the word left out"},
          {"answer", report.answer},
          {"answer_ids", report.answer_ids},
          {"answer_given", report.given},
          {"logprob", report.logprob},
          {"texts", texts},
          {"words", words}};
}

}  // namespace hew
