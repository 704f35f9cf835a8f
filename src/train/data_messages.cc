#include "train/data_messages.h"

#include <cmath>

#include "base/json.h"
#include "base/shown.h"

namespace hew {
namespace {

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

Result<float> MessageWeight(const Json& message, const std::string& where, const std::string& role) {
  if (role != "assistant") return 0.0f;
  const auto found = message.find("weight");
  if (found == message.end() || found->is_null()) return 1.0f;
  const double weight = found->is_number() ? found->get<double>() : std::nan("");
  if (!(weight >= 0 && weight <= 1))
    return BadInput("{}.weight: expected a number from 0 to 1, found {}", where, Shown(found->dump()));
  return static_cast<float>(weight);
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

// A turn that calls tools, as JSON in its text.
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

}  // namespace

std::string FieldNames(const Json& object) {
  std::string names;
  for (const auto& [key, value] : object.items()) names += (names.empty() ? "" : ", ") + key.substr(0, 40);
  return names.empty() ? "none" : Shown(names, 200);
}

Result<std::string> TextField(const Json& object, const std::string& where, const char* field, bool required) {
  const auto found = object.find(field);
  if (found == object.end() || (found->is_null() && !required)) {
    if (!required) return std::string();
    return BadInput("{}: {}: expected text, found no such field (fields: {})", where, field, FieldNames(object));
  }
  if (!found->is_string()) return BadInput("{}: {}: expected text, found {}", where, field, found->type_name());
  return found->get<std::string>();
}

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

Status AddSpeakerTurn(const Json& turn, const std::string& where, NormalRow* row) {
  if (!turn.is_object()) return BadInput("{}: expected an object, found {}", where, turn.type_name());
  HEW_ASSIGN(const std::string from, TextField(turn, where, "from"));
  HEW_ASSIGN(const std::string value, TextField(turn, where, "value"));
  const std::string_view role = RoleOfSpeaker(from);
  if (role == "call") return AddCall(value, where, row);
  if (role.empty()) {
    return BadInput("{}: from: expected human, gpt, system, function_call or observation, found '{}'", where,
                    Shown(from));
  }
  AddTurn(role, value, row);
  return {};
}

Status AddConversations(const Json& object, const std::string& where, NormalRow* row) {
  const auto turns = object.find("conversations");
  if (turns == object.end() || !turns->is_array() || turns->empty()) {
    return BadInput("{}: conversations: expected a list of turns, found {}", where,
                    turns == object.end() ? "no such field"
                    : turns->is_array()   ? "an empty one"
                                          : turns->type_name());
  }
  HEW_ASSIGN(const std::string system, TextField(object, where, "system", false));
  if (!system.empty()) AddTurn("system", system, row);
  for (size_t i = 0; i < turns->size(); ++i)
    HEW_RETURN_IF_ERROR(AddSpeakerTurn((*turns)[i], fmt::format("{}: conversations[{}]", where, i), row));
  return AddTools(object, where, row);
}

}  // namespace hew
