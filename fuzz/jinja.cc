// Chat templates: parsed, rendered on a conversation with tools, with the spans to be learned.
#include "base/file.h"
#include "base/json.h"
#include "mutate.h"
#include "target.h"
#include "text/chat_template.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"{{",
                                  "}}",
                                  "{%",
                                  "%}",
                                  "{%-",
                                  "-%}",
                                  "{#",
                                  "#}",
                                  " if ",
                                  " elif ",
                                  "else",
                                  "endif",
                                  " for ",
                                  " in ",
                                  "endfor",
                                  "set ",
                                  "endset",
                                  "macro ",
                                  "endmacro",
                                  "call ",
                                  "endcall",
                                  "filter ",
                                  "endfilter",
                                  "generation",
                                  "endgeneration",
                                  "break",
                                  "continue",
                                  "raw",
                                  "endraw",
                                  "loop.index",
                                  "loop.last",
                                  "loop.previtem",
                                  "loop.cycle(1,2)",
                                  "recursive",
                                  "namespace(a=1)",
                                  "range(9)",
                                  "range(1000000000)",
                                  "dict(a=1)",
                                  "messages",
                                  "message",
                                  "m.content",
                                  "m['role']",
                                  "tools",
                                  "bos_token",
                                  "|tojson",
                                  "|trim",
                                  "|join(',')",
                                  "|length",
                                  "|upper",
                                  "|replace('a','b')",
                                  "|selectattr('role','equalto','user')",
                                  "|map(attribute='content')",
                                  "|list",
                                  "|sort",
                                  "|groupby('role')",
                                  "|default('x')",
                                  "|int",
                                  "|float",
                                  "|round(2)",
                                  "|batch(2)",
                                  "|indent",
                                  "|format(1,2)",
                                  "|first",
                                  "|last",
                                  "|reverse",
                                  "|unique",
                                  "|sum",
                                  ".split(' ')",
                                  ".strip()",
                                  ".startswith('a')",
                                  ".items()",
                                  ".append(1)",
                                  ".format(1)",
                                  ".upper()",
                                  "['__class__']",
                                  ".__class__",
                                  "[::-1]",
                                  "[1:2]",
                                  " is defined",
                                  " is string",
                                  " is mapping",
                                  " and ",
                                  " or ",
                                  " not ",
                                  "==",
                                  "<",
                                  "~",
                                  "+",
                                  "-",
                                  "*",
                                  "**",
                                  "//",
                                  "/",
                                  "%",
                                  "(",
                                  ")",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  "'",
                                  "\"",
                                  ",",
                                  ":",
                                  "0",
                                  "1",
                                  "-1",
                                  "9223372036854775807",
                                  "1e308",
                                  "1.5",
                                  "none",
                                  "true",
                                  "strftime_now('%d')",
                                  "raise_exception('x')",
                                  "'%s' % 1",
                                  "'%999999999d' % 1",
                                  "'ab' * 100000",
                                  "caller()",
                                  "kwargs",
                                  "varargs",
                                  "\\u0041"};

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor "
      "%}{% if add_generation_prompt %}x{% endif %}",
      "{%- macro f(a, b=2) -%}{{ a }}{{ b }}{{ caller() if caller }}{%- endmacro -%}{% call f(1) %}x{% endcall %}{{ "
      "f(a=3) }}",
      "{% set ns = namespace(n=0) %}{% for m in messages if m.role == 'user' %}{% set ns.n = ns.n + loop.index %}{{ "
      "loop.cycle('a', 'b') }}{% else %}none{% endfor %}{{ ns.n }}",
      "{{ tools | tojson(indent=2) }}{{ 'a,b'.split(',') | join('-') | upper }}{{ '%05.1f|%s' % (1.5, 'x') }}{{ "
      "messages[-1:][0].content[::-1] }}",
      "{% generation %}{{ messages | map(attribute='content') | list | length }}{% endgeneration %}{{ bos_token ~ "
      "eos_token }}{{ 7 // 2 ** 2 }}"};
  // The templates that the tests render use all that there is.
  const auto collect = [&](const auto& self, const Json& value) -> void {
    if (value.is_string() && value.get_ref<const std::string&>().find("{") != std::string::npos) seeds.push_back(value);
    if (value.is_structured()) {
      for (const Json& child : value) self(self, child);
    }
  };
  for (const char* name : {"statements", "odd", "filters", "methods", "operators", "globals"}) {
    const std::string path = fmt::format(HEW_SOURCE_DIR "/tests/golden/jinja/{}.json", name);
    collect(collect, ParseJson(ReadFile(path).value(), path).value());
  }
  return seeds;
}

void Run(std::string_view bytes) {
  static const Json messages = Json::parse(
      R"([{"role":"system","content":"나 be 'b' <s>"},{"role":"user","content":"hi\nthere  "},{"role":"assistant","content":"a<b>","tool_calls":[{"type":"function","function":{"name":"f","arguments":{"x":1.5,"y":[null,true]}}}]},{"role":"user","content":"x"},{"role":"assistant","content":"end"}])");
  static const Json tools =
      Json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])");
  const auto parsed = Template::Parse(bytes, "t.jinja");
  if (!Holds(parsed)) return;
  const Json context = {{"messages", messages},
                        {"tools", tools},
                        {"bos_token", "<s>"},
                        {"eos_token", "</s>"},
                        {"add_generation_prompt", true}};
  const JinjaLimits limits{.max_steps = 50'000, .max_depth = 100, .max_output_bytes = 1 << 18, .max_range = 10'000};
  const auto rendered = parsed->Render(context, {}, limits, {{"user", "data {{ x }}"}});
  if (Holds(rendered)) {
    size_t end = 0;
    for (const ByteSpan& span : rendered->data_spans) {
      HEW_CHECK(span.first >= end && span.second >= span.first && span.second <= rendered->text.size());
      end = span.second;
    }
  }
  if (bytes.size() > 4000) return;
  const auto chat = ChatTemplate::Create(std::string(bytes), "<s>", "</s>");
  if (!Holds(chat)) return;
  const auto conversation = chat->Render(messages, tools, false, {});
  if (!Holds(conversation)) return;
  for (const ByteSpan& span : conversation->learned_spans)
    HEW_CHECK(span.first <= span.second && span.second <= conversation->text.size());
}

std::string Mutate(std::string_view bytes, Random& random) { return MutateText(bytes, kWords, random); }

}  // namespace

const FuzzTarget jinja_target = {"jinja", Seeds, Run, Mutate};

}  // namespace hew::fuzz
