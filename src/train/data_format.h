// What a row says, in one shape whatever its format: a conversation, a prompt with its completion, or text.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/data_file.h"

namespace hew {

enum class DataFormat { kAuto, kChat, kPrompt, kAlpaca, kShareGpt, kText };

std::optional<DataFormat> DataFormatFromName(std::string_view name);  // auto, chat, prompt, alpaca, sharegpt, text
std::string_view NameOf(DataFormat format);

struct NormalRow {
  enum class Kind { kConversation, kPair, kText } kind = Kind::kText;
  // kConversation: messages as chat templates take them ({"role", "content", "tool_calls"?}, content always text),
  // tools or null, and for each message how much its tokens count: 0 for all but assistant messages, else "weight" (1).
  nlohmann::ordered_json messages, tools;
  std::vector<float> weights;
  bool has_tool_calls = false;
  // kPair: as written; kText: `completion` alone.
  std::string prompt, completion;
};

// The format that the row's fields show; errors name what was expected and which fields were found.
Result<DataFormat> RecogniseFormat(const DataRow& row);

// Errors: "train.jsonl:3: messages[1].content: expected text, found number".
Result<NormalRow> NormaliseRow(const DataRow& row, DataFormat format);

// A prompt with its completion as a conversation of two messages, for models that talk in turns.
NormalRow PairAsConversation(const NormalRow& pair);

// For templates that know nothing of tools: each call is written into its message's content as JSON.
void WriteToolCallsAsText(NormalRow* row);

}  // namespace hew
