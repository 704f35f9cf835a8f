// What the API's handlers share, and the steps that all of them take: find the model, check a prompt, compile a schema.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "http/api_fields.h"
#include "http/metrics.h"
#include "http/served_models.h"

namespace hew {

class ApiContext {
 public:
  ApiContext(ServedModels& served, ServeMetrics& measured) : models(served), metrics(measured) {}
  ServedModels& models;
  ServeMetrics& metrics;

  const Tokenizer& tokenizer() const { return *models.base().tokenizer; }
  // The "model" field. Errors: 404 model_not_found.
  Api<ServedModel> FindModel(Fields& fields);
  Api<ServedModel> FindNamed(const std::string& name);
  // The compiled grammar of a schema, the latest ones remembered. Errors: 400 for `param`.
  Api<std::shared_ptr<const Grammar>> GrammarOf(const Json& schema, const std::string& param);
  // A prompt that leaves room for `room` tokens. Errors: 400 context_length_exceeded with n_prompt_tokens and n_ctx.
  ApiStatus CheckPrompt(const std::vector<int32_t>& ids, int64_t room, const std::string& param) const;
  // The prompt of a conversation.
  Api<std::vector<int32_t>> RenderChat(const Json& messages, const Json& tools) const;
  // What Submit or Embed refused.
  ApiError FromEngine(const Error& error) const;

 private:
  std::mutex mutex_;
  std::shared_ptr<const TokenTable> table_;                                     // made for the first grammar
  std::list<std::pair<std::string, std::shared_ptr<const Grammar>>> grammars_;  // last used first
};

std::string NewId(const char* prefix);  // "chatcmpl-" and 24 random hexadecimal digits
int64_t UnixSeconds();

using ApiHandler = std::function<ApiStatus(ApiContext&, const HttpRequest&, const std::shared_ptr<HttpReply>&)>;
// A handler from a function that gives its error back: ApiStatus(Context&, request, reply).
template <typename Context, typename Function>
HttpHandler Handle(std::shared_ptr<Context> context, Function function) {
  return [context = std::move(context), function = std::move(function)](const HttpRequest& request,
                                                                        const std::shared_ptr<HttpReply>& reply) {
    if (const ApiStatus status = function(*context, request, reply); !status) SendError(*reply, status.error());
  };
}

// The routes, a function a file.
void AddModelRoutes(Router& router, const std::shared_ptr<ApiContext>& context);  // models, health, metrics
void AddTokenRoutes(Router& router, const std::shared_ptr<ApiContext>& context);
void AddChatRoutes(Router& router, const std::shared_ptr<ApiContext>& context);
void AddCompletionRoutes(Router& router, const std::shared_ptr<ApiContext>& context);
void AddEmbeddingRoutes(Router& router, const std::shared_ptr<ApiContext>& context);
void AddResponsesRoutes(Router& router, const std::shared_ptr<ApiContext>& context);  // OpenAI's /v1/responses
void AddMessagesRoutes(Router& router, const std::shared_ptr<ApiContext>& context);   // Anthropic's /v1/messages

}  // namespace hew
