// A model's chat template: messages to the text that the model reads, and which bytes of it are to be learned.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/template.h"
#include "text/tokenizer.h"

namespace hew {

struct ChatRender {
  std::string text;
  // The bytes that came out of messages and tools: what they spell is text, never control (see EncodeChat).
  std::vector<ByteSpan> data_spans;
  // Byte ranges [begin, end) of text, in order and apart from each other: for each assistant message what the model has
  // to say, that is the content (with what the template puts before it after the generation prompt, such as an empty
  // thinking block) and its end-of-turn token, not a newline after it. Messages with "weight": 0 have none.
  std::vector<ByteSpan> learned_spans;
};

class ChatTemplate {
 public:
  // `source` is the Jinja template of tokenizer_config.json, chat_template.jinja or tokenizer.chat_template in GGUF.
  static Result<ChatTemplate> Create(std::string source, std::string bos_token, std::string eos_token);

  // `messages`: an array of {"role", "content", ...}; `tools`: an array, or null for none. The variables are those of
  // Transformers: messages (without "weight"), tools, documents (none), add_generation_prompt, bos_token, eos_token.
  // An error names the message whose learned span cannot be found.
  Result<ChatRender> Render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                            bool add_generation_prompt, const JinjaClock& now) const;
  // Without learned spans: for prompts, where nothing is learned and any message is welcome.
  Result<ChatRender> RenderPrompt(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                                  bool add_generation_prompt, const JinjaClock& now) const;

  const std::string& source() const { return source_; }

 private:
  ChatTemplate(Template parsed, std::string source, std::string bos_token, std::string eos_token)
      : template_(std::move(parsed)),
        source_(std::move(source)),
        bos_token_(std::move(bos_token)),
        eos_token_(std::move(eos_token)) {}

  Template template_;
  std::string source_;
  std::string bos_token_;
  std::string eos_token_;
};

// The ids of a rendered conversation, as training and serving both have them: control tokens that the template writes
// are themselves, those that a message spells out are text. Words a model's makers added that are no control tokens
// (<think>, <tool_call>) are found in both.
std::vector<int32_t> EncodeChat(const Tokenizer& tokenizer, const ChatRender& render);

}  // namespace hew
