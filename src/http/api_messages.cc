// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API, for text.
#include <algorithm>

#include "http/answer_job.h"
#include "http/chat_messages.h"
#include "http/generation_fields.h"

namespace hew {
namespace {

// Errors as Anthropic's clients read them.
Json AnthropicError(const ApiError& error) {
  Json body = ErrorBody(error);
  body["error"]["type"] = error.status == 404   ? "not_found_error"
                          : error.status == 413 ? "request_too_large"
                          : error.status == 503 ? "overloaded_error"
                          : error.status >= 500 ? "api_error"
                                                : body["error"]["type"].get<std::string>();
  return {{"type", "error"}, {"error", body["error"]}};
}

class MessagesWriter : public AnswerWriter {
 public:
  MessagesWriter(const Tokenizer& tokenizer, std::vector<std::string> stop, std::string model, int64_t prompt_tokens,
                 bool stream)
      : tokenizer_(tokenizer), stop_(std::move(stop)), stream_(stream) {
    message_ = {{"id", NewId("msg_")},
                {"type", "message"},
                {"role", "assistant"},
                {"model", std::move(model)},
                {"content", Json::array()},
                {"stop_reason", nullptr},
                {"stop_sequence", nullptr},
                {"usage",
                 {{"input_tokens", prompt_tokens},
                  {"cache_creation_input_tokens", 0},
                  {"cache_read_input_tokens", 0},
                  {"output_tokens", 0}}}};
  }

  void Begin(HttpReply& reply) override {
    if (!stream_) return;
    reply.BeginEvents();
    Send(reply, "message_start", {{"message", message_}});
    Send(reply, "content_block_start", {{"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}});
    Send(reply, "ping", Json::object());
  }

  void OnText(HttpReply& reply, size_t, std::string_view text, const std::vector<TokenChoice>&) override {
    if (stream_ && !text.empty())
      Send(reply, "content_block_delta",
           {{"index", 0}, {"delta", {{"type", "text_delta"}, {"text", std::string(text)}}}});
  }

  void OnDone(HttpReply&, size_t, const GenerateResult& result) override {
    const auto& ends = tokenizer_.end_ids();
    const bool ended = !result.ids.empty() && std::find(ends.begin(), ends.end(), result.ids.back()) != ends.end();
    message_["content"] = Json::array({{{"type", "text"}, {"text", result.text}}});
    message_["stop_reason"] = result.finish_reason == "length" ? "max_tokens"
                              : ended || stop_.empty()         ? "end_turn"
                                                               : "stop_sequence";
    if (message_["stop_reason"] == "stop_sequence") message_["stop_sequence"] = StopIn(tokenizer_.Decode(result.ids));
    message_["usage"]["input_tokens"] = result.prompt_tokens - result.cached_tokens;
    message_["usage"]["cache_read_input_tokens"] = result.cached_tokens;
    message_["usage"]["output_tokens"] = result.ids.size();
  }

  void End(HttpReply& reply) override {
    if (!stream_) return SendJson(reply, message_);
    Send(reply, "content_block_stop", {{"index", 0}});
    Send(reply, "message_delta",
         {{"delta", {{"stop_reason", message_["stop_reason"]}, {"stop_sequence", message_["stop_sequence"]}}},
          {"usage", message_["usage"]}});
    Send(reply, "message_stop", Json::object());
    reply.End();
  }

  void Fail(HttpReply& reply, const ApiError& error) override {
    if (!stream_) return reply.Send(error.status, "application/json", DumpJson(AnthropicError(error)), error.headers);
    reply.NamedEvent("error", DumpJson(AnthropicError(error)));
    reply.End();
  }

 private:
  // Which of the texts ended it: the one that begins first.
  Json StopIn(const std::string& said) const {
    const std::string* first = nullptr;
    size_t where = std::string::npos;
    for (const auto& stop : stop_) {
      const size_t at = said.find(stop);
      if (at < where) {
        where = at;
        first = &stop;
      }
    }
    return first ? Json(*first) : Json();
  }
  static void Send(HttpReply& reply, const char* type, const Json& fields) {
    Json event = {{"type", type}};
    event.update(fields);
    reply.NamedEvent(type, DumpJson(event));
  }

  const Tokenizer& tokenizer_;
  const std::vector<std::string> stop_;
  const bool stream_;
  Json message_;
};

Api<std::vector<int32_t>> ReadPrompt(ApiContext& context, Fields& fields) {
  Json holder = {{"messages", Json::array()}};
  if (const Json* system = fields.Get("system")) {
    API_ASSIGN(const std::string text, ReadContent(*system, "system", {"text"}));
    holder["messages"].push_back({{"role", "system"}, {"content", text}});
  }
  const size_t before = holder["messages"].size();
  const Json* messages = fields.Array("messages", 1, 4096);
  fields.Unsupported("tools", Json::array());
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!messages) return BadField("messages", "expected an array of messages, found none");
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const Json role = message.is_object() ? message.value("role", Json()) : Json();
    if (role != "user" && role != "assistant")
      return BadField(fmt::format("messages[{}].role", i),
                      fmt::format("expected user or assistant, found {}", Found(role)));
    holder["messages"].push_back(message);
  }
  Fields inner(holder);
  auto read = ReadChatMessages(inner);
  if (!read) {
    ApiError error = read.error();  // positions as the client counts them
    for (size_t i = messages->size(); before > 0 && i-- > 0;) {
      const std::string ours = fmt::format("messages[{}]", i + before);
      if (!error.param.starts_with(ours)) continue;
      error.param.replace(0, ours.size(), fmt::format("messages[{}]", i));
      error.message.replace(0, ours.size(), fmt::format("messages[{}]", i));
      break;
    }
    return tl::unexpected(std::move(error));
  }
  API_ASSIGN(auto prompt, context.RenderChat(*read, nullptr));
  if (auto status = context.CheckPrompt(prompt, 1, "messages"); !status) return tl::unexpected(status.error());
  return prompt;
}

ApiStatus CreateMessage(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(Json body, ParseBody(request));
  if (const auto stops = body.find("stop_sequences"); stops != body.end()) {
    if (!stops->is_null() && !stops->is_array())
      return BadField("stop_sequences", fmt::format("expected an array, found {}", Found(*stops)));
    body["stop"] = Json(*stops);
  }
  Fields fields(body);
  const GenerationFields generation = ReadGeneration(context, fields);
  const auto max_tokens = fields.Integer("max_tokens", 1, INT32_MAX);
  if (generation.n != 1) fields.Fail("n", "expected 1");
  if (!max_tokens) fields.Fail("max_tokens", "expected a whole number of at least 1, found none");
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(fields));
  API_ASSIGN(std::vector<int32_t> prompt, ReadPrompt(context, fields));
  auto writer = std::make_shared<MessagesWriter>(context.tokenizer(), generation.stop, model.id,
                                                 static_cast<int64_t>(prompt.size()), generation.stream);
  std::vector<BatchRequest> requests;
  requests.push_back(
      MakeBatchRequest(generation, model, std::move(prompt), std::min(*max_tokens, context.models.context_size()), 0));
  return Answer(context, std::move(requests), std::move(writer), reply);
}

ApiStatus CountTokens(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  API_ASSIGN(const ServedModel model, context.FindModel(fields));
  API_ASSIGN(const std::vector<int32_t> prompt, ReadPrompt(context, fields));
  SendJson(*reply, {{"input_tokens", prompt.size()}});
  return {};
}

HttpHandler HandleAnthropic(std::shared_ptr<ApiContext> context, ApiHandler handler) {
  return [context = std::move(context), handler = std::move(handler)](const HttpRequest& request,
                                                                      const std::shared_ptr<HttpReply>& reply) {
    if (const ApiStatus status = handler(*context, request, reply); !status)
      reply->Send(status.error().status, "application/json", DumpJson(AnthropicError(status.error())),
                  status.error().headers);
  };
}

}  // namespace

void AddMessagesRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/v1/messages", HandleAnthropic(context, CreateMessage));
  router.Add("POST", "/v1/messages/count_tokens", HandleAnthropic(context, CountTokens));
}

}  // namespace hew
