// hew tokenize, hew render: what the model will see.
#include <cstdio>

#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "studio/registry/workspace.h"
#include "text/tokenizer.h"

namespace hew {
namespace {

struct TokenizeOptions {
  std::string model;
  bool add_special = false, parse_special = false;
};

Result<int> RunTokenize(const CommandContext& context, const TokenizeOptions& options, const TextOptions& text) {
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const ModelRef ref, ResolveModel(model));
  HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(ref.path));
  if (!text.ids.empty()) {
    HEW_ASSIGN(const auto ids, ParseIds(text.ids));
    for (int32_t id : ids) {
      if (id >= tokenizer->vocab_size())
        return BadInput("--ids: expected ids below {}, found {}", tokenizer->vocab_size(), id);
    }
    const std::string decoded = tokenizer->Decode(ids, true);
    if (context.common.json) {
      context.PrintJson({{"text", decoded}});
    } else {
      std::fwrite(decoded.data(), 1, decoded.size(), stdout);
    }
    return kExitDone;
  }
  HEW_ASSIGN(const std::string input, ReadTextOption(text));
  const auto ids = tokenizer->Encode(input, {options.add_special, options.parse_special});
  if (context.common.json) {
    nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
    for (int32_t id : ids) tokens.push_back(tokenizer->TokenBytes(id, true));
    context.PrintJson({{"ids", ids}, {"tokens", tokens}});
    return kExitDone;
  }
  for (int32_t id : ids) fmt::print("{:>7}  {}\n", id, DumpJson(nlohmann::json(tokenizer->TokenBytes(id, true))));
  fmt::print("{} tokens\n", ids.size());
  return kExitDone;
}

struct RenderOptions {
  std::string model, messages, tools, template_file, context_file;
  bool add_generation_prompt = false;
};

Result<nlohmann::ordered_json> ReadJson(const std::string& path) {
  HEW_ASSIGN(const std::string bytes, ReadFile(path, 256 << 20));
  return ParseJson(bytes, path);
}

Result<std::string> Render(const CommandContext& context, const RenderOptions& options) {
  HEW_ASSIGN(const JinjaClock now, context.Now());
  if (!options.template_file.empty()) {
    HEW_ASSIGN(const std::string source, ReadFile(options.template_file, 16 << 20));
    HEW_ASSIGN(const Template parsed, Template::Parse(source, options.template_file));
    nlohmann::ordered_json values = nlohmann::ordered_json::object();
    if (!options.context_file.empty()) {
      HEW_ASSIGN(values, ReadJson(options.context_file));
    }
    if (!values.is_object())
      return BadInput("{}: expected a JSON object, found {}", options.context_file, values.type_name());
    HEW_ASSIGN(auto rendered, parsed.Render(values, now));
    return std::move(rendered.text);
  }
  if (options.model.empty() || options.messages.empty()) {
    return BadInput("render: expected MODEL --messages FILE, or --template FILE --context FILE");
  }
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const ModelRef ref, ResolveModel(model));
  HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(ref.path));
  if (tokenizer->chat_template().empty()) return BadInput("{}: chat_template: expected one, found none; use --template", options.model);
  HEW_ASSIGN(auto messages, ReadJson(options.messages));
  nlohmann::ordered_json tools;
  if (messages.is_object()) {
    if (messages.contains("tools")) tools = messages["tools"];
    if (!messages.contains("messages"))
      return BadInput("{}: messages: expected an array, found nothing", options.messages);
    messages = nlohmann::ordered_json(messages["messages"]);
  }
  if (!options.tools.empty()) {
    HEW_ASSIGN(tools, ReadJson(options.tools));
  }
  const auto spelling = [&](std::optional<int32_t> id) {
    return id ? tokenizer->TokenBytes(*id, true) : std::string();
  };
  HEW_ASSIGN(const auto chat,
             ChatTemplate::Create(tokenizer->chat_template(), spelling(tokenizer->bos()), spelling(tokenizer->eos())));
  HEW_ASSIGN(auto rendered, chat.Render(messages, tools, options.add_generation_prompt, now));
  return std::move(rendered.text);
}

}  // namespace

void AddTextCommands(CLI::App& app, CommandContext& context) {
  auto* tokenize = app.add_subcommand("tokenize", "text to token ids, or ids to text");
  auto options = std::make_shared<TokenizeOptions>();
  auto text = std::make_shared<TextOptions>();
  tokenize->add_option("MODEL", options->model, "a model, or a tokenizer.json")->required();
  AddTextOptions(tokenize, text, true);
  tokenize->add_flag("--add-special", options->add_special, "add BOS and EOS as the model wants");
  tokenize->add_flag("--parse-special", options->parse_special, "control tokens in the text become their ids");
  tokenize->footer("Example:\n  hew tokenize model.gguf --text \"Good morning\"");
  tokenize->callback([&context, options, text] {
    context.run = [&context, options, text] { return RunTokenize(context, *options, *text); };
  });

  auto* render = app.add_subcommand("render", "a chat template's text, byte for byte, no newline added");
  auto render_options = std::make_shared<RenderOptions>();
  render->add_option("MODEL", render_options->model, "the model whose template is used");
  render->add_option("--messages", render_options->messages, "a JSON file: an array of messages, or {messages, tools}");
  render->add_option("--tools", render_options->tools, "a JSON file with tool definitions");
  render->add_flag("--add-generation-prompt", render_options->add_generation_prompt, "open the assistant's turn");
  render->add_option("--template", render_options->template_file, "a template file, with --context");
  render->add_option("--context", render_options->context_file, "a JSON object with the template's variables");
  render->footer("Example:\n  hew render model.gguf --messages chat.json --add-generation-prompt");
  render->callback([&context, render_options] {
    context.run = [&context, render_options]() -> Result<int> {
      HEW_ASSIGN(const std::string rendered, Render(context, *render_options));
      std::fwrite(rendered.data(), 1, rendered.size(), stdout);
      return kExitDone;
    };
  });
}

}  // namespace hew
