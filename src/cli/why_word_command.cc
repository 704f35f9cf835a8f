// hew why-word: which words an answer hangs on.
#include <algorithm>
#include <cmath>

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/understand_messages.h"
#include "studio/open_model.h"
#include "studio/understand/next.h"
#include "studio/understand/why_word.h"

namespace hew {
namespace {

struct WhyWordOptions {
  std::string model, text, message, system, answer, template_file;
  int64_t max_tokens = 24, context_size = 0, shown = 12;
};

std::string Times(double factor) {
  return factor < 10    ? fmt::format("{:.1f}", factor)
         : factor < 1e6 ? fmt::format("{:.0f}", factor)
                        : fmt::format("{:.0e}", factor);
}

// The words of a text, each on a ground that says what taking it out does.
std::string ColoredText(const WhyWordReport& report, size_t text, double strongest, bool color) {
  std::string out;
  size_t at = 0;
  for (const WordEffect& w : report.words) {
    if (w.text != text) continue;
    out += report.texts[text].text.substr(at, w.begin - at);
    out += OnGround(w.word, strongest > 0 ? w.effect / strongest : 0, color);
    at = w.end;
  }
  return out + report.texts[text].text.substr(at);
}

void Print(const CommandContext& context, const WhyWordReport& report, size_t shown) {
  const bool color = UseColor();
  context.Say(msg::kWhyWordAnswer, Quoted(report.answer),
              context.In(report.given ? msg::kWhyWordGiven : msg::kWhyWordOwn), report.logprob);
  const auto sorted = report.Sorted();
  const double strongest = std::abs(sorted.front().effect);
  for (size_t t = 0; t < report.texts.size(); ++t) {
    fmt::print("  {}{}\n", report.texts.size() > 1 ? report.texts[t].name + ": " : "",
               ColoredText(report, t, strongest, color));
  }
  context.Say(msg::kWhyWordColumns);
  size_t width = 8;
  for (size_t i = 0; i < std::min(shown, sorted.size()); ++i) width = std::max(width, Columns(sorted[i].word));
  for (size_t i = 0; i < std::min(shown, sorted.size()); ++i) {
    const WordEffect& w = sorted[i];
    fmt::print("  {}  {:>+7.2f}  {} {}\n", Fit(w.word, std::min<size_t>(width, 24)), -w.effect,
               Fit(Bar(strongest > 0 ? std::abs(w.effect) / strongest : 0, 16), 16),
               context.Text(w.effect >= 0 ? msg::kLessLikely : msg::kMoreLikely, Times(std::exp(std::abs(w.effect)))));
  }
  context.Say(msg::kWhyWordNote);
}

Result<int> RunWhyWord(CommandContext& context, const WhyWordOptions& options) {
  if (options.text.empty() == options.message.empty())
    return BadInput("TEXT: expected a text or -m with a question, found {}", options.text.empty() ? "neither" : "both");
  if (!options.system.empty() && options.message.empty())
    return BadInput("--system: expected -m beside it, found none");
  if (options.max_tokens < 1) return BadInput("--max-tokens: expected 1 or more, found {}", options.max_tokens);
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, options.template_file));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  HEW_ASSIGN(const JinjaClock now, context.Now());
  WhyWordRequest request;
  request.max_tokens = options.max_tokens;
  if (!options.answer.empty()) request.answer = options.answer;
  if (options.message.empty()) {
    request.texts = {{"prompt", options.text}};
    request.prompt = [&](const std::vector<std::string>& texts) -> Result<std::vector<int32_t>> {
      return PromptIds(*opened.tokenizer, texts[0]);
    };
  } else {
    HEW_RETURN_IF_ERROR(opened.Chat());
    request.try_space = false;  // templates end with the beginning of the answer's own line
    if (!options.system.empty()) request.texts.push_back({"system", options.system});
    request.texts.push_back({"user", options.message});
    request.prompt = [&](const std::vector<std::string>& texts) -> Result<std::vector<int32_t>> {
      nlohmann::ordered_json messages = nlohmann::ordered_json::array();
      for (size_t i = 0; i < texts.size(); ++i)
        messages.push_back({{"role", request.texts[i].name}, {"content", texts[i]}});
      return ChatPrompt(opened, messages, nullptr, now);
    };
  }
  HEW_ASSIGN(const WhyWordReport report, WhyWord(engine, request));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else {
    Print(context, report, static_cast<size_t>(std::max<int64_t>(1, options.shown)));
  }
  return kExitDone;
}

}  // namespace

void AddWhyWordCommand(CLI::App& app, CommandContext& context) {
  auto* why = app.add_subcommand("why-word", "which words an answer hangs on: each is left out in turn");
  auto o = std::make_shared<WhyWordOptions>();
  why->add_option("MODEL", o->model, "a .gguf file or a model folder")->required();
  why->add_option("TEXT", o->text, "what comes before the answer");
  why->add_option("-m,--message", o->message, "or a question to a chat model");
  why->add_option("--system", o->system, "the system message; its words are left out, too");
  why->add_option("--answer", o->answer, "the answer to score; by default what the model says itself");
  why->add_option("--template", o->template_file, "a chat template to use instead of the model's");
  why->add_option("--max-tokens,-n", o->max_tokens, "of the model's own answer")->capture_default_str();
  why->add_option("--shown", o->shown, "words in the list, strongest first")->capture_default_str();
  why->add_option("--ctx-size", o->context_size, "tokens a sequence may hold");
  AddAdapterOption(why, context);
  why->footer(
      "Examples:\n"
      "  hew why-word model.gguf \"The capital of France is\" --answer \" Paris\"\n"
      "  hew why-word model.gguf --adapter adapter -m \"How do I get a refund?\"");
  why->callback([&context, o] { context.run = [&context, o] { return RunWhyWord(context, *o); }; });
}

}  // namespace hew
