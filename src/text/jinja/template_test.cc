// What golden cases cannot show: limits, hostile templates, spans, errors.
#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <limits>

namespace hew {
namespace {

const JinjaClock kNow{2025, 7, 10, 12, 0, 0};

Result<RenderedTemplate> Render(std::string_view source,
                                const nlohmann::ordered_json& context = nlohmann::ordered_json::object(),
                                const JinjaLimits& limits = {}) {
  HEW_ASSIGN(const auto parsed, Template::Parse(source, "t.jinja"));
  return parsed.Render(context, kNow, limits);
}

// The error of a template that must be refused, by Parse or by Render.
std::string ErrorOf(std::string_view source, const nlohmann::ordered_json& context = nlohmann::ordered_json::object()) {
  const auto rendered = Render(source, context);
  if (rendered) {
    ADD_FAILURE() << "rendered: " << rendered->text.substr(0, 200);
    return {};
  }
  EXPECT_EQ(rendered.error().code, ErrorCode::kBadInput);
  EXPECT_EQ(rendered.error().message.rfind("t.jinja: ", 0), 0u) << rendered.error().message;
  EXPECT_EQ(rendered.error().message.find('\n'), std::string::npos);
  return rendered.error().message;
}

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(TemplateTest, ErrorsNameTheTemplateAndTheLine) {
  EXPECT_EQ(ErrorOf("a\nb\n{{ 1 / 0 }}"), "t.jinja: line 3: division by zero");
  EXPECT_EQ(ErrorOf("{% if x %}"), "t.jinja: line 1: expected {% endif %}, found the end of the template");
  EXPECT_EQ(ErrorOf("\n{{ x|nope }}"), "t.jinja: line 2: no filter named 'nope'");
  EXPECT_EQ(ErrorOf("\n\n{{ raise_exception('two\nlines') }}"), "t.jinja: line 3: two lines");
  EXPECT_EQ(ErrorOf("{{ user.name.first }}", {{"user", nlohmann::ordered_json::object()}}),
            "t.jinja: line 1: 'dict object' has no attribute 'name'");
  EXPECT_EQ(ErrorOf("{{ nothing.x }}"), "t.jinja: line 1: 'nothing' is undefined");
  // Bytes that are no UTF-8 are shown, not sent on.
  EXPECT_NE(ErrorOf("{{ x \xaa }}").find("\\xaa"), std::string::npos);
  EXPECT_EQ(ErrorOf("{{ raise_exception('\xaa') }}").find('\xaa'), std::string::npos);
}

TEST(TemplateTest, GenerationSpansAreByteRanges) {
  const auto rendered =
      Render("é{% for m in ms %}[{% generation %}{{ m }}é{% endgeneration %}]{% endfor %}", {{"ms", {"a", "bc"}}});
  ASSERT_TRUE(rendered) << rendered.error().message;
  ASSERT_EQ(rendered->generation_spans.size(), 2u);
  const auto [begin, end] = rendered->generation_spans[1];
  EXPECT_EQ(rendered->text.substr(begin, end - begin), "bcé");
  EXPECT_EQ(rendered->generation_spans[0], (std::pair<size_t, size_t>{3, 6}));
}

TEST(TemplateTest, UnderscoreAttributesAreRefused) {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ x.__class__.__mro__ }}", "{{ x['__class__'] }}", "{{ ''['__class__'] }}",
        "{{ [].__init__ }}", "{{ range.__globals__ }}", "{{ ''|attr('__class__') }}",
        "{{ [''] | map(attribute='__class__') | list }}", "{{ namespace().__class__ }}", "{{ 'x'._secret }}",
        "{% macro m() %}{% endmacro %}{{ m.__call__ }}", "{{ cycler('a').__init__ }}",
        "{% for i in [1] %}{{ loop._iterator }}{% endfor %}", "{{ 5.__class__ }}",
        "{{ ['']|sort(attribute='__class__') }}", "{{ ['']|selectattr('__class__')|list }}",
        "{{ d.append.__self__ }}"}) {
    ErrorOf(source, {{"x", {{"a", 1}}}, {"d", nlohmann::ordered_json::array()}});
  }
  // A dictionary's own key is data.
  EXPECT_EQ(Render("{{ x._a }}{{ x.__b__ }}", {{"x", {{"_a", 1}, {"__b__", 2}}}})->text, "12");
}

TEST(TemplateTest, NestingIsBoundedInTheParser) {
  EXPECT_EQ(Render("{{ " + Repeat("(", 90) + "1" + Repeat(")", 90) + " }}")->text, "1");
  for (const int depth : {150, 5000, 50000}) {
    ErrorOf("{{ " + Repeat("(", depth) + "1" + Repeat(")", depth) + " }}");
    ErrorOf("{{ " + Repeat("(", depth));
    ErrorOf("{{ " + Repeat("[", depth) + Repeat("]", depth) + " }}");
    ErrorOf("{{ " + Repeat("{1:", depth) + "1" + Repeat("}", depth) + " }}");
    ErrorOf("{{ " + Repeat("not ", depth) + "1 }}");
    ErrorOf("{{ " + Repeat("-", depth) + "1 }}");
    ErrorOf("{{ " + Repeat("- ", depth) + "1 }}");
    ErrorOf("{{ 1" + Repeat(" if 1 else 1", depth) + " }}");
    ErrorOf("{{ a" + Repeat("[a", depth) + Repeat("]", depth) + " }}");
    ErrorOf("{{ a" + Repeat("(a", depth) + Repeat(")", depth) + " }}");
    ErrorOf("{{ a" + Repeat(".a", depth * 2) + " }}", {{"a", 1}});
    ErrorOf("{{ a" + Repeat("|string", depth * 2) + " }}");
    ErrorOf("{{ a" + Repeat("()", depth * 2) + " }}");
    ErrorOf("{{ a" + Repeat(" is defined is defined", depth) + " }}");
    ErrorOf(Repeat("{% if 1 %}", depth) + Repeat("{% endif %}", depth));
    ErrorOf(Repeat("{% for i in [1] %}", depth));
    ErrorOf("{% for " + Repeat("(", depth) + "a" + Repeat(")", depth) + " in b %}{% endfor %}");
    ErrorOf("{% set x" + Repeat(" | trim", depth * 2) + " %}{% endset %}");
  }
}

TEST(TemplateTest, LongChainsAreNoNesting) {
  EXPECT_EQ(Render("{{ 1" + Repeat(" + 1", 20000) + " }}")->text, "20001");
  EXPECT_EQ(Render("{{ 'a'" + Repeat(" ~ 'b'", 2000) + " }}")->text.size(), 2001u);
  EXPECT_EQ(Render("{{ 0" + Repeat(" or 0", 20000) + " }}")->text, "0");
  EXPECT_EQ(Render("{{ 1" + Repeat(" and 1", 20000) + " }}")->text, "1");
  EXPECT_EQ(Render("{{ 1" + Repeat(" == 1", 20000) + " }}")->text, "True");
  EXPECT_EQ(Render("{% if 0 %}" + Repeat("{% elif 0 %}", 20000) + "{% else %}x{% endif %}")->text, "x");
  EXPECT_EQ(Render("{{ [" + Repeat("1,", 20000) + "]|length }}")->text, "20000");
}

// Each ends with an error by a limit; none may run until the test's own time limit.
TEST(TemplateTest, HostileTemplatesAreStopped) {
  for (const char* source : {
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% macro m(x) %}{{ m([x]) }}{% endmacro %}{{ m(1) }}",
           "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{% call a() %}{% endcall %}{{ a() }}{% endmacro %}{{ "
           "a() }}",
           "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
           "{{ range(10**9) }}",
           "{{ range(10**9)|list|length }}",
           "{% for i in range(10**6) %}{% for j in range(10**6) %}{% endfor %}{% endfor %}",
           "{{ 'x' * 10**9 }}",
           "{{ 'x' * 10**18 }}",
           "{{ [0] * 10**9 }}",
           "{{ [0] * 10**18 }}",
           "{{ (1,2) * 9223372036854775807 }}",
           "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
           "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
           "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
           "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s|replace('x', 'xx') %}{% endfor "
           "%}",
           "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}",
           "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s "
           "}}",
           "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ "
           "ns.s|tojson }}",
           "{% set a = namespace(s=[1]) %}{% set b = namespace(s=[1]) %}{% for i in range(100) %}{% set a.s = [a.s, "
           "a.s] %}{% set b.s = [b.s, b.s] %}{% endfor %}{{ a.s == b.s }}",
           "{% set ns = namespace(s=(1,)) %}{% for i in range(100) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ "
           "{ns.s: 1} }}",
           "{% set ns = namespace(s=1) %}{% for i in range(300) %}{% set ns.s = [ns.s] %}{% endfor %}",
           "{% set ns = namespace(s=1) %}{% for i in range(300) %}{% set ns.s = {'a': ns.s} %}{% endfor %}",
           "{% set ns = namespace(s=1) %}{% for i in range(300) %}{% set ns.s = joiner(ns.s) %}{% endfor %}",
           "{% set ns = namespace(s='') %}{% for i in range(10**6) %}{% set ns.s = ns.s ~ 'xxxxxxxxxxxxxxxx' %}{% "
           "endfor %}{{ ns.s|length }}",
           "{% for i in range(10**6) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
           "{{ '%1000000000d' % 1 }}",
           "{{ '%.999999999f' % 1 }}",
           "{{ 'x'|center(10**12) }}",
           "{{ 'x'|indent(10**12, true) }}",
           "{{ [1]|batch(10**12, 0)|list }}",
           "{{ [1]|slice(10**18)|list }}",
           "{{ ('<' * 10**7)|e }}",
           "{{ ('x' * 10**6).replace('', 'y' * 10**6) }}",
           "{{ 9223372036854775807 + 1 }}",
           "{{ -9223372036854775807 - 2 }}",
           "{{ 9223372036854775807 * 2 }}",
           "{{ 10 ** 19 }}",
           "{{ 2 ** 9999999999 }}",
           "{{ 9223372036854775808 }}",
           "{{ -(-9223372036854775807 - 1) }}",
           "{{ (-9223372036854775807 - 1) // -1 }}",
           "{{ (-9223372036854775807 - 1)|abs }}",
           "{{ 0 ** -1 }}",
           "{{ 10.0 ** 400 }}",
           "{{ 'a' | map('map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', "
           "'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map', 'map') | list }}",
           "{{ strftime_now('%c' * 10**7) }}",
           "{{ dict(**dict([('a', 1)]), **{'a': 2}) }}",
           "{{ cycler() }}",
           "{{ range(-9223372036854775807, 9223372036854775807, 1) }}",
           "{{ [[1]]|unique|list }}",
           "{{ '\\ud800' }}",
           "{% set s = ('a' * 10**5 ~ 'b') * 100 %}{% for i in range(10**6) %}{{ s.replace('a' * 10**5 ~ 'a', 'x') "
           "}}{% "
           "endfor %}",
           "{% set s = 'ab' * 10**6 %}{% for i in range(10**6) %}{% if 'a' * 10**6 in s %}{% endif %}{% endfor %}",
           "{% set k = 'a' * 10**6 %}{% set d = {k: 1} %}{% for i in range(10**6) %}{% if d[k] %}{% endif %}{% endfor "
           "%}",
           "{% set k = '1' * 10**6 %}{% for i in range(10**6) %}{% if k|int == k|float %}{% endif %}{% endfor %}",
           "{% set s = 'x' * 10**6 %}{% for i in range(10**6) %}{% if s|length %}{% endif %}{% endfor %}",
           "{% set s = 'x' * 10**7 %}{% for i in range(10**6) %}{% if s.strip(s) %}{% endif %}{% endfor %}",
           "{% set l = range(10**6)|list %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}",
           "{% set ns = namespace() %}{% for i in range(10**6) %}{% macro f() %}{% endmacro %}{% set ns.f = f %}{% set "
           "old = ns.f %}{% endfor %}{{ 1/0 }}",
       }) {
    SCOPED_TRACE(source);
    ErrorOf(source);
  }
}

TEST(TemplateTest, CirclesOfReferencesAreFreed) {  // the leak check of the sanitizer build looks at this
  const char* const sources[] = {
      "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns.ns.ns is defined }}",
      "{% macro m() %}{{ m.name }}{% endmacro %}{{ m() }}",
      "{% set ns = namespace(old=none) %}{% for i in range(20000) %}{% set old = ns.old %}{% macro f() %}{% endmacro %}"
      "{% set ns.old = f %}{% endfor %}done",
      "{% set ns = namespace(x=none) %}{% for i in range(20000) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}done",
      "{% set ns = namespace(l=none) %}{% for i in [1, 2] recursive %}{% set ns.l = loop %}{% endfor %}{% set k = ns.l "
      "%}{{ k.index }}",
      "{% set ns = namespace() %}{% for i in [1, 2] %}{% set ns.l = loop %}{{ loop.changed(loop) }}{% endfor %}{{ "
      "ns.l.last }}",
  };
  for (const char* source : sources) {
    SCOPED_TRACE(source);
    const auto rendered = Render(source);
    EXPECT_TRUE(rendered) << rendered.error().message;
  }
}

TEST(TemplateTest, MacrosOutliveTheirLoop) {
  EXPECT_EQ(
      Render("{% set ns = namespace() %}{% for i in [1, 2] %}{% set k = i * 10 %}{% macro f() %}{{ k }}{% endmacro %}"
             "{% if loop.first %}{% set ns.f = f %}{% endif %}{% endfor %}{{ ns.f() }}")
          ->text,
      "10");
}

TEST(TemplateTest, LimitsAreTheCallers) {
  JinjaLimits limits;
  limits.max_steps = 100;
  EXPECT_FALSE(Render("{% for i in range(100) %}x{% endfor %}", nlohmann::ordered_json::object(), limits));
  EXPECT_TRUE(Render("{% for i in range(10) %}x{% endfor %}", nlohmann::ordered_json::object(), limits));
  limits = {};
  limits.max_output_bytes = 10;
  EXPECT_TRUE(Render("{{ 'x' * 10 }}", nlohmann::ordered_json::object(), limits));
  EXPECT_FALSE(Render("{{ 'x' * 11 }}", nlohmann::ordered_json::object(), limits));
  EXPECT_FALSE(Render("12345678901", nlohmann::ordered_json::object(), limits));
  limits = {};
  limits.max_range = 5;
  EXPECT_TRUE(Render("{{ range(5) }}", nlohmann::ordered_json::object(), limits));
  EXPECT_FALSE(Render("{{ range(6) }}", nlohmann::ordered_json::object(), limits));
  limits = {};
  limits.max_depth = 3;
  const char* const recursive = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}";
  EXPECT_TRUE(Render(std::string(recursive) + "{{ m(2) }}", nlohmann::ordered_json::object(), limits));
  EXPECT_FALSE(Render(std::string(recursive) + "{{ m(3) }}", nlohmann::ordered_json::object(), limits));
}

TEST(TemplateTest, ContextsAreChecked) {
  nlohmann::ordered_json deep = 1;
  for (int i = 0; i < 100000; ++i) {
    nlohmann::ordered_json outer = nlohmann::ordered_json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  nlohmann::ordered_json context = {{"unused", 1}};
  context["deep"] = std::move(deep);
  EXPECT_NE(ErrorOf("{{ deep }}", context).find("levels of nesting"), std::string::npos);
  EXPECT_EQ(Render("{{ unused }}", context)->text, "1");  // what no one asks for is not looked at
  ErrorOf("{{ n }}", {{"n", std::numeric_limits<uint64_t>::max()}});
  ErrorOf("x", nlohmann::ordered_json::array());
}

TEST(TemplateTest, TextsThatAreNoUtf8PassThrough) {
  const std::string bytes = "a\xFF\xC3(\xE2\x82";
  nlohmann::ordered_json context;
  context["s"] = bytes;
  EXPECT_EQ(Render("{{ s }}", context)->text, bytes);
  EXPECT_EQ(Render("{{ s|trim }}{{ s.upper() }}", context)->text, bytes + "A\xFF\xC3(\xE2\x82");
  EXPECT_EQ(Render("{{ s|length }}", context)->text, "6");
  EXPECT_EQ(Render("{{ s[1] }}{{ s[::-1] }}", context)->text,
            "\xFF\x82\xE2(\xC3\xFF"
            "a");
  EXPECT_EQ(Render("{{ 'x' }}\xFF{% if true %}y{% endif %}")->text, "x\xFFy");
}

TEST(TemplateTest, EveryPrefixOfATemplateIsAnErrorOrRenders) {
  const std::string source =
      "{%- macro m(a, b=[1, {'x': 2}]) -%}{{ a ~ b[0:1]|tojson(indent=2) }}{% endmacro %}{% for k, v in d.items() if v "
      "is "
      "not none %}{% set ns.x = (v, 'q\\n') %}{{ loop.index if loop.last else '-' }}{% else %}{# c #}{% endfor %}{% "
      "raw %}{{"
      "{% endraw %}{% call(u) m(1) %}{{ u }}{% endcall %}";
  for (size_t n = 0; n <= source.size(); ++n) {
    const auto rendered = Render(source.substr(0, n), {{"d", {{"a", 1}}}});
    EXPECT_TRUE(rendered || !rendered.error().message.empty());
  }
}

TEST(TemplateTest, AClockIsReadAsWritten) {
  const auto clock = ParseClock("2025-07-10T12:34:56");
  ASSERT_TRUE(clock);
  EXPECT_EQ(FormatClock(*clock, "%Y-%m-%d %H:%M:%S"), "2025-07-10 12:34:56");
  for (const char* bad : {"", "2025-07-10", "2025-13-10T12:00:00", "2025-02-29T12:00:00", "2025-07-10T24:00:00",
                          "2025-07-10T12:00:00Z"}) {
    EXPECT_FALSE(ParseClock(bad)) << bad;
  }
  EXPECT_TRUE(ParseClock("2024-02-29T00:00:00"));
  // Weeks at the turn of a year, by Python.
  EXPECT_EQ(FormatClock({2021, 1, 3}, "%G-%V-%u %U %W %j %a"), "2020-53-7 01 00 003 Sun");
  EXPECT_EQ(FormatClock({2018, 12, 31}, "%G-%V-%u %U %W %j %a"), "2019-01-1 52 53 365 Mon");
}

}  // namespace
}  // namespace hew
