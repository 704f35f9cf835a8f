#include "train/data_format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json.h"
#include "base/shown.h"

namespace hew {
namespace {

constexpr std::pair<std::string_view, DataFormat> kNames[] = {
    {"auto", DataFormat::kAuto},     {"chat", DataFormat::kChat},         {"prompt", DataFormat::kPrompt},
    {"alpaca", DataFormat::kAlpaca}, {"sharegpt", DataFormat::kShareGpt}, {"text", DataFormat::kText},
};

std::string FieldNames(const Json& object) {
  std::string names;
  for (const auto& [key, value] : object.items()) names += (names.empty() ? "" : ", ") + key.substr(0, 40);
  return names.empty() ? "none" : Shown(names, 200);
}

// A field that must be text. `where` already names the row.
Result<std::string> TextField(const Json& object, const std::string& where, const char* field, bool required = true) {
  const auto found = object.find(field);
  if (found == object.end() || (found->is_null() && !required)) {
    if (!required) return std::string();
    return BadInput("{}: {}: expected text, found no such field (fields: {})", where, field, FieldNames(object));
  }
  if (!found->is_string()) return BadInput("{}: {}: expected text, found {}", where, field, found->type_name());
  return found->get<std::string>();
}

// The content of a message: text, null (beside tool calls), or a list of text parts.
Result<std::string> ContentText(const Json& message, const std::string& where) {
  const auto found = message.find("content");
  if (found == message.end() || found->is_null()) {
    if (message.contains("tool_calls")) return std::string();
    return BadInput("{}.content: expected text, found {}", where, found == message.end() ? "no such field" : "null");
  }
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return BadInput("{}.content: expected text, found {}", where, found->type_name());
  std::string text;
  for (const auto& part : *found) {
    const bool is_text = part.is_object() && part.contains("text") && part["text"].is_string() &&
                         (!part.contains("type") || part["type"] == "text");
    if (!is_text)
      return BadInput("{}.content: expected parts {{\"type\": \"text\", \"text\": ...}}, found another kind", where);
    text += part["text"].get<std::string>();
  }
  return text;
}

// OpenAI writes a call's arguments as JSON in a string, templates expect the object itself.
Status UnwrapArguments(const std::string& where, Json* calls) {
  if (!calls->is_array()) return BadInput("{}.tool_calls: expected a list, found {}", where, calls->type_name());
  for (auto& call : *calls) {
    if (!call.is_object()) return BadInput("{}.tool_calls: expected objects, found {}", where, call.type_name());
    Json& function = call.contains("function") && call["function"].is_object() ? call["function"] : call;
    if (!function.contains("name") || !function["name"].is_string()) {
      return BadInput("{}.tool_calls: expected a function with a name, found none", where);
    }
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    auto parsed = ParseJson(function["arguments"].get<std::string>(), where);
    if (parsed && parsed->is_object()) function["arguments"] = std::move(*parsed);
  }
  return {};
}

Result<float> MessageWeight(const Json& message, const std::string& where, const std::string& role) {
  if (role != "assistant") return 0.0f;
  const auto found = message.find("weight");
  if (found == message.end() || found->is_null()) return 1.0f;
  const double weight = found->is_number() ? found->get<double>() : std::nan("");
  if (!(weight >= 0 && weight <= 1))
    return BadInput("{}.weight: expected a number from 0 to 1, found {}", where, Shown(found->dump()));
  return static_cast<float>(weight);
}

Status AddMessages(const Json& messages, const std::string& where, NormalRow* row) {
  if (!messages.is_array()) return BadInput("{}: expected a list of messages, found {}", where, messages.type_name());
  if (messages.empty()) return BadInput("{}: expected at least one message, found none", where);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    const std::string here = fmt::format("{}[{}]", where, i);
    if (!message.is_object()) return BadInput("{}: expected an object, found {}", here, message.type_name());
    const auto role = message.find("role");
    if (role == message.end() || !role->is_string()) {
      return BadInput("{}.role: expected text, found {}", here,
                      role == message.end() ? "no such field" : role->type_name());
    }
    HEW_ASSIGN(const std::string content, ContentText(message, here));
    HEW_ASSIGN(const float weight, MessageWeight(message, here, role->get<std::string>()));
    Json clean = message;
    clean.erase("weight");
    clean["content"] = content;
    if (clean.contains("tool_calls") && clean["tool_calls"].is_null()) clean.erase("tool_calls");
    if (clean.contains("tool_calls")) {
      HEW_RETURN_IF_ERROR(UnwrapArguments(here, &clean["tool_calls"]));
      row->has_tool_calls = true;
    }
    row->messages.push_back(std::move(clean));
    row->weights.push_back(weight);
  }
  return {};
}

// Tools as a list, or as such a list written in a string (ShareGPT sets do so); each wrapped as a function.
Status AddTools(const Json& object, const std::string& where, NormalRow* row) {
  const auto found = object.find("tools");
  if (found == object.end() || found->is_null()) return {};
  Json tools = *found;
  if (tools.is_string()) {
    const std::string text = tools.get<std::string>();
    if (text.empty()) return {};
    HEW_ASSIGN(tools, ParseJson(text, where + ": tools"));
  }
  if (!tools.is_array()) return BadInput("{}: tools: expected a list, found {}", where, tools.type_name());
  if (tools.empty()) return {};
  row->tools = Json::array();
  for (auto& tool : tools) {
    if (!tool.is_object()) return BadInput("{}: tools: expected objects, found {}", where, tool.type_name());
    row->tools.push_back(tool.contains("function") ? tool : Json{{"type", "function"}, {"function", tool}});
  }
  return {};
}

void AddTurn(std::string_view role, std::string content, NormalRow* row) {
  row->messages.push_back({{"role", std::string(role)}, {"content", std::move(content)}});
  row->weights.push_back(role == "assistant" ? 1.0f : 0.0f);
}

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

// One ShareGPT turn's speaker as a role; "" when unknown.
std::string_view RoleOfSpeaker(std::string_view from) {
  constexpr std::pair<std::string_view, std::string_view> kSpeakers[] = {
      {"human", "user"},         {"user", "user"},      {"gpt", "assistant"},    {"assistant", "assistant"},
      {"chatgpt", "assistant"},  {"bing", "assistant"}, {"bard", "assistant"},   {"model", "assistant"},
      {"system", "system"},      {"tool", "tool"},      {"observation", "tool"}, {"function_response", "tool"},
      {"function_call", "call"}, {"tool_call", "call"},
  };
  for (const auto& [speaker, role] : kSpeakers) {
    if (speaker == from) return role;
  }
  return "";
}

Status AddCall(const std::string& value, const std::string& where, NormalRow* row) {
  HEW_ASSIGN(Json call, ParseJson(value, where + ".value"));
  Json calls = Json::array();
  if (!call.is_array()) call = Json::array({call});
  for (auto& one : call) calls.push_back({{"type", "function"}, {"function", one}});
  HEW_RETURN_IF_ERROR(UnwrapArguments(where, &calls));
  row->messages.push_back({{"role", "assistant"}, {"content", ""}, {"tool_calls", std::move(calls)}});
  row->weights.push_back(1.0f);
  row->has_tool_calls = true;
  return {};
}

Result<NormalRow> FromShareGpt(const DataRow& data) {
  NormalRow row;
  row.kind = NormalRow::Kind::kConversation;
  const auto turns = data.object.find("conversations");
  if (turns == data.object.end() || !turns->is_array() || turns->empty()) {
    return BadInput("{}: conversations: expected a list of turns, found {}", data.where,
                    turns == data.object.end() ? "no such field"
                    : turns->is_array()        ? "an empty one"
                                               : turns->type_name());
  }
  HEW_ASSIGN(const std::string system, TextField(data.object, data.where, "system", false));
  if (!system.empty()) AddTurn("system", system, &row);
  for (size_t i = 0; i < turns->size(); ++i) {
    const Json& turn = (*turns)[i];
    const std::string here = fmt::format("{}: conversations[{}]", data.where, i);
    if (!turn.is_object()) return BadInput("{}: expected an object, found {}", here, turn.type_name());
    HEW_ASSIGN(const std::string from, TextField(turn, here, "from"));
    HEW_ASSIGN(const std::string value, TextField(turn, here, "value"));
    const std::string_view role = RoleOfSpeaker(from);
    if (role.empty())
      return BadInput("{}: from: expected human, gpt, system, function_call or observation, found '{}'", here,
                      Shown(from));
    if (role == "call") {
      HEW_RETURN_IF_ERROR(AddCall(value, here, &row));
    } else {
      AddTurn(role, value, &row);
    }
  }
  HEW_RETURN_IF_ERROR(AddTools(data.object, data.where, &row));
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
  if (has("messages")) return DataFormat::kChat;
  if (has("chosen") || has("rejected") || has("preferred_output")) {
    return BadInput("{}: expected rows to imitate, found a preference pair (fields: {})", row.where,
                    FieldNames(row.object));
  }
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
