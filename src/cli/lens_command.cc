// hew lens: what each layer would say.
#include <cmath>

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/understand_messages.h"
#include "studio/open_model.h"
#include "studio/understand/lens.h"

namespace hew {
namespace {

struct LensCommandOptions {
  std::string model, answer, ids;
  LensOptions lens;
  int64_t context_size = 0;
};

void PrintPosition(const CommandContext& context, const LensPosition& at, const std::string& prompt) {
  context.Say(msg::kLensHead, prompt, Quoted(at.answer.text), 100 * at.answer.probability());
  context.Say(msg::kLensColumns);
  for (const LensRow& row : at.rows) {
    const std::string layer =
        row.layers_done == 0 ? context.In(msg::kLensEmbedding) : fmt::format("{}", row.layers_done);
    std::string words;
    for (const LikelyToken& t : row.likely)
      words += fmt::format("{}{} {:.0f}%", words.empty() ? "" : "  ", Quoted(t.text), 100 * t.probability());
    fmt::print("  {} {:>6.2f}% {}{:>7}    {}\n", Fit(layer, 6), 100 * std::exp(row.answer_logprob),
               Fit(Bar(std::exp(row.answer_logprob), 6), 6), row.answer_rank, words);
  }
  context.Say(msg::kLensNote);
}

// One line a token: the grid itself is for the page and --json.
void PrintAll(const CommandContext& context, const LensReport& report) {
  context.Say(msg::kLensAllHead);
  for (const LensPosition& at : report.positions) {
    int64_t from = report.layers;
    for (auto row = at.rows.rbegin(); row != at.rows.rend() && row->answer_rank == 1; ++row) from = row->layers_done;
    std::string ranks;  // how near the answer is to the top, layer by layer
    for (const LensRow& row : at.rows)
      ranks += Spark(1 - std::min(1.0, std::log2(static_cast<double>(row.answer_rank)) / 12));
    fmt::print("  {} {} {:>5.1f}%  {}  {}\n", Fit(Quoted(at.text), 16), Fit(Quoted(at.answer.text), 16),
               100 * at.answer.probability(), ranks, context.Text(msg::kLensFrom, from));
  }
  context.Say(msg::kLensNote);
}

Result<int> RunLens(CommandContext& context, const LensCommandOptions& options, const TextOptions& text_options) {
  HEW_ASSIGN(const std::string text, ReadTextOption(text_options));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  std::vector<int32_t> ids = PromptIds(*opened.tokenizer, text);
  if (!options.ids.empty()) {
    HEW_ASSIGN(ids, ParseIds(options.ids));
  }
  LensOptions lens = options.lens;
  if (!options.answer.empty()) {
    const auto answer = opened.tokenizer->Encode(options.answer);
    if (answer.empty()) return BadInput("--answer: expected at least one token, found none");
    lens.followed = answer[0];
  }
  HEW_ASSIGN(const LensReport report, Lens(engine, ids, lens));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else if (lens.all_positions) {
    PrintAll(context, report);
  } else {
    PrintPosition(context, report.positions[0], options.ids.empty() ? Quoted(text) : options.ids);
  }
  return kExitDone;
}

}  // namespace

void AddLensCommand(CLI::App& app, CommandContext& context) {
  auto* lens = app.add_subcommand("lens", "what each layer would say: the logit lens");
  auto options = std::make_shared<LensCommandOptions>();
  auto text = std::make_shared<TextOptions>();
  options->lens.k = 3;
  lens->add_option("MODEL", options->model, "a .gguf file or a model folder")->required();
  lens->add_option("TEXT", text->text, "what came before");
  lens->add_option("--text", text->text, "the same as TEXT");
  lens->add_option("--file", text->file, "a file with the text, taken as bytes; - is standard input");
  lens->add_option("--ids", options->ids, "token ids, \"1 2 3\", exactly as given");
  lens->add_option("-k", options->lens.k, "likeliest tokens of each layer")->capture_default_str();
  lens->add_option("--answer", options->answer, "follow this text's first token instead of the model's own answer");
  lens->add_flag("--all", options->lens.all_positions, "after every token of the text, not only the last");
  lens->add_option("--ctx-size", options->context_size, "tokens a sequence may hold");
  AddAdapterOption(lens, context);
  lens->footer("Example:\n  hew lens model.gguf \"The capital of France is\"");
  lens->callback([&context, options, text] {
    context.run = [&context, options, text] { return RunLens(context, *options, *text); };
  });
}

}  // namespace hew
