#include "http/chat_messages.h"

#include <algorithm>

#include "base/shown.h"

namespace hew {
namespace {

constexpr size_t kMostMessages = 4096, kMostTools = 128;

// OpenAI's clients hold a call's arguments as the text of a JSON object.
ApiStatus ReadToolCalls(Fields& fields, Json* out) {
  const Json* calls = fields.Array("tool_calls", 0, kMostTools);
  if (auto status = fields.status(); !status) return status;
  if (!calls || calls->empty()) return {};
  Json read = Json::array();
  for (size_t i = 0; i < calls->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", fields.Path("tool_calls"), i);
    if (!(*calls)[i].is_object())
      return BadField(path, fmt::format("expected an object, found {}", Found((*calls)[i])));
    Fields call((*calls)[i], path);
    const Json* function = call.Object("function");
    const std::string id = call.Text("id");
    if (auto status = call.status(); !status) return status;
    if (!function) return BadField(path + ".function", "expected an object, found none");
    Fields inner(*function, path + ".function");
    const std::string name = inner.Text("name");
    const Json* arguments = inner.Get("arguments");
    if (auto status = inner.status(); !status) return status;
    Json parsed = Json::object();
    if (arguments && arguments->is_object()) {
      parsed = *arguments;
    } else if (arguments && arguments->is_string()) {
      auto text = ParseJson(arguments->get_ref<const std::string&>(), "arguments");
      if (!text || !text->is_object())
        return BadField(path + ".function.arguments",
                        fmt::format("expected the text of a JSON object, found {}", Found(*arguments)));
      parsed = *std::move(text);
    }
    read.push_back(
        {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", std::move(parsed)}}}});
  }
  (*out)["tool_calls"] = std::move(read);
  return {};
}

Api<Json> ReadMessage(const Json& message, const std::string& path) {
  if (!message.is_object()) return BadField(path, fmt::format("expected an object, found {}", Found(message)));
  Fields fields(message, path);
  std::string role = fields.OneOf("role", "", {"system", "developer", "user", "assistant", "tool", "function"});
  const std::string name = fields.Text("name"), call = fields.Text("tool_call_id");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (role.empty()) return BadField(path + ".role", "expected system, developer, user, assistant or tool, found none");
  if (role == "developer") role = "system";
  if (role == "function") role = "tool";
  Json out = {{"role", role}, {"content", ""}};
  if (const Json* content = fields.Get("content")) {
    API_ASSIGN(out["content"], ReadContent(*content, path + ".content", {"text", "input_text", "output_text"}));
  } else if (role != "assistant") {
    return BadField(path + ".content", "expected text or a list of parts, found none");
  }
  if (!name.empty()) out["name"] = name;
  if (!call.empty()) out["tool_call_id"] = call;
  if (auto status = ReadToolCalls(fields, &out); !status) return tl::unexpected(status.error());
  return out;
}

// One tool as templates read it; its name and the schema of its arguments.
struct ReadTool {
  std::string name;
  Json parameters;
};

Api<ReadTool> CheckTool(const Json& tool, const std::string& path) {
  if (!tool.is_object()) return BadField(path, fmt::format("expected an object, found {}", Found(tool)));
  Fields fields(tool, path);
  fields.OneOf("type", "function", {"function"});
  const Json* function = fields.Object("function");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!function) return BadField(path + ".function", "expected an object, found none");
  Fields inner(*function, path + ".function");
  ReadTool out;
  out.name = inner.Text("name");
  const Json* parameters = inner.Object("parameters");
  inner.Text("description");
  if (auto status = inner.status(); !status) return tl::unexpected(status.error());
  if (out.name.empty()) return BadField(path + ".function.name", "expected a name, found none");
  out.parameters = parameters && !parameters->empty() ? *parameters : Json{{"type", "object"}};
  return out;
}

// {"name": …, "arguments": …} of one of the functions.
Json CallSchema(const std::vector<ReadTool>& tools) {
  Json any = Json::array();
  for (const auto& tool : tools) {
    any.push_back({{"type", "object"},
                   {"properties", {{"name", {{"const", tool.name}}}, {"arguments", tool.parameters}}},
                   {"required", {"name", "arguments"}},
                   {"additionalProperties", false}});
  }
  return any.size() == 1 ? any[0] : Json{{"anyOf", std::move(any)}};
}

}  // namespace

Api<std::string> ReadContent(const Json& content, const std::string& param, std::initializer_list<const char*> types) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array())
    return BadField(param, fmt::format("expected text or a list of parts, found {}", Found(content)));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", param, i);
    if (!content[i].is_object()) return BadField(path, fmt::format("expected an object, found {}", Found(content[i])));
    Fields part(content[i], path);
    const std::string type = part.OneOf("type", "", types);
    const Json* words = part.Get("text");
    if (auto status = part.status(); !status) return tl::unexpected(status.error());
    if (type.empty()) return BadField(path + ".type", "expected text, found none");
    if (!words || !words->is_string()) return BadField(path + ".text", "expected text, found none");
    if (i > 0) text += "\n";
    text += words->get_ref<const std::string&>();
  }
  return text;
}

Api<Json> ReadChatMessages(Fields& fields) {
  const Json* messages = fields.Array("messages", 1, kMostMessages);
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!messages) return BadField("messages", "expected an array of messages, found none");
  Json out = Json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    API_ASSIGN(Json message, ReadMessage((*messages)[i], fmt::format("messages[{}]", i)));
    out.push_back(std::move(message));
  }
  return out;
}

Api<ToolChoice> ReadTools(ApiContext& context, Fields& fields) {
  const Json* list = fields.Array("tools", 0, kMostTools);
  const Json* choice = fields.Get("tool_choice");
  fields.Unsupported("functions", Json::array());
  fields.Unsupported("function_call", "none");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  ToolChoice out;
  std::string wanted = "auto", named;
  if (choice && choice->is_string()) {
    wanted = fields.OneOf("tool_choice", "auto", {"none", "auto", "required"});
  } else if (choice) {
    const Json* object = fields.Object("tool_choice");
    if (object) {
      const Json function = object->value("function", Json());
      const Json name = function.is_object() ? function.value("name", Json()) : Json();
      if (object->value("type", Json()) != "function" || !name.is_string()) {
        fields.Fail("tool_choice",
                    "expected none, auto, required or {\"type\": \"function\", \"function\": {\"name\": …}}");
      } else {
        named = name.get<std::string>();
      }
    }
  }
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!list || list->empty()) {
    if (wanted == "required" || !named.empty()) return BadField("tool_choice", "expected none or auto without tools");
    return out;
  }
  std::vector<ReadTool> tools;
  for (size_t i = 0; i < list->size(); ++i) {
    API_ASSIGN(ReadTool tool, CheckTool((*list)[i], fmt::format("tools[{}]", i)));
    tools.push_back(std::move(tool));
  }
  if (wanted == "none") return out;
  const auto chat = context.models.base().Chat();
  const std::string source = chat ? (*chat)->source() : "";
  if (source.find("tools") == source.npos)
    return BadField("tools",
                    fmt::format("expected none: the chat template of {} has no tools", context.models.base_id()));
  if (source.find("<tool_call>") == source.npos)
    return BadField("tools",
                    fmt::format("expected none: {} writes calls in a form that is not read", context.models.base_id()));
  out.tools = *list;
  out.parse = true;
  if (!named.empty()) {
    std::erase_if(tools, [&](const ReadTool& tool) { return tool.name != named; });
    if (tools.empty())
      return BadField("tool_choice", fmt::format("expected one of the tools, found '{}'", Shown(named, 40)));
  }
  if (wanted == "required" || !named.empty()) {
    API_ASSIGN(out.grammar, context.GrammarOf(CallSchema(tools), "tools"));
  }
  return out;
}

}  // namespace hew
