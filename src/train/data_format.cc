#include "train/data_format.h"

#include <algorithm>

#include "base/json.h"
#include "base/shown.h"
#include "train/data_messages.h"

namespace hew {
namespace {

constexpr std::pair<std::string_view, DataFormat> kNames[] = {
    {"auto", DataFormat::kAuto},
    {"chat", DataFormat::kChat},
    {"prompt", DataFormat::kPrompt},
    {"alpaca", DataFormat::kAlpaca},
    {"sharegpt", DataFormat::kShareGpt},
    {"text", DataFormat::kText},
    {"preference", DataFormat::kPreference},
};

Result<NormalRow> FromChat(const DataRow& data) {
  NormalRow row;
  row.kind = NormalRow::Kind::kConversation;
  const auto messages = data.object.find("messages");
  if (messages == data.object.end()) {
    return BadInput("{}: messages: expected a list, found no such field (fields: {})", data.where,
                    FieldNames(data.object));
  }
  HEW_RETURN_IF_ERROR(AddMessages(*messages, data.where + ": messages", &row));
  HEW_RETURN_IF_ERROR(AddTools(data.object, data.where, &row));
  return row;
}

// Either both are text, or both are lists of messages.
Result<NormalRow> FromPrompt(const DataRow& data) {
  NormalRow row;
  const auto prompt = data.object.find("prompt"), completion = data.object.find("completion");
  if (prompt != data.object.end() && completion != data.object.end() && prompt->is_array() && completion->is_array()) {
    row.kind = NormalRow::Kind::kConversation;
    HEW_RETURN_IF_ERROR(AddMessages(*prompt, data.where + ": prompt", &row));
    std::fill(row.weights.begin(), row.weights.end(), 0.0f);
    HEW_RETURN_IF_ERROR(AddMessages(*completion, data.where + ": completion", &row));
    HEW_RETURN_IF_ERROR(AddTools(data.object, data.where, &row));
    return row;
  }
  row.kind = NormalRow::Kind::kPair;
  HEW_ASSIGN(row.prompt, TextField(data.object, data.where, "prompt"));
  HEW_ASSIGN(row.completion, TextField(data.object, data.where, "completion"));
  return row;
}

Status AddHistory(const Json& history, const std::string& where, NormalRow* row) {
  if (!history.is_array())
    return BadInput("{}: history: expected a list of pairs, found {}", where, history.type_name());
  for (const auto& turn : history) {
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
      return BadInput("{}: history: expected pairs [question, answer] of texts, found another shape", where);
    }
    AddTurn("user", turn[0].get<std::string>(), row);
    AddTurn("assistant", turn[1].get<std::string>(), row);
  }
  return {};
}

Result<NormalRow> FromAlpaca(const DataRow& data) {
  HEW_ASSIGN(const std::string instruction, TextField(data.object, data.where, "instruction"));
  HEW_ASSIGN(const std::string input, TextField(data.object, data.where, "input", false));
  HEW_ASSIGN(const std::string output, TextField(data.object, data.where, "output"));
  HEW_ASSIGN(const std::string system, TextField(data.object, data.where, "system", false));
  NormalRow row;
  const auto history = data.object.find("history");
  const bool turns = history != data.object.end() && !history->is_null() && !(history->is_array() && history->empty());
  const std::string prompt = input.empty() ? instruction : instruction + "\n" + input;
  if (!turns && system.empty()) {
    row.kind = NormalRow::Kind::kPair;
    row.prompt = prompt;
    row.completion = output;
    return row;
  }
  row.kind = NormalRow::Kind::kConversation;
  if (!system.empty()) AddTurn("system", system, &row);
  if (turns) HEW_RETURN_IF_ERROR(AddHistory(*history, data.where, &row));
  AddTurn("user", prompt, &row);
  AddTurn("assistant", output, &row);
  return row;
}

Result<NormalRow> FromShareGpt(const DataRow& data) {
  NormalRow row;
  row.kind = NormalRow::Kind::kConversation;
  HEW_RETURN_IF_ERROR(AddConversations(data.object, data.where, &row));
  return row;
}

}  // namespace

std::optional<DataFormat> DataFormatFromName(std::string_view name) {
  for (const auto& [spelling, format] : kNames) {
    if (spelling == name) return format;
  }
  return std::nullopt;
}

std::string_view NameOf(DataFormat format) {
  for (const auto& [spelling, value] : kNames) {
    if (value == format) return spelling;
  }
  return "";
}

Result<DataFormat> RecogniseFormat(const DataRow& row) {
  if (row.plain) return DataFormat::kText;
  const auto has = [&](const char* field) { return row.object.contains(field); };
  for (const char* field : {"chosen", "rejected", "preferred_output", "non_preferred_output"}) {
    if (has(field)) return DataFormat::kPreference;
  }
  if (has("messages")) return DataFormat::kChat;
  if (has("conversations")) return DataFormat::kShareGpt;
  if (has("prompt") || has("completion")) return DataFormat::kPrompt;
  if (has("instruction") || has("output")) return DataFormat::kAlpaca;
  if (has("text")) return DataFormat::kText;
  return BadInput(
      "{}: expected messages, conversations, prompt and completion, instruction and output, or text; found fields: {}",
      row.where, FieldNames(row.object));
}

Result<NormalRow> NormaliseRow(const DataRow& row, DataFormat format) {
  if (row.plain) {
    if (format != DataFormat::kText)
      return BadInput("{}: expected JSON ({}), found plain text", row.where, NameOf(format));
    return NormalRow{NormalRow::Kind::kText, {}, {}, {}, false, "", row.text};
  }
  switch (format) {
    case DataFormat::kChat:
      return FromChat(row);
    case DataFormat::kPrompt:
      return FromPrompt(row);
    case DataFormat::kAlpaca:
      return FromAlpaca(row);
    case DataFormat::kShareGpt:
      return FromShareGpt(row);
    case DataFormat::kText: {
      HEW_ASSIGN(std::string text, TextField(row.object, row.where, "text"));
      return NormalRow{NormalRow::Kind::kText, {}, {}, {}, false, "", std::move(text)};
    }
    case DataFormat::kPreference:
      return BadInput(
          "{}: expected rows to imitate, found a preference pair (fields: {}), to be learned with --method dpo or orpo",
          row.where, FieldNames(row.object));
    case DataFormat::kAuto:
      break;
  }
  HEW_ASSIGN(const DataFormat recognised, RecogniseFormat(row));
  return NormaliseRow(row, recognised);
}

NormalRow PairAsConversation(const NormalRow& pair) {
  NormalRow row;
  row.kind = NormalRow::Kind::kConversation;
  AddTurn("user", pair.prompt, &row);
  AddTurn("assistant", pair.completion, &row);
  return row;
}

void WriteToolCallsAsText(NormalRow* row) {
  for (auto& message : row->messages) {
    if (!message.contains("tool_calls")) continue;
    std::string text = message["content"].get<std::string>();
    for (const auto& call : message["tool_calls"]) {
      if (!text.empty()) text += "\n";
      text += (call.contains("function") ? call["function"] : call).dump();
    }
    message["content"] = text;
    message.erase("tool_calls");
  }
  row->has_tool_calls = false;
}

}  // namespace hew
