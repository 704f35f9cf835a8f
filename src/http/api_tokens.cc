// POST /tokenize, /detokenize, /apply-template; GET /tokenizer_info.
#include "http/chat_messages.h"

namespace hew {
namespace {

Json Spelling(const Tokenizer& tokenizer, std::optional<int32_t> id) {
  return id ? Json(tokenizer.TokenBytes(*id, true)) : Json();
}

ApiStatus Tokenize(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  // "content" is what llama.cpp's clients send.
  const bool has_prompt = fields.Get("prompt") != nullptr;
  const std::string text = fields.Text(has_prompt ? "prompt" : "content");
  const bool add_special = fields.Flag(body.contains("add_special") ? "add_special" : "add_special_tokens", has_prompt);
  const bool parse_special = fields.Flag("parse_special", true);
  if (auto status = fields.status(); !status) return status;
  if (!has_prompt && !body.contains("content")) return BadField("prompt", "expected text, found none");
  const auto ids = context.tokenizer().Encode(text, {.add_special = add_special, .parse_special = parse_special});
  SendJson(*reply, {{"tokens", ids}, {"count", ids.size()}, {"max_model_len", context.models.context_size()}});
  return {};
}

ApiStatus Detokenize(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const Json* tokens = fields.Array("tokens", 0, 1 << 20);
  if (auto status = fields.status(); !status) return status;
  if (!tokens) return BadField("tokens", "expected an array of token ids, found none");
  API_ASSIGN(const auto ids, ReadIds(*tokens, "tokens"));
  const int64_t vocab = context.models.base().model->config.vocab_size;
  for (const int32_t id : ids) {
    if (id >= vocab) return BadField("tokens", fmt::format("expected token ids below {}, found {}", vocab, id));
  }
  const std::string text = context.tokenizer().Decode(ids, true);
  SendJson(*reply, {{"prompt", text}, {"content", text}});
  return {};
}

ApiStatus ApplyTemplate(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  API_ASSIGN(const Json messages, ReadChatMessages(fields));
  const Json* tools = fields.Array("tools", 0, 128);
  const bool open = fields.Flag("add_generation_prompt", true);
  if (auto status = fields.status(); !status) return status;
  const auto chat = context.models.base().Chat();
  if (!chat) return tl::unexpected(FromError(chat.error(), "messages"));
  const auto now = context.models.Now();
  if (!now) return tl::unexpected(FromError(now.error()));
  const auto render = (*chat)->RenderPrompt(messages, tools && !tools->empty() ? *tools : Json(), open, *now);
  if (!render) return tl::unexpected(FromError(render.error(), "messages"));
  SendJson(*reply, {{"prompt", render->text}});
  return {};
}

ApiStatus TokenizerInfo(ApiContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  const Tokenizer& tokenizer = context.tokenizer();
  const auto chat = context.models.base().Chat();
  SendJson(*reply, {{"tokenizer_class", tokenizer.kind()},
                    {"vocab_size", tokenizer.vocab_size()},
                    {"bos_token", Spelling(tokenizer, tokenizer.bos())},
                    {"eos_token", Spelling(tokenizer, tokenizer.eos())},
                    {"pad_token", Spelling(tokenizer, tokenizer.pad())},
                    {"add_bos_token", tokenizer.adds_bos()},
                    {"add_eos_token", tokenizer.adds_eos()},
                    {"model_max_length", context.models.context_size()},
                    {"chat_template", chat ? Json((*chat)->source()) : Json()}});
  return {};
}

}  // namespace

void AddTokenRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/tokenize", Handle(context, Tokenize));
  router.Add("POST", "/detokenize", Handle(context, Detokenize));
  router.Add("POST", "/apply-template", Handle(context, ApplyTemplate));
  router.Add("GET", "/tokenizer_info", Handle(context, TokenizerInfo));
}

}  // namespace hew
