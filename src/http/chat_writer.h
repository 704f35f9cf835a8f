// Answers of POST /v1/chat/completions, whole or as chunks.
#pragma once

#include <string>
#include <vector>

#include "http/answer_job.h"
#include "http/tool_calls.h"

namespace hew {

struct ChatShape {  // how the reply was asked for
  std::string id, model, fingerprint;
  int64_t created = 0;
  size_t count = 1;  // answers
  bool stream = false, include_usage = false;
  int64_t top_logprobs = -1;  // -1: no logprobs
  bool parse_calls = false;   // calls of tools may be in the answer
  bool inside_call = false;   // the prompt opened one
};

class ChatWriter : public AnswerWriter {
 public:
  ChatWriter(const Tokenizer& tokenizer, ChatShape shape);
  void Begin(HttpReply& reply) override;
  void OnText(HttpReply& reply, size_t index, std::string_view text, const std::vector<TokenChoice>& tokens) override;
  void OnDone(HttpReply& reply, size_t index, const GenerateResult& result) override;
  void End(HttpReply& reply) override;
  void Fail(HttpReply& reply, const ApiError& error) override;

 private:
  struct Answer {
    ToolCallParser parser;
    Json calls = Json::array();
    std::string text;               // whole replies with tools
    Json logprobs = Json::array();  // not yet sent
    Json whole;                     // the finished choice of a whole reply
  };
  Json Envelope(const char* object) const;
  void SendDelta(HttpReply& reply, size_t index, Json delta, const Json& finish_reason);
  void TakePieces(HttpReply& reply, size_t index, const std::vector<ToolPiece>& pieces);

  const Tokenizer& tokenizer_;
  const ChatShape shape_;
  std::vector<Answer> answers_;
  int64_t prompt_tokens_ = 0, completion_tokens_ = 0, cached_tokens_ = 0;
};

}  // namespace hew
