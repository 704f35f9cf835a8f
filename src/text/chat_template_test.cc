#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace hew {
namespace {

using Json = nlohmann::ordered_json;

const JinjaClock kNow{2025, 7, 10, 12, 0, 0};

constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

Json Conversation() {
  return Json::parse(R"([
    {"role": "user", "content": "yes or no?"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "assistant, is it yes again?"},
    {"role": "assistant", "content": " no, it is no "}])");
}

ChatTemplate Make(const std::string& source) {
  auto made = ChatTemplate::Create(source, "<s>", "</s>");
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

std::vector<std::string> Learned(const ChatTemplate& chat, const Json& messages, const Json& tools = nullptr) {
  const auto render = chat.Render(messages, tools, false, kNow);
  EXPECT_TRUE(render) << render.error().message;
  std::vector<std::string> texts;
  if (!render) return texts;
  size_t last = 0;
  for (const auto& [begin, end] : render->learned_spans) {
    EXPECT_GE(begin, last);
    EXPECT_LE(end, render->text.size());
    texts.push_back(render->text.substr(begin, end - begin));
    last = end;
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(ChatTemplateTest, LearnsContentAndEndOfTurn) {
  EXPECT_EQ(Learned(Make(kChatMl), Conversation()), (Texts{"yes<|im_end|>", " no, it is no <|im_end|>"}));
}

TEST(ChatTemplateTest, GivesTheTextWithOrWithoutThePrompt) {
  const ChatTemplate chat =
      Make("{{ bos_token }}" + std::string(kChatMl) + "{{ eos_token }}{{ tools }}{{ documents }}");
  const Json messages = Json::parse(R"([{"role": "user", "content": "é", "weight": 1}])");
  EXPECT_EQ(chat.RenderPrompt(messages, nullptr, true, kNow)->text,
            "<s><|im_start|>user\né<|im_end|>\n<|im_start|>assistant\n</s>NoneNone");
  EXPECT_EQ(chat.Render(messages, Json::array(), false, kNow)->text, "<s><|im_start|>user\né<|im_end|>\n</s>[]None");
  EXPECT_EQ(Make("{{ messages }}").RenderPrompt(messages, nullptr, true, kNow)->text,
            "[{'role': 'user', 'content': 'é'}]");
}

TEST(ChatTemplateTest, WeightZeroIsNotLearned) {
  Json messages = Conversation();
  messages[1]["weight"] = 0;
  EXPECT_EQ(Learned(Make(kChatMl), messages), (Texts{" no, it is no <|im_end|>"}));
  messages[1]["weight"] = 1;
  messages[3]["weight"] = 0.0;
  EXPECT_EQ(Learned(Make(kChatMl), messages), (Texts{"yes<|im_end|>"}));
}

TEST(ChatTemplateTest, TemplatesMayTrim) {
  const char* const trims =
      "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}<end>\n{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}";
  EXPECT_EQ(Learned(Make(trims), Conversation()), (Texts{"yes<end>", "no, it is no<end>"}));
}

TEST(ChatTemplateTest, ThinkingOfEarlierTurnsMayBeStripped) {
  const char* const strips =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n"
      "{% if m.role == 'assistant' and '</think>' in m.content and not loop.last %}"
      "{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const Json messages = Json::parse(R"([
    {"role": "user", "content": "2+2"}, {"role": "assistant", "content": "<think>\n4?\n</think>\n\n4"},
    {"role": "user", "content": "3+3"}, {"role": "assistant", "content": "<think>\n6?\n</think>\n\n6"}])");
  EXPECT_EQ(Learned(Make(strips), messages), (Texts{"4<|im_end|>", "<think>\n6?\n</think>\n\n6<|im_end|>"}));
}

TEST(ChatTemplateTest, AGenerationPromptThatHistoryDoesNotHave) {  // as in templates that force thinking
  const char* const forced =
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
      "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}";
  EXPECT_EQ(Learned(Make(forced), Conversation()), (Texts{"yes<|end|>", " no, it is no <|end|>"}));
}

TEST(ChatTemplateTest, AnEmptyThinkingBlockIsForTheModelToSay) {
  const char* const block =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last "
      "%}<think>\n\n</think>\n\n"
      "{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif "
      "%}";
  EXPECT_EQ(Learned(Make(block), Conversation()),
            (Texts{"yes<|im_end|>", "<think>\n\n</think>\n\n no, it is no <|im_end|>"}));
}

TEST(ChatTemplateTest, ToolsBeforeTheLastUserMessage) {  // as Mistral has it: no beginning renders the same
  const char* const moves =
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% if loop.last or loop.index == messages|length "
      "- 1 %}"
      "[TOOLS]{{ tools|tojson }}[/TOOLS]{% endif %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}{{ "
      "eos_token }}"
      "{% endif %}{% endfor %}";
  const auto tools = Json::parse(R"([{"yes": "no"}])");
  EXPECT_EQ(Learned(Make(moves), Conversation(), tools), (Texts{"yes</s>", "  no, it is no </s>"}));
}

TEST(ChatTemplateTest, ToolCallsAreLearned) {
  const char* const calls =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}{% for c in m.tool_calls or [] %}<call>"
      "{{ c|tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt "
      "%}<|im_start|>assistant\n{% endif %}";
  const Json messages = Json::parse(R"([
    {"role": "user", "content": "time?"}, {"role": "assistant", "content": null, "tool_calls": [{"name": "now"}]},
    {"role": "tool", "content": "noon"}, {"role": "assistant", "content": "Noon.", "tool_calls": [{"name": "bell"}]},
    {"role": "tool", "content": "rung"}, {"role": "assistant", "content": ""}])");
  EXPECT_EQ(Learned(Make(calls), messages), (Texts{"<call>{\"name\": \"now\"}</call><|im_end|>",
                                                   "Noon.<call>{\"name\": \"bell\"}</call><|im_end|>", "<|im_end|>"}));
}

TEST(ChatTemplateTest, WhatCannotBeFoundIsNamed) {
  const auto hidden =
      Make("{% for m in messages %}{{ m.role }} {% endfor %}!").Render(Conversation(), nullptr, false, kNow);
  ASSERT_FALSE(hidden);
  EXPECT_NE(hidden.error().message.find("messages[1]"), std::string::npos) << hidden.error().message;
}

TEST(ChatTemplateTest, BadInputIsRefused) {
  const ChatTemplate chat = Make(kChatMl);
  for (const char* messages : {"{}", "null", "\"hi\"", "[1]", "[{}]", "[{\"role\": 1}]", "[{\"role\": \"user\"}]"}) {
    const auto render = chat.Render(Json::parse(messages), nullptr, false, kNow);
    ASSERT_FALSE(render) << messages;
    EXPECT_EQ(render.error().code, ErrorCode::kBadInput);
  }
  EXPECT_FALSE(chat.Render(Conversation(), "tool", false, kNow));
  EXPECT_FALSE(ChatTemplate::Create("{% if %}", "", ""));
}

// Real templates, each with the end-of-turn token that its model was trained on.
TEST(ChatTemplateTest, RealTemplates) {
  const auto path = std::filesystem::path(HEW_SOURCE_DIR) / ".." / "shared" / "vectors" / "chat_templates.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  const auto cases = Json::parse(text.str(), nullptr, false);
  ASSERT_TRUE(cases.is_array());
  const std::map<std::string, Texts> expected = {
      {"_base", {"yes<|im_end|>", " no, it is no <|im_end|>"}},
      {"gpt_neox", {"yes</s>", " no, it is no </s>"}},
      {"llama", {" yes </s>", " no, it is no </s>"}},
      {"HuggingFaceH4/zephyr-7b-beta (add_generation_prompt=false)", {"yes</s>", " no, it is no </s>"}},
      {"HuggingFaceH4/zephyr-7b-gemma-v0.1", {"yes<|im_end|>", " no, it is no <|im_end|>"}},
      {"mistralai/Mixtral-8x7B-Instruct-v0.1", {"yes</s>", " no, it is no </s>"}},
      {"mistralai/Mistral-7B-Instruct-v0.3 (JSON Schema)", {" yes </s>", "  no, it is no  </s>"}},
      {"openchat/openchat-3.5-0106", {" yes<|end_of_turn|>", "  no, it is no <|end_of_turn|>"}},
      {"codellama/CodeLlama-70b-Instruct-hf", {"yes <step>", " no, it is no <step>"}},
      {"Qwen/Qwen1.5-72B-Chat", {"yes<|im_end|>", " no, it is no "}},  // it does not end the last turn
      {"deepseek-ai/deepseek-coder-33b-instruct", {"yes\n<|EOT|>", " no, it is no \n<|EOT|>"}},
      {"meta-llama/Llama-3.1-8B-Instruct", {"yes<|eot_id|>", "no, it is no<|eot_id|>"}},
      {"meta-llama/Llama-3.2-11B-Vision-Instruct", {"yes<|eot_id|>", " no, it is no <|eot_id|>"}},
      {"Qwen/Qwen2.5-VL-7B-Instruct", {"yes<|im_end|>", " no, it is no <|im_end|>"}},
      {"Qwen/Qwen3.5-4B", {"yes<|im_end|>", "\n</think>\n\nno, it is no<|im_end|>"}},
      {"HuggingFaceTB/SmolLM3-3B", {"yes<|im_end|>", " no, it is no <|im_end|>"}},
      {"moonshotai/Kimi-K2-Thinking", {"<think></think>yes<|im_end|>", "<think></think> no, it is no <|im_end|>"}},
  };
  size_t checked = 0;
  for (const auto& one : cases) {
    const auto wanted = expected.find(one["name"].get<std::string>());
    if (wanted == expected.end()) continue;
    SCOPED_TRACE(wanted->first);
    EXPECT_EQ(Learned(Make(one["template"]), Conversation()), wanted->second);
    ++checked;
  }
  EXPECT_EQ(checked, expected.size());
}

// Gemma's turns, as its models have them in GGUF.
TEST(ChatTemplateTest, GemmaTurns) {
  const char* const gemma =
      "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
      "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
      "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";
  EXPECT_EQ(Learned(Make(gemma), Conversation()), (Texts{"yes<end_of_turn>", "no, it is no<end_of_turn>"}));
}

}  // namespace
}  // namespace hew
