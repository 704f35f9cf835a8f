// A conversation as clients send it, made into what chat templates read.
#pragma once

#include <string>
#include <vector>

#include "http/api_context.h"

namespace hew {

// OpenAI's messages: roles checked ("developer" is "system", "function" is "tool"), content as text or a list of text
// parts (joined by newlines), arguments of tool calls parsed, since templates write them as JSON themselves. Errors:
// 400 that names messages[2].content[0].type.
Api<Json> ReadChatMessages(Fields& fields);

struct ToolChoice {
  Json tools;                              // for the template; null: none
  std::shared_ptr<const Grammar> grammar;  // a call must be made: of the JSON between the template's words
  bool parse = false;                      // calls may be in the answer
};

// tools and tool_choice ("none", "auto", "required", or a named function). Errors: 400, also when the model's template
// has no tools, or writes calls in a form other than <tool_call>{json}</tool_call>.
Api<ToolChoice> ReadTools(ApiContext& context, Fields& fields);

// Text of a content: a text, or parts of {"type": one of `types`, "text"}. Errors name `param`.
Api<std::string> ReadContent(const Json& content, const std::string& param, std::initializer_list<const char*> types);

}  // namespace hew
