// The answers to one request: one or several sequences in the batch, told in order to whoever writes the reply.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/api_context.h"

namespace hew {

// Spells answers as one API does. Called one call at a time, from the engine's thread or the handler's; must be quick.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  virtual void Begin(HttpReply& /*reply*/) {}  // all sequences were taken
  virtual void OnPrompt(size_t /*index*/, const std::vector<TokenChoice>& /*prompt*/) {}
  virtual void OnText(HttpReply& reply, size_t index, std::string_view text,
                      const std::vector<TokenChoice>& tokens) = 0;
  virtual void OnDone(HttpReply& reply, size_t index, const GenerateResult& result) = 0;
  virtual void End(HttpReply& reply) = 0;                          // all are done
  virtual void Fail(HttpReply& reply, const ApiError& error) = 0;  // instead of what would have come
};

// Puts the requests into the batch and sees to the rest: what `writer` is told, and that they are cancelled when the
// client leaves. Errors: refused, nothing was told.
ApiStatus Answer(ApiContext& context, std::vector<BatchRequest> requests, std::shared_ptr<AnswerWriter> writer,
                 const std::shared_ptr<HttpReply>& reply);

}  // namespace hew
