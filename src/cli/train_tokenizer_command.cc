// hew train-tokenizer: a vocabulary learned from text.
#include <cstdio>
#include <memory>
#include <mutex>

#include "base/progress.h"
#include "cli/command.h"
#include "studio/train_tokenizer.h"

namespace hew {
namespace {

struct TokenizerOptions {
  TokenizerRequest request;
  std::string kind = "bpe";
};

// One bar for each stage, whatever thread tells of it.
std::function<void(const char*, int64_t, int64_t)> Bars(bool quiet) {
  struct State {
    std::string stage;
    std::unique_ptr<Progress> bar;
  };
  auto state = std::make_shared<State>();
  return [state, quiet](const char* stage, int64_t done, int64_t total) {
    if (state->stage != stage) {
      state->stage = stage;
      state->bar = std::make_unique<Progress>(stage, total, quiet);
    }
    state->bar->Update(done);
  };
}

Result<int> RunTrainTokenizer(CommandContext& context, TokenizerOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  TokenizerTraining& training = options.request.training;
  training.kind = options.kind == "bpe" ? TokenizerKind::kBpe : TokenizerKind::kUnigram;
  training.cancel = &Cancelled();
  training.progress = Bars(false);
  const auto report = TrainTokenizerFile(*rt.pool, options.request);
  training.progress = nullptr;  // ends the bar
  if (!report) return tl::unexpected(report.error());
  if (context.common.json) {
    context.PrintJson(ToJson(*report));
    return kExitDone;
  }
  const double ratio =
      report->tokens > 0 ? static_cast<double>(report->bytes) / static_cast<double>(report->tokens) : 0;
  fmt::print("{}: {} tokens ({}), learned from {} in {:.1f} s; a token stands for {:.2f} bytes of it\n", report->path,
             report->vocab_size, report->kind, HumanBytes(static_cast<uint64_t>(report->bytes)), report->seconds,
             ratio);
  if (report->vocab_size < training.vocab_size)
    fmt::print("the text has no more to merge: {} tokens were asked for\n", training.vocab_size);
  return kExitDone;
}

}  // namespace

void AddTrainTokenizerCommand(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("train-tokenizer", "learn a vocabulary from text");
  auto options = std::make_shared<TokenizerOptions>();
  TokenizerTraining& training = options->request.training;
  command->add_option("--data", options->request.data, "text files, or JSON rows with `text`; .gz too")->required();
  command->add_option("--vocab-size", training.vocab_size, "tokens, special ones and bytes included")->required();
  command
      ->add_option("--out", options->request.out, "the tokenizer.json to write; tokenizer_config.json goes beside it")
      ->required();
  command->add_option("--kind", options->kind, "bpe (byte-level) or unigram (with byte fallback)")
      ->capture_default_str()
      ->check(CLI::IsMember({"bpe", "unigram"}));
  command
      ->add_option("--pattern", training.pattern, "bpe: how text falls into words: gpt-2, llama3, qwen2, smollm, ...")
      ->capture_default_str();
  command->add_option("--min-frequency", training.min_frequency, "bpe: pairs seen less often are not merged")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  command
      ->add_option("--coverage", training.coverage,
                   "unigram: share of the text its characters cover; the rest is bytes")
      ->capture_default_str()
      ->check(CLI::Range(0.5, 1.0));
  command->add_option("--unk", training.unk, "token for what is unknown; \"\" for none")->capture_default_str();
  command->add_option("--bos", training.bos, "token that begins a text")->capture_default_str();
  command->add_option("--eos", training.eos, "token that ends a text")->capture_default_str();
  command->add_option("--pad", training.pad, "token that fills up")->capture_default_str();
  command->add_option("--special", training.special, "more special tokens, for chat")->capture_default_str();
  command->footer(
      "Example:\n  hew train-tokenizer --data book.txt notes.txt --vocab-size 8000 --kind bpe --out my/tokenizer.json");
  command->callback(
      [&context, options] { context.run = [&context, options] { return RunTrainTokenizer(context, *options); }; });
}

}  // namespace hew
