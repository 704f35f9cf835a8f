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

enum class DataFormat { kAuto, kChat, kPrompt, kAlpaca, kShareGpt, kText, kPreference };

std::optional<DataFormat> DataFormatFromName(std::string_view name);  // auto, chat, prompt, ...
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

// Errors: "train.jsonl:3: messages[1].content: expected text, found number"; a preference pair is one, too.
Result<NormalRow> NormaliseRow(const DataRow& row, DataFormat format);

// Two answers to one question. Both rows begin with the question, of which nothing is learned.
struct PreferenceRow {
  NormalRow chosen, rejected;
};
// {"prompt", "chosen", "rejected"} of texts or message lists (the prompt may also be what both lists begin with), OpenAI's
// {"input": {"messages"}, "preferred_output", "non_preferred_output"}, and LLaMA-Factory's {"conversations" or "instruction",
// "chosen", "rejected"}. Errors name the field, or say that the row is one to imitate.
Result<PreferenceRow> NormalisePreference(const DataRow& row);

// A prompt with its completion as a conversation of two messages, for models that talk in turns.
NormalRow PairAsConversation(const NormalRow& pair);

// For templates that know nothing of tools: each call is written into its message's content as JSON.
void WriteToolCallsAsText(NormalRow* row);

}  // namespace hew
