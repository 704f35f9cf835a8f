// POST /v1/chat/completions.
#include "http/chat_messages.h"
#include "http/chat_writer.h"
#include "http/generation_fields.h"

namespace hew {
namespace {

// The words that a call begins with, put into the answer's mouth when a call must be made.
constexpr const char* kCallOpening = "<tool_call>\n";

ApiStatus CreateChatCompletion(ApiContext& context, const HttpRequest& request,
                               const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const GenerationFields generation = ReadGeneration(context, fields);
  const int64_t n_ctx = context.models.context_size();
  int64_t max_tokens = fields.Integer("max_tokens", n_ctx, 1, INT32_MAX);
  max_tokens = fields.Integer("max_completion_tokens", max_tokens, 1, INT32_MAX);
  const bool logprobs = fields.Flag("logprobs", false);
  const int64_t top = fields.Integer("top_logprobs", 0, 0, 20);
  if (top > 0 && !logprobs) fields.Fail("top_logprobs", "expected only with \"logprobs\": true");
  fields.Unsupported("audio", nullptr);
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(fields));
  API_ASSIGN(const Json messages, ReadChatMessages(fields));
  API_ASSIGN(const ToolChoice tools, ReadTools(context, fields));
  API_ASSIGN(std::shared_ptr<const Grammar> grammar, ReadResponseFormat(context, fields));
  if (grammar && tools.grammar) return BadField("response_format", "expected text where tool_choice makes a call");
  API_ASSIGN(std::vector<int32_t> prompt, context.RenderChat(messages, tools.tools));
  if (tools.grammar) {
    grammar = tools.grammar;
    const auto opening = context.tokenizer().Encode(kCallOpening, {.parse_special = true});
    prompt.insert(prompt.end(), opening.begin(), opening.end());
  }
  if (auto status = context.CheckPrompt(prompt, 1, "messages"); !status) return status;

  std::vector<BatchRequest> requests;
  for (int64_t i = 0; i < generation.n; ++i) {
    requests.push_back(MakeBatchRequest(generation, model, prompt, std::min(max_tokens, n_ctx), i));
    requests.back().grammar = grammar;
    requests.back().top_logprobs = logprobs ? top : -1;
  }
  ChatShape shape{NewId("chatcmpl-"),
                  model.id,
                  context.models.fingerprint(),
                  UnixSeconds(),
                  requests.size(),
                  generation.stream,
                  generation.include_usage,
                  logprobs ? top : -1,
                  tools.parse && (tools.grammar || !grammar),
                  tools.grammar != nullptr};
  return Answer(context, std::move(requests), std::make_shared<ChatWriter>(context.tokenizer(), std::move(shape)),
                reply);
}

}  // namespace

void AddChatRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/v1/chat/completions", Handle(context, CreateChatCompletion));
}

}  // namespace hew
