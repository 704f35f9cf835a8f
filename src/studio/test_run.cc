// Asking a model the cases of a suite: generated answers, likelihoods of given ones, perplexities, and a judge's marks.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/json.h"
#include "infer/continuations.h"
#include "studio/test_suite.h"

namespace hew {
namespace {

constexpr size_t kChunk = 256;  // cases between two savings
constexpr const char* kSpaces = " \t\r\n\v\f";

// A context and a continuation as ids, encoded as lm-evaluation-harness does: together, cut where the context alone
// ends, spaces at the context's end belonging to the continuation.
ContinuationRequest EncodePair(const Tokenizer& tokenizer, std::string context, std::string continuation) {
  const size_t end = context.find_last_not_of(kSpaces);
  const size_t kept = end == context.npos ? 0 : end + 1;
  continuation = context.substr(kept) + continuation;
  context.resize(kept);
  const EncodeOptions options{.add_special = true};
  ContinuationRequest request;
  request.context = tokenizer.Encode(context, options);
  std::vector<int32_t> whole = tokenizer.Encode(context + continuation, options);
  if (tokenizer.adds_eos() && !whole.empty() && !request.context.empty()) {  // only at the end of a text
    whole.pop_back();
    request.context.pop_back();
  }
  const size_t cut = std::min(request.context.size(), whole.size());
  request.continuation.assign(whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end());
  return request;
}

// What precedes a text of which every token counts: BOS, or the end of the text before.
Result<int32_t> PrefixToken(const Tokenizer& tokenizer) {
  if (tokenizer.bos()) return *tokenizer.bos();
  if (tokenizer.eos()) return *tokenizer.eos();
  return BadInput("tokenizer: expected a BOS or EOS token to begin a text with, found neither");
}

size_t Characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Result<std::vector<int32_t>> PromptIds(const OpenedModel& opened, const TestCase& test, const JinjaClock& now) {
  if (test.messages.is_null()) return opened.tokenizer->Encode(test.prompt, {.add_special = true});
  auto prompt = ChatPrompt(opened, test.messages, nullptr, now);
  if (!prompt) return Annotate("case " + test.id, std::move(prompt).error());
  return prompt;
}

// What a message says, whatever it is: text, or parts of text.
std::string TextOf(const Json& message) {
  if (!message.is_object() || !message.contains("content")) return "";
  const Json& content = message["content"];
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  for (const Json& part : content) {
    if (part.is_object() && part.contains("text") && part["text"].is_string()) text += part["text"].get<std::string>();
  }
  return text;
}

class SuiteRun {
 public:
  SuiteRun(const OpenedModel& opened, const Engine& engine, const SuiteOptions& options)
      : opened_(opened), engine_(engine), options_(options) {}

  // Decides some cases.
  Status Decide(std::span<const TestCase* const> cases, std::vector<CaseResult>* results) {
    results->clear();
    for (const TestCase* test : cases) {
      CaseResult result;
      result.id = test->id, result.tags = test->tags, result.must_pass = test->must_pass, result.passed = true;
      results->push_back(std::move(result));
    }
    HEW_RETURN_IF_ERROR(Generate(cases, results));
    HEW_RETURN_IF_ERROR(Score(cases, results));
    return Judge(cases, results);
  }

 private:
  static void Fail(CaseResult* result, std::string why) {
    if (result->passed) result->why = std::move(why);
    result->passed = false;
  }

  Status Generate(std::span<const TestCase* const> cases, std::vector<CaseResult>* results) {
    std::vector<GenerateRequest> requests;
    std::vector<size_t> owners;
    for (size_t i = 0; i < cases.size(); ++i) {
      if (!cases[i]->HasText()) continue;
      GenerateRequest request;
      request.sampling.temperature = 0;
      request.max_tokens = options_.max_tokens;
      HEW_ASSIGN(request.prompt, PromptIds(opened_, *cases[i], options_.now));
      requests.push_back(std::move(request));
      owners.push_back(i);
    }
    HEW_ASSIGN(auto answers, GenerateAll(engine_, requests, options_.batch, [&](size_t) { Done(); }));
    for (size_t r = 0; r < answers.size(); ++r) {
      CaseResult& result = (*results)[owners[r]];
      result.answer = std::move(answers[r].text);
      std::string why;
      if (!Passes(*cases[owners[r]], result.answer, &why)) Fail(&result, std::move(why));
    }
    return {};
  }

  // What one check asks of the model, and where the answers begin in the list of all.
  struct Asked {
    size_t owner = 0;
    const Check* check = nullptr;
    size_t first = 0, count = 0;
    std::vector<size_t> tokens;  // of each continuation
  };

  Status Ask(const TestCase& test, const Check& check, size_t owner, std::vector<ContinuationRequest>* requests,
             std::vector<Asked>* asked) {
    Asked one{owner, &check, requests->size(), 0, {}};
    const Tokenizer& tokenizer = *opened_.tokenizer;
    if (check.kind == CheckKind::kMaxPerplexity) {
      // Windows of the context's length, each behind the token before it.
      std::vector<int32_t> ids = tokenizer.Encode(test.prompt);
      HEW_ASSIGN(int32_t before, PrefixToken(tokenizer));
      const auto most = static_cast<size_t>(engine_.context_size - 1);
      for (size_t at = 0; at < ids.size(); at += most) {
        const size_t end = std::min(ids.size(), at + most);
        requests->push_back(
            {{before},
             {ids.begin() + static_cast<std::ptrdiff_t>(at), ids.begin() + static_cast<std::ptrdiff_t>(end)}});
        before = ids[end - 1];
      }
    } else {
      std::vector<int32_t> chat;
      if (!test.messages.is_null()) {
        HEW_ASSIGN(chat, PromptIds(opened_, test, options_.now));
      }
      for (const auto& value : check.values) {
        if (!test.messages.is_null()) {
          requests->push_back({chat, tokenizer.Encode(value)});
        } else {
          const bool joined = check.kind == CheckKind::kContinuation && value.find_first_of(kSpaces) == 0;
          requests->push_back(EncodePair(tokenizer, test.prompt, joined ? value : " " + value));
        }
      }
    }
    one.count = requests->size() - one.first;
    for (size_t i = one.first; i < requests->size(); ++i) one.tokens.push_back((*requests)[i].continuation.size());
    if (one.count == 0) return BadInput("case {}: expected text, found none", test.id);
    asked->push_back(std::move(one));
    return {};
  }

  Status Score(std::span<const TestCase* const> cases, std::vector<CaseResult>* results) {
    std::vector<ContinuationRequest> requests;
    std::vector<Asked> asked;
    for (size_t i = 0; i < cases.size(); ++i) {
      for (const auto& check : cases[i]->checks) {
        if (check.kind >= CheckKind::kChoices) HEW_RETURN_IF_ERROR(Ask(*cases[i], check, i, &requests, &asked));
      }
    }
    size_t told = 0;
    auto scored = ScoreContinuations(engine_, requests, [&](size_t done) {
      while (told < asked.size() && asked[told].first + asked[told].count <= done) {
        if (!cases[asked[told].owner]->HasText()) Done();
        ++told;
      }
    });
    if (!scored) return Annotate("suite", std::move(scored).error());
    for (const Asked& one : asked) {
      const std::span<const ContinuationScore> scores(scored->data() + one.first, one.count);
      Conclude(*one.check, scores, one.tokens, &(*results)[one.owner]);
    }
    return {};
  }

  static void Conclude(const Check& check, std::span<const ContinuationScore> scores, const std::vector<size_t>& tokens,
                       CaseResult* result) {
    if (check.kind == CheckKind::kMaxPerplexity) {
      double logprob = 0;
      size_t count = 0;
      for (size_t i = 0; i < scores.size(); ++i) logprob += scores[i].logprob, count += tokens[i];
      const double perplexity = std::exp(-logprob / static_cast<double>(count));
      result->score = perplexity;
      if (!(perplexity <= check.bound)) Fail(result, fmt::format("max_perplexity {}: {:.4g}", check.bound, perplexity));
      return;
    }
    for (const auto& score : scores) result->logprobs.push_back(score.logprob);
    if (check.kind == CheckKind::kContinuation) {
      result->score = scores[0].logprob;
      if (!scores[0].greedy) Fail(result, fmt::format("continuation \"{}\"", check.values[0]));
      return;
    }
    size_t likeliest = 0, per_character = 0;  // the first among equals
    const auto normalized = [&](size_t i) {
      return scores[i].logprob / static_cast<double>(std::max<size_t>(1, Characters(check.values[i])));
    };
    for (size_t i = 1; i < scores.size(); ++i) {
      if (scores[i].logprob > scores[likeliest].logprob) likeliest = i;
      if (normalized(i) > normalized(per_character)) per_character = i;
    }
    const size_t pick = check.per_character ? per_character : likeliest;
    result->score = scores[check.gold].logprob;
    result->passed_per_character = per_character == check.gold;
    if (result->answer.empty()) result->answer = check.values[pick];
    if (pick != check.gold)
      Fail(result,
           fmt::format("choices: \"{}\" is likelier than \"{}\"", check.values[pick], check.values[check.gold]));
  }

  Result<const OpenedModel*> OpenJudge(const std::string& name) {
    if (const auto open = judges_.find(name); open != judges_.end()) return &open->second;
    auto judge = options_.open_judge ? options_.open_judge(name) : OpenModel(engine_.rt, name, {});
    if (!judge) return Annotate("check.judge", std::move(judge).error());
    return &judges_.emplace(name, *std::move(judge)).first->second;
  }

  Status Judge(std::span<const TestCase* const> cases, std::vector<CaseResult>* results) {
    struct Marking {
      const Check* check;
      size_t owner;
    };
    std::map<std::string, std::vector<Marking>> by_model;
    for (size_t i = 0; i < cases.size(); ++i) {
      for (const auto& check : cases[i]->checks) {
        if (check.kind == CheckKind::kJudge) by_model[check.model].push_back({&check, i});
      }
    }
    for (const auto& [name, markings] : by_model) {
      HEW_ASSIGN(const OpenedModel* judge, OpenJudge(name));
      HEW_ASSIGN(const Engine engine, judge->MakeEngine(engine_.rt));
      std::vector<ContinuationRequest> requests;
      for (const auto& marking : markings) {
        const TestCase& test = *cases[marking.owner];
        const std::string question = test.messages.is_null() ? test.prompt : TextOf(test.messages.back());
        const std::string ask = fmt::format(
            "Mark an answer from 1 (worst) to 5 (best). What counts: {}\n\nQuestion: {}\n\nAnswer: {}\n\nReply with "
            "the mark alone.",
            marking.check->values[0], question, (*results)[marking.owner].answer);
        HEW_ASSIGN(const auto ids,
                   ChatPrompt(*judge, Json::array({{{"role", "user"}, {"content", ask}}}), nullptr, options_.now));
        for (const char* mark : {"1", "2", "3", "4", "5"}) requests.push_back({ids, judge->tokenizer->Encode(mark)});
      }
      HEW_ASSIGN(const auto scores, ScoreContinuations(engine, requests));
      for (size_t m = 0; m < markings.size(); ++m) {
        double sum = 0, weighted = 0;
        for (int mark = 1; mark <= 5; ++mark) {
          const double p = std::exp(scores[m * 5 + static_cast<size_t>(mark) - 1].logprob);
          sum += p;
          weighted += p * mark;
        }
        CaseResult& result = (*results)[markings[m].owner];
        result.score = sum > 0 ? weighted / sum : 1;
        if (*result.score < markings[m].check->bound)
          Fail(&result,
               fmt::format("judge {}: {:.2f}, expected at least {}", name, *result.score, markings[m].check->bound));
      }
    }
    return {};
  }

  void Done() {
    ++done_;
    if (options_.on_done) options_.on_done(done_);
  }

  const OpenedModel& opened_;
  const Engine& engine_;
  const SuiteOptions& options_;
  std::map<std::string, OpenedModel> judges_;
  size_t done_ = 0;
};

}  // namespace

Result<SuiteResult> RunSuite(const OpenedModel& opened, const Engine& engine, const std::vector<TestCase>& cases,
                             const SuiteOptions& options) {
  // What asks alike is asked together, so that the common beginning is run once.
  std::vector<const TestCase*> order;
  for (const auto& test : cases) order.push_back(&test);
  std::stable_sort(order.begin(), order.end(), [](const TestCase* a, const TestCase* b) {
    return a->prompt != b->prompt ? a->prompt < b->prompt : a->messages < b->messages;
  });
  SuiteRun run(opened, engine, options);
  std::map<const TestCase*, CaseResult> decided;
  for (size_t at = 0; at < order.size(); at += kChunk) {
    const auto chunk = std::span(order).subspan(at, std::min(kChunk, order.size() - at));
    std::vector<CaseResult> results;
    HEW_RETURN_IF_ERROR(run.Decide(chunk, &results));
    if (options.keep) HEW_RETURN_IF_ERROR(options.keep(results));
    for (size_t i = 0; i < chunk.size(); ++i) decided[chunk[i]] = std::move(results[i]);
    if (options.cancelled && options.cancelled()) break;
  }
  SuiteResult out;
  for (const auto& test : cases) {
    const auto at = decided.find(&test);
    if (at == decided.end()) continue;
    (at->second.passed ? out.passed : out.failed) += 1;
    out.cases.push_back(std::move(at->second));
  }
  return out;
}

}  // namespace hew
