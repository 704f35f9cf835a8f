// hew chat, hew generate: talk, and plain continuation.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "studio/open_model.h"
#include "studio/registry/fixes.h"

namespace hew {
namespace {

struct GenerateOptions {
  std::string model, message, system, prompt, prompt_file, ids, messages_file, template_file;
  SamplingSettings sampling;
  int64_t max_tokens = 512, context_size = 0;
  std::vector<std::string> stop;
  bool no_lookup = false;
};

void AddSamplingOptions(CLI::App* command, const std::shared_ptr<GenerateOptions>& options) {
  SamplingSettings& s = options->sampling;
  command->add_option("--temperature,--temp", s.temperature, "0 is greedy and exact")->capture_default_str();
  command->add_option("--top-k", s.top_k, "keep the k likeliest tokens; 0 keeps all")->capture_default_str();
  command->add_option("--top-p", s.top_p, "keep the likeliest tokens that make up p")->capture_default_str();
  command->add_option("--min-p", s.min_p, "drop tokens less likely than p times the likeliest")->capture_default_str();
  command->add_option("--repeat-penalty", s.repeat_penalty, "divide the logits of tokens said before")
      ->capture_default_str();
  command->add_option("--repeat-last-n", s.repeat_last_n, "how many tokens back penalties look; -1 all")
      ->capture_default_str();
  command->add_option("--presence-penalty", s.presence_penalty, "subtracted once from tokens said before")
      ->capture_default_str();
  command->add_option("--frequency-penalty", s.frequency_penalty, "subtracted for each time a token was said")
      ->capture_default_str();
  command->add_option("--max-tokens,-n", options->max_tokens, "tokens to generate at most")->capture_default_str();
  command->add_option("--stop", options->stop, "text that ends the answer; may be repeated")->allow_extra_args(false);
  command->add_flag("--no-lookup", options->no_lookup, "do not guess ahead from what was said: the same answer, later");
  command->add_option("--ctx-size", options->context_size,
                      "tokens a sequence may hold; the model's own, at most 8192, by default");
}

nlohmann::ordered_json Report(const GenerateResult& result) {
  const auto completion = static_cast<int64_t>(result.ids.size());
  return {{"text", result.text},
          {"ids", result.ids},
          {"finish_reason", result.finish_reason},
          {"usage",
           {{"prompt_tokens", result.prompt_tokens},
            {"completion_tokens", completion},
            {"total_tokens", result.prompt_tokens + completion},
            {"cached_tokens", result.cached_tokens},
            {"drafted_tokens", result.drafted_tokens},
            {"accepted_tokens", result.accepted_tokens}}},
          {"tokens_per_s", result.tokens_per_s()},
          {"prompt_tokens_per_s",
           result.prompt_seconds > 0
               ? static_cast<double>(result.prompt_tokens - result.cached_tokens) / result.prompt_seconds
               : 0}};
}

bool PrintPiece(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stdout);
  std::fflush(stdout);
  return !Cancelled().load();
}

// A version's answers are kept by its workspace, so that a wrong one can be flagged by its number.
Result<std::optional<int64_t>> Keep(const OpenedModel& opened, const nlohmann::ordered_json& messages,
                                    const std::string& answer) {
  if (!opened.version) return std::optional<int64_t>();
  HEW_ASSIGN(auto workspace, Workspace::Find());
  if (!workspace) return std::optional<int64_t>();
  HEW_ASSIGN(const int64_t id, SaveChat(*workspace, *opened.version, messages, answer));
  return std::optional(id);
}

// One answer: streamed to a person, or one JSON object.
// `keep`, called with the answer's text, may give it a number.
Result<GenerateResult> Answer(CommandContext& context, Generator& generator, const GenerateOptions& options,
                              std::vector<int32_t> ids,
                              const std::function<Result<std::optional<int64_t>>(const std::string&)>& keep = nullptr) {
  GenerateRequest request{std::move(ids), options.sampling, options.max_tokens, options.stop, !options.no_lookup};
  request.sampling.seed = context.common.seed;
  const bool quiet = context.common.json;
  HEW_ASSIGN(auto result, generator.Generate(request, quiet ? TextCallback() : TextCallback(PrintPiece)));
  std::optional<int64_t> number;
  if (keep) {
    HEW_ASSIGN(number, keep(result.text));
  }
  if (quiet) {
    auto report = Report(result);
    if (number) report["chat"] = *number;
    context.PrintJson(report);
  } else {
    std::puts("");
    if (number) fmt::print(stderr, "{}", context.Text(msg::kChatKept, *number));
  }
  return result;
}

Result<int> RunGenerate(CommandContext& context, const GenerateOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  std::string prompt = options.prompt;
  if (!options.prompt_file.empty()) {
    HEW_ASSIGN(prompt, ReadFile(options.prompt_file, uint64_t{1} << 30));
  }
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, "", context.Packed()));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  std::vector<int32_t> ids;
  if (!options.ids.empty()) {
    HEW_ASSIGN(ids, ParseIds(options.ids));
  } else {
    ids = opened.tokenizer->Encode(prompt, {.add_special = true});
  }
  Generator generator(engine);
  HEW_ASSIGN(const auto result, Answer(context, generator, options, ids));
  context.KeepPackedCopy(*opened.model);
  return Cancelled().load() ? kExitCancelled : kExitDone;
}

constexpr const char* kChatHelp =
    "/clear  forget the conversation      /system TEXT  set the system message\n"
    "/undo   take the last turn back      /seed N       set the seed\n"
    "/temp T set the temperature          /quit         leave\n";

class Conversation {
 public:
  explicit Conversation(const std::string& system) { Clear(system); }
  void Clear(const std::string& system) {
    messages = nlohmann::ordered_json::array();
    if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  }
  void Undo() {
    while (messages.size() > 0 && messages.back()["role"] == "assistant") messages.erase(messages.size() - 1);
    if (messages.size() > 0 && messages.back()["role"] == "user") messages.erase(messages.size() - 1);
  }
  nlohmann::ordered_json messages;
};

// Handles a line that begins with "/". False: leave.
bool ChatCommand(const std::string& line, CommandContext& context, GenerateOptions& options,
                 Conversation& conversation) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space), rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (name == "/quit" || name == "/exit" || name == "/bye") return false;
  if (name == "/clear") {
    conversation.Clear(options.system);
  } else if (name == "/undo") {
    conversation.Undo();
  } else if (name == "/system") {
    options.system = rest;
    conversation.Clear(rest);
  } else if (name == "/temp") {
    float value = 0;
    if (CLI::detail::lexical_cast(rest, value)) options.sampling.temperature = value;
  } else if (name == "/seed") {
    uint64_t value = 0;
    if (CLI::detail::lexical_cast(rest, value)) context.common.seed = value;
  } else {
    std::fputs(kChatHelp, stderr);
  }
  return true;
}

Result<int> Converse(CommandContext& context, GenerateOptions& options, const OpenedModel& opened,
                     Generator& generator) {
  Conversation conversation(options.system);
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (terminal) std::fputs("Type a message; /help shows the commands, /quit leaves.\n", stderr);
  std::string line;
  while ((terminal && std::fputs("> ", stderr)), !Cancelled().load() && std::getline(std::cin, line)) {
    if (line.empty()) continue;
    if (line[0] == '/') {
      if (!ChatCommand(line, context, options, conversation)) break;
      continue;
    }
    conversation.messages.push_back({{"role", "user"}, {"content", line}});
    HEW_ASSIGN(const JinjaClock now, context.Now());
    HEW_ASSIGN(auto ids, ChatPrompt(opened, conversation.messages, nullptr, now));
    HEW_ASSIGN(const auto result, Answer(context, generator, options, std::move(ids), [&](const std::string& text) {
                 return Keep(opened, conversation.messages, text);
               }));
    conversation.messages.push_back({{"role", "assistant"}, {"content", result.text}});
  }
  return Cancelled().load() ? kExitCancelled : kExitDone;
}

Result<int> RunChat(CommandContext& context, GenerateOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, options.template_file, context.Packed()));
  HEW_RETURN_IF_ERROR(opened.Chat());
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  Generator generator(engine);
  if (options.message.empty() && options.messages_file.empty()) {
    HEW_ASSIGN(const int status, Converse(context, options, opened, generator));
    context.KeepPackedCopy(*opened.model);
    return status;
  }

  Conversation conversation(options.system);
  nlohmann::ordered_json tools;
  if (!options.messages_file.empty()) {
    HEW_ASSIGN(const std::string bytes, ReadFile(options.messages_file, 256 << 20));
    HEW_ASSIGN(conversation.messages, ParseJson(bytes, options.messages_file));
  }
  if (!options.message.empty()) conversation.messages.push_back({{"role", "user"}, {"content", options.message}});
  HEW_ASSIGN(const JinjaClock now, context.Now());
  HEW_ASSIGN(auto ids, ChatPrompt(opened, conversation.messages, tools, now));
  HEW_ASSIGN(const auto result, Answer(context, generator, options, std::move(ids), [&](const std::string& text) {
               return Keep(opened, conversation.messages, text);
             }));
  context.KeepPackedCopy(*opened.model);
  return Cancelled().load() ? kExitCancelled : kExitDone;
}

}  // namespace

void AddGenerateCommands(CLI::App& app, CommandContext& context) {
  auto* chat = app.add_subcommand("chat", "talk with a model");
  auto options = std::make_shared<GenerateOptions>();
  chat->add_option("MODEL", options->model, "a .gguf file or a model folder")->required();
  chat->add_option("-m,--message", options->message, "ask once and leave");
  chat->add_option("--messages", options->messages_file, "a JSON file with the messages so far");
  chat->add_option("--system", options->system, "the system message");
  chat->add_option("--template", options->template_file, "a chat template to use instead of the model's");
  AddSamplingOptions(chat, options);
  AddAdapterOption(chat, context);
  chat->footer("Example:\n  hew chat model.gguf --adapter adapter -m \"How do I get a refund?\" --temperature 0");
  chat->callback([&context, options] { context.run = [&context, options] { return RunChat(context, *options); }; });

  auto* generate = app.add_subcommand("generate", "continue a text");
  auto plain = std::make_shared<GenerateOptions>();
  generate->add_option("MODEL", plain->model, "a .gguf file or a model folder")->required();
  auto* prompt = generate->add_option("--prompt,--text", plain->prompt, "the text to continue");
  auto* file = generate->add_option("--prompt-file,--file", plain->prompt_file,
                                    "a file with it, taken as bytes; - is standard input");
  generate->add_option("--ids", plain->ids, "token ids, \"1 2 3\", exactly as given")->excludes(prompt)->excludes(file);
  prompt->excludes(file);
  AddSamplingOptions(generate, plain);
  AddAdapterOption(generate, context);
  generate->footer("Example:\n  hew generate model.gguf --prompt \"Once upon a time\" --max-tokens 64");
  generate->callback([&context, plain] { context.run = [&context, plain] { return RunGenerate(context, *plain); }; });
}

}  // namespace hew
