#include "text/chat_template.h"

#include "text/chat_spans.h"

namespace hew {
namespace {

using Json = nlohmann::ordered_json;

Status CheckMessages(const Json& messages, const Json& tools) {
  if (!messages.is_array()) return BadInput("messages: expected an array, found {}", messages.type_name());
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object()) {
      return BadInput("messages[{}]: expected an object, found {}", i, messages[i].type_name());
    }
    const auto role = messages[i].find("role");
    if (role == messages[i].end() || !role->is_string()) return BadInput("messages[{}].role: expected a text", i);
  }
  if (!tools.is_null() && !tools.is_array()) return BadInput("tools: expected an array, found {}", tools.type_name());
  return {};
}

// "weight" is about learning: templates do not see it.
Json WithoutWeights(const Json& messages) {
  Json out = messages;
  for (Json& message : out) message.erase("weight");
  return out;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Create(std::string source, std::string bos_token, std::string eos_token) {
  HEW_ASSIGN(Template parsed, Template::Parse(source, "chat template"));
  return ChatTemplate(std::move(parsed), std::move(source), std::move(bos_token), std::move(eos_token));
}

Result<ChatRender> ChatTemplate::RenderPrompt(const Json& messages, const Json& tools, bool add_generation_prompt,
                                              const JinjaClock& now) const {
  HEW_RETURN_IF_ERROR(CheckMessages(messages, tools));
  Json data = Json::object(), context = Json::object();
  data["messages"] = WithoutWeights(messages);
  data["tools"] = tools;
  context["documents"] = nullptr;
  context["add_generation_prompt"] = add_generation_prompt;
  context["bos_token"] = bos_token_;
  context["eos_token"] = eos_token_;
  HEW_ASSIGN(RenderedTemplate rendered, template_.Render(context, now, {}, data));
  return ChatRender{std::move(rendered.text), std::move(rendered.data_spans), {}};
}

Result<ChatRender> ChatTemplate::Render(const Json& messages, const Json& tools, bool add_generation_prompt,
                                        const JinjaClock& now) const {
  HEW_ASSIGN(ChatRender render, RenderPrompt(messages, tools, add_generation_prompt, now));
  const auto render_first = [&](size_t count, bool prompt) -> Result<std::string> {
    Json first = Json::array();
    for (size_t i = 0; i < count; ++i) first.push_back(messages[i]);
    HEW_ASSIGN(ChatRender beginning, RenderPrompt(first, tools, prompt, now));
    return std::move(beginning.text);
  };
  HEW_ASSIGN(render.learned_spans, FindLearnedSpans(messages, render.text, render_first));
  return render;
}

std::vector<int32_t> EncodeChat(const Tokenizer& tokenizer, const ChatRender& render) {
  return tokenizer.Encode(render.text, {.parse_special = true, .data = render.data_spans});
}

}  // namespace hew
