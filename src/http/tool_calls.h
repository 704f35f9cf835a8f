// Finds calls of tools in an answer, while it comes: <tool_call>{"name": …, "arguments": {…}}</tool_call>.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hew {

struct ToolCall {
  std::string name;
  std::string arguments;  // the text of a JSON object
};

struct ToolPiece {       // what has become certain, in order
  std::string text;      // words for the reader, or
  bool is_call = false;  // a call
  ToolCall call;
};

class ToolCallParser {
 public:
  // `inside`: the opening word was part of the prompt.
  explicit ToolCallParser(bool inside = false) : inside_(inside) {}
  std::vector<ToolPiece> Push(std::string_view text);
  // The answer is over: what was held back. A call cut short, or one that is no JSON, is text.
  std::vector<ToolPiece> Flush();

 private:
  void TakeCall(std::string_view body, std::vector<ToolPiece>* out);

  std::string waiting_;
  bool inside_ = false;
  bool said_ = false;  // spaces before the first word, and around calls, are nobody's words
};

}  // namespace hew
