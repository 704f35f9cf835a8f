// POST /v1/responses: OpenAI's newer API, for text.
#include "http/answer_job.h"
#include "http/chat_messages.h"
#include "http/generation_fields.h"

namespace hew {
namespace {

class ResponsesWriter : public AnswerWriter {
 public:
  ResponsesWriter(Json response, bool stream)
      : response_(std::move(response)), stream_(stream), message_(NewId("msg_")) {}

  void Begin(HttpReply& reply) override {
    if (!stream_) return;
    reply.BeginEvents();
    Send(reply, "response.created", {{"response", response_}});
    Send(reply, "response.in_progress", {{"response", response_}});
    Send(reply, "response.output_item.added", {{"output_index", 0}, {"item", Message("in_progress", Json::array())}});
    Send(reply, "response.content_part.added", Part({{"part", Content("")}}));
  }

  void OnText(HttpReply& reply, size_t, std::string_view text, const std::vector<TokenChoice>&) override {
    if (stream_ && !text.empty())
      Send(reply, "response.output_text.delta", Part({{"delta", std::string(text)}, {"logprobs", Json::array()}}));
  }

  void OnDone(HttpReply& reply, size_t, const GenerateResult& result) override {
    const bool whole = result.finish_reason != "length";
    const Json item = Message(whole ? "completed" : "incomplete", Json::array({Content(result.text)}));
    if (stream_) {
      Send(reply, "response.output_text.done", Part({{"text", result.text}, {"logprobs", Json::array()}}));
      Send(reply, "response.content_part.done", Part({{"part", Content(result.text)}}));
      Send(reply, "response.output_item.done", {{"output_index", 0}, {"item", item}});
    }
    const auto count = static_cast<int64_t>(result.ids.size());
    response_["status"] = whole ? "completed" : "incomplete";
    if (!whole) response_["incomplete_details"] = {{"reason", "max_output_tokens"}};
    response_["output"] = Json::array({item});
    response_["usage"] = {{"input_tokens", result.prompt_tokens},
                          {"input_tokens_details", {{"cached_tokens", result.cached_tokens}}},
                          {"output_tokens", count},
                          {"output_tokens_details", {{"reasoning_tokens", 0}}},
                          {"total_tokens", result.prompt_tokens + count}};
  }

  void End(HttpReply& reply) override {
    if (!stream_) return SendJson(reply, response_);
    Send(reply, response_["status"] == "completed" ? "response.completed" : "response.incomplete",
         {{"response", response_}});
    reply.End();
  }

  void Fail(HttpReply& reply, const ApiError& error) override {
    if (!stream_) return SendError(reply, error);
    Json event = ErrorBody(error)["error"];
    Send(reply, "error", {{"code", event["code"]}, {"message", event["message"]}, {"param", event["param"]}});
    reply.End();
  }

 private:
  static Json Content(const std::string& text) {
    return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
  }
  Json Message(const char* status, Json content) const {
    return {{"id", message_},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }
  Json Part(Json more) const {
    Json part = {{"item_id", message_}, {"output_index", 0}, {"content_index", 0}};
    part.update(more);
    return part;
  }
  void Send(HttpReply& reply, const char* type, const Json& fields) {
    Json event = {{"type", type}, {"sequence_number", sequence_++}};
    event.update(fields);
    reply.NamedEvent(type, DumpJson(event));
  }

  Json response_;
  const bool stream_;
  const std::string message_;
  int64_t sequence_ = 0;
};

// "input" and "instructions" as the messages of a chat.
Api<Json> ReadInput(Fields& fields) {
  const std::string instructions = fields.Text("instructions");
  const Json* input = fields.Get("input");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!input) return BadField("input", "expected text or a list of messages, found none");
  Json messages = Json::array();
  if (!instructions.empty()) messages.push_back({{"role", "system"}, {"content", instructions}});
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
  } else if (input->is_array() && !input->empty()) {
    for (size_t i = 0; i < input->size(); ++i) {
      const Json& item = (*input)[i];
      if (item.is_object() && item.value("type", Json("message")) != "message")
        return BadField(fmt::format("input[{}].type", i),
                        fmt::format("expected message, found {}", Found(item["type"])));
      messages.push_back(item);
    }
  } else {
    return BadField("input", fmt::format("expected text or a list of messages, found {}", Found(*input)));
  }
  const Json holder = {{"messages", std::move(messages)}};
  Fields inner(holder);
  auto read = ReadChatMessages(inner);
  if (!read && read.error().param.starts_with("messages[")) {  // as the client counts them
    read.error().param.replace(0, 8, "input");
    read.error().message.replace(0, 8, "input");
  }
  return read;
}

ApiStatus CreateResponse(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const GenerationFields generation = ReadGeneration(context, fields);
  const auto max_tokens = fields.Integer("max_output_tokens", 1, INT32_MAX);
  fields.Unsupported("tools", Json::array());
  fields.Unsupported("previous_response_id", nullptr);
  fields.Unsupported("conversation", nullptr);
  fields.Unsupported("background", false);
  if (generation.n != 1) fields.Fail("n", "expected 1");
  const Json* text = fields.Object("text");
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(fields));
  API_ASSIGN(const Json messages, ReadInput(fields));
  std::shared_ptr<const Grammar> grammar;
  if (text && text->contains("format") && (*text)["format"].is_object()) {
    API_ASSIGN(grammar, GrammarOfFormat(context, (*text)["format"], "text.format"));
  }
  API_ASSIGN(std::vector<int32_t> prompt, context.RenderChat(messages, nullptr));
  if (auto status = context.CheckPrompt(prompt, 1, "input"); !status) return status;

  const Json response = {{"id", NewId("resp_")},
                         {"object", "response"},
                         {"created_at", UnixSeconds()},
                         {"status", "in_progress"},
                         {"error", nullptr},
                         {"incomplete_details", nullptr},
                         {"instructions", body.value("instructions", Json())},
                         {"max_output_tokens", max_tokens ? Json(*max_tokens) : Json()},
                         {"model", model.id},
                         {"output", Json::array()},
                         {"parallel_tool_calls", false},
                         {"previous_response_id", nullptr},
                         {"store", false},
                         {"temperature", generation.sampling.temperature},
                         {"text", text ? *text : Json{{"format", {{"type", "text"}}}}},
                         {"tool_choice", "none"},
                         {"tools", Json::array()},
                         {"top_p", generation.sampling.top_p},
                         {"truncation", "disabled"},
                         {"usage", nullptr},
                         {"metadata", Json::object()}};
  std::vector<BatchRequest> requests;
  const int64_t n_ctx = context.models.context_size();
  requests.push_back(
      MakeBatchRequest(generation, model, std::move(prompt), std::min(max_tokens.value_or(n_ctx), n_ctx), 0));
  requests.back().grammar = grammar;
  return Answer(context, std::move(requests), std::make_shared<ResponsesWriter>(response, generation.stream), reply);
}

}  // namespace

void AddResponsesRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/v1/responses", Handle(context, CreateResponse));
}

}  // namespace hew
