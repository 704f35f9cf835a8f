// hew next, hew score: what the model thinks of a text.
#include <cmath>

#include "cli/command.h"
#include "cli/terminal.h"
#include "studio/open_model.h"
#include "studio/understand/next.h"

namespace hew {
namespace {

struct ProbeOptions {
  std::string model, ids;
  int64_t k = 10, context_size = 0;
};

// Exactly --ids, or the text with BOS as the model's tokenizer adds it.
Result<std::vector<int32_t>> ProbeIds(const OpenedModel& opened, const std::string& ids, const std::string& text) {
  if (!ids.empty()) return ParseIds(ids);
  return PromptIds(*opened.tokenizer, text);
}

Result<int> RunScore(CommandContext& context, const ProbeOptions& options, const TextOptions& text_options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, "", context.Packed()));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  HEW_ASSIGN(const std::string text, ReadTextOption(text_options));
  HEW_ASSIGN(const auto ids, ProbeIds(opened, text_options.ids, text));
  HEW_ASSIGN(const auto logprobs, ScoreTokens(engine, ids));
  double sum = 0;
  for (const auto& logprob : logprobs) sum += logprob.value_or(0);
  const double perplexity = ids.size() > 1 ? std::exp(-sum / static_cast<double>(ids.size() - 1)) : std::nan("");
  if (context.common.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& logprob : logprobs)
      list.push_back(logprob ? nlohmann::ordered_json(*logprob) : nlohmann::ordered_json());
    nlohmann::ordered_json report = {{"ids", ids}, {"logprobs", list}, {"perplexity", nullptr}};
    if (std::isfinite(perplexity)) report["perplexity"] = perplexity;
    context.PrintJson(report);
    return kExitDone;
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string token = Quoted(opened.tokenizer->TokenBytes(ids[i], true));
    if (logprobs[i]) {
      fmt::print("{:>8.3f}  {:>5.1f}%  {}\n", *logprobs[i], 100 * std::exp(*logprobs[i]), token);
    } else {
      fmt::print("{:>8}  {:>6}  {}\n", "-", "-", token);
    }
  }
  fmt::print("perplexity {:.3f} over {} tokens\n", perplexity, ids.size() - 1);
  return kExitDone;
}

Result<int> RunNext(CommandContext& context, const ProbeOptions& options, const std::string& text) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, "", context.Packed()));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  HEW_ASSIGN(const auto ids, ProbeIds(opened, options.ids, text));
  HEW_ASSIGN(const auto next, NextWords(engine, ids, options.k));
  if (context.common.json) {
    context.PrintJson({{"next", ToJson(next)}});
  } else {
    PrintNext(next);
  }
  context.KeepPackedCopy(*opened.model);
  return kExitDone;
}

}  // namespace

void PrintNext(const std::vector<LikelyToken>& next) {
  for (const auto& token : next) {
    fmt::print("{:>6.2f}%  {} {}\n", 100 * token.probability(), Fit(Quoted(token.text), 18),
               Bar(token.probability(), 40));
  }
}

void AddProbeCommands(CLI::App& app, CommandContext& context) {
  auto* score = app.add_subcommand("score", "how likely each token of a text is");
  auto options = std::make_shared<ProbeOptions>();
  auto text = std::make_shared<TextOptions>();
  score->add_option("MODEL", options->model, "a .gguf file or a model folder")->required();
  AddTextOptions(score, text, true);
  AddAdapterOption(score, context);
  score->add_option("--ctx-size", options->context_size, "tokens a sequence may hold");
  score->footer("Example:\n  hew score model.gguf --text \"The capital of France is Paris.\"");
  score->callback([&context, options, text] {
    context.run = [&context, options, text] { return RunScore(context, *options, *text); };
  });

  auto* next = app.add_subcommand("next", "the likeliest next tokens, as bars");
  auto next_options = std::make_shared<ProbeOptions>();
  auto next_text = std::make_shared<TextOptions>();
  next->add_option("MODEL", next_options->model, "a .gguf file or a model folder")->required();
  next->add_option("TEXT", next_text->text, "what came before");
  next->add_option("--text", next_text->text, "the same as TEXT");
  next->add_option("--file", next_text->file, "a file with the text, taken as bytes; - is standard input");
  next->add_option("--ids", next_options->ids, "token ids, \"1 2 3\", exactly as given");
  next->add_option("-k", next_options->k, "how many")->capture_default_str();
  next->add_option("--ctx-size", next_options->context_size, "tokens a sequence may hold");
  AddAdapterOption(next, context);
  next->footer("Example:\n  hew next model.gguf \"The sky is\" -k 5");
  next->callback([&context, next_options, next_text] {
    context.run = [&context, next_options, next_text]() -> Result<int> {
      HEW_ASSIGN(const std::string text, ReadTextOption(*next_text));
      return RunNext(context, *next_options, text);
    };
  });
}

}  // namespace hew
