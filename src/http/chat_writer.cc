#include "http/chat_writer.h"

#include "http/generation_fields.h"
#include "http/token_json.h"

namespace hew {

ChatWriter::ChatWriter(const Tokenizer& tokenizer, ChatShape shape)
    : tokenizer_(tokenizer), shape_(std::move(shape)), answers_(shape_.count) {
  for (auto& answer : answers_) answer.parser = ToolCallParser(shape_.inside_call);
}

Json ChatWriter::Envelope(const char* object) const {
  return {{"id", shape_.id},
          {"object", object},
          {"created", shape_.created},
          {"model", shape_.model},
          {"system_fingerprint", shape_.fingerprint}};
}

void ChatWriter::SendDelta(HttpReply& reply, size_t index, Json delta, const Json& finish_reason) {
  Json logprobs;
  if (shape_.top_logprobs >= 0 && !answers_[index].logprobs.empty())
    logprobs = {{"content", std::exchange(answers_[index].logprobs, Json::array())}, {"refusal", nullptr}};
  Json chunk = Envelope("chat.completion.chunk");
  chunk["choices"] = Json::array({{{"index", index},
                                   {"delta", std::move(delta)},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", finish_reason}}});
  if (shape_.include_usage) chunk["usage"] = nullptr;
  reply.Event(DumpJson(chunk));
}

void ChatWriter::Begin(HttpReply& reply) {
  if (!shape_.stream) return;
  reply.BeginEvents();
  for (size_t i = 0; i < answers_.size(); ++i) SendDelta(reply, i, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

void ChatWriter::TakePieces(HttpReply& reply, size_t index, const std::vector<ToolPiece>& pieces) {
  Answer& answer = answers_[index];
  for (const auto& piece : pieces) {
    if (!piece.is_call) {
      answer.text += piece.text;
      if (shape_.stream) SendDelta(reply, index, {{"content", piece.text}}, nullptr);
      continue;
    }
    Json call = {{"id", NewId("call_")},
                 {"type", "function"},
                 {"function", {{"name", piece.call.name}, {"arguments", piece.call.arguments}}}};
    answer.calls.push_back(call);
    if (!shape_.stream) continue;
    Json delta = {{"index", answer.calls.size() - 1}};
    delta.update(call);
    SendDelta(reply, index, {{"tool_calls", Json::array({std::move(delta)})}}, nullptr);
  }
}

void ChatWriter::OnText(HttpReply& reply, size_t index, std::string_view text, const std::vector<TokenChoice>& tokens) {
  Answer& answer = answers_[index];
  if (shape_.top_logprobs >= 0) {
    for (auto& token : ChatLogprobs(tokenizer_, tokens, shape_.top_logprobs))
      answer.logprobs.push_back(std::move(token));
  }
  if (shape_.parse_calls) {
    TakePieces(reply, index, answer.parser.Push(text));
  } else if (shape_.stream && !text.empty()) {
    SendDelta(reply, index, {{"content", std::string(text)}}, nullptr);
  }
}

void ChatWriter::OnDone(HttpReply& reply, size_t index, const GenerateResult& result) {
  Answer& answer = answers_[index];
  prompt_tokens_ = result.prompt_tokens;  // the same prompt for all
  cached_tokens_ = std::max(cached_tokens_, result.cached_tokens);
  completion_tokens_ += static_cast<int64_t>(result.ids.size());
  if (shape_.parse_calls) TakePieces(reply, index, answer.parser.Flush());
  const std::string finish =
      answer.calls.empty() || result.finish_reason == "length" ? result.finish_reason : "tool_calls";
  if (shape_.stream) return SendDelta(reply, index, Json::object(), finish);
  Json message = {
      {"role", "assistant"}, {"content", shape_.parse_calls ? answer.text : result.text}, {"refusal", nullptr}};
  if (!answer.calls.empty()) {
    if (answer.text.empty()) message["content"] = nullptr;
    message["tool_calls"] = std::move(answer.calls);
  }
  Json logprobs;
  if (shape_.top_logprobs >= 0) logprobs = {{"content", std::move(answer.logprobs)}, {"refusal", nullptr}};
  answer.whole = {
      {"index", index}, {"message", std::move(message)}, {"logprobs", std::move(logprobs)}, {"finish_reason", finish}};
}

void ChatWriter::End(HttpReply& reply) {
  const Json usage = UsageJson(prompt_tokens_, completion_tokens_, cached_tokens_);
  if (!shape_.stream) {
    Json body = Envelope("chat.completion");
    body["choices"] = Json::array();
    for (auto& answer : answers_) body["choices"].push_back(std::move(answer.whole));
    body["usage"] = usage;
    return SendJson(reply, body);
  }
  if (shape_.include_usage) {
    Json chunk = Envelope("chat.completion.chunk");
    chunk["choices"] = Json::array();
    chunk["usage"] = usage;
    reply.Event(DumpJson(chunk));
  }
  reply.Event("[DONE]");
  reply.End();
}

void ChatWriter::Fail(HttpReply& reply, const ApiError& error) {
  if (!shape_.stream) return SendError(reply, error);
  reply.Event(DumpJson(ErrorBody(error)));
  reply.Event("[DONE]");
  reply.End();
}

}  // namespace hew
