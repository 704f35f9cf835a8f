#!/usr/bin/env python3
"""Writes tests/golden/jinja/*.json: small templates and what Python's Jinja2 makes of them.

Needs jinja2 (written with 3.1.6). The environment is set up as Transformers sets it up for chat templates; the clock
stands at 2025-07-10 12:00:00. A case where Python raises has "error": true instead of "expected".

    python3 tools/golden/jinja_cases.py
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2025, 7, 10, 12, 0, 0)
HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "jinja"


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    return env


CONTEXT = {
    "n": 3, "x": 2.5, "big": 9007199254740993, "neg": -7, "t": True, "f": False, "none": None,
    "s": "Hello, World", "empty": "", "ko": "안녕 하세요", "emoji": "a😀b", "quote": "it's \"so\"",
    "words": ["banana", "Apple", "cherry", "apple"], "nums": [3, 1, 2, 3], "nested": [[1, 2], [3, [4]]],
    "d": {"b": 1, "a": {"c": [1, None, True]}, "items": "mine"},
    "users": [{"name": "Ann", "age": 30, "tags": ["x"]}, {"name": "bob", "age": 25, "tags": []},
              {"name": "Cy", "age": 30, "tags": ["y", "z"], "nick": "c"}],
    "messages": [{"role": "user", "content": " hi "}, {"role": "assistant", "content": "yo\n"},
                 {"role": "tool", "content": None}],
    "html": "<a href='x'>&\"</a>",
}

CASES = {
    "print": r"""
{{ n }} {{ x }} {{ big }} {{ neg }} {{ t }} {{ f }} {{ none }} {{ s }} {{ missing }}|
{{ d }} {{ words }} {{ nested }} {{ users }} {{ quote }} {{ [quote, 'a\\b\n\t\r\x00\x7f\u00e9\u200b'] }}
{{ (1,) }} {{ () }} {{ (1, 'a', none) }} {{ [] }} {{ {} }} {{ {1: 2, 'a': [], none: (), true: 1.0, 2.5: 'x'} }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789012345.678 }} {{ 1e-4 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 1e100 }} {{ -0.0 }} {{ 1e300 * 1e10 }} {{ 5e-324 }} {{ 100.0 }} {{ 1.5e3 }} {{ 12345678901234567.0 }}
{{ ko }} {{ [ko, emoji] }} {{ emoji[1] }} {{ emoji|length }} {{ ko[::-1] }} {{ emoji[1:] }}
{{ 1, 2 }} {{ 'a' 'b' "c" }} {{ 0x1f }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 00 }}
{{ range(3) }} {{ range(1, 7, 2) }} {{ range(5)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(4)[1] }} {{ range(4)[-1] }} {{ range(10)[2:8:3]|list }}
{{ d.keys() }} {{ d.values() }} {{ {'a': 1}.items() }} {{ d.keys()|list }} {{ {'a': 1}.items()|list }}
{{ namespace(a=1, b='x') }} {{ "\u00e9\x41\101\q" }} {{ '\ud55c' }} {{ 'tab\there' }} {{ "a\
b" }}
{{ [1.0, true, none, missing, 'x'] }} {{ [['a'], {'b': 'it\'s'}] }} {{ ['\\'] }} {{ ["\u2028", "\U0001F600", "\u0301"] }}
""",
    "operators": r"""
{{ 7 + 2 }} {{ 7 - 2 }} {{ 7 * 2 }} {{ 7 / 2 }} {{ 8 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2.0 ** 3 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1 / 3 }} {{ 0.0 // 5 }} {{ -0.5 // 1 }} {{ 5.5 % 5.5 }} {{ 1e308 * 10 }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 2 * 'x' }} {{ 'x' * -1 }}| {{ [1] + [2, 3] }} {{ [0] * 3 }} {{ (1,) + (2,) }} {{ (1, 2) * 2 }}
{{ 'a' ~ 1 ~ 2.5 ~ none ~ true ~ missing ~ [1] }} {{ 1 ~ 2 + 3 if false else 'n' }} {{ 'x' ~ 1 * 2 }}
{{ true + 1 }} {{ true * 3 }} {{ -true }} {{ +5 }} {{ - -5 }} {{ not 1 }} {{ not not '' }} {{ not missing }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ none == none }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, 'b') > (1, 'a') }} {{ 1 <= 1 >= 1 }} {{ 1 != 2 != 1 }}
{{ [1, [2]] == [1, [2]] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ (1, 2) == [1, 2] }} {{ missing == other }} {{ missing == none }} {{ big == 9007199254740992.0 }} {{ 'é' > 'z' }}
{{ 1 in [1, 2] }} {{ 'a' in 'banana' }} {{ 'b' in d }} {{ 'zz' not in d }} {{ 1.0 in [1] }} {{ '' in 'x' }} {{ 2 in (1, 2) }} {{ 3 in range(4) }} {{ not 1 in [2] }} {{ 'x' in missing }} {{ none in [none] }} {{ (1, 2) in [(1, 2)] }}
{{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or 'x' }} {{ '' or [] or 'z' }} {{ 1 or missing.x }} {{ none and 1 }} {{ true and false or true }} {{ [] and 1 }}
{{ 'y' if t else 'n' }} {{ 'y' if f }}| {{ 'a' if f else 'b' if f else 'c' }} {{ ('x' if t) ~ 'z' }} {{ 1 if missing is defined else 2 }}
{{ -neg|abs }} {{ (-3)|abs }} {{ -3|abs }} {{ 1 + 2|string|length }} {{ 2 * 3 ** 2 }} {{ (2 + 3) * 4 }} {{ 10 - 2 - 3 }} {{ 100 / 10 / 2 }} {{ 2 + 3 ~ 4 }}
{{ words[0] }} {{ words[-1] }} {{ words[9] }}| {{ d['b'] }} {{ d.a.c[2] }} {{ d['a']['c'][0] }} {{ d.zzz }}| {{ nested.1.1.0 }} {{ users.0.name }} {{ d['items'] }} {{ d.get('b') }} {{ s[0] }}{{ s[-1] }} {{ s[99] }}| {{ {'a': 1}['a'] }} {{ words['x'] }}|
{{ s[1:4] }} {{ s[:-3] }} {{ s[::2] }} {{ s[::-1] }} {{ s[-3:] }} {{ s[10:2] }}| {{ s[10:2:-2] }} {{ nums[1:] }} {{ nums[:2] }} {{ nums[::-1] }} {{ nums[-2:] }} {{ nums[5:] }} {{ (1, 2, 3)[1:] }} {{ nums[:] }} {{ nums[100::-1] }} {{ nums[-100:100] }} {{ nums[:none] }} {{ s[none:3] }} {{ nums[::9223372036854775807] }} {{ nums[::-9223372036854775807] }}
{{ '%s is %d and %.2f' % ('a', 3, 2.5) }} {{ '%5d|%-5d|%05d' % (42, 42, 42) }} {{ '%x %X %o %#x' % (255, 255, 8, 255) }} {{ '%r' % 'q' }} {{ '%%' % () }} {{ '%s' % [1] }} {{ '%(a)s' % {'a': 1} }} {{ '%e %g' % (12345.678, 0.0001) }} {{ '%+d % d' % (3, 3) }} {{ '%.3s|%10s|%-4s|' % ('abcdef', 'x', 'y') }} {{ '%c%c' % (65, 'z') }} {{ '%s' % none }} {{ '%d' % 3.9 }} {{ '%5.1f|%-8.3f|%08.2f' % (3.14159, 2.5, -1.5) }}
""",
    "filters": r"""
{{ neg|abs }} {{ -2.5|abs }} {{ true|abs }} {{ s|upper }} {{ s|lower }} {{ 'hELLO wORLD-foo (bar) [baz] x_y'|title }} {{ 'hELLO wORLD'|capitalize }} {{ ''|capitalize }}| {{ 'straße'|upper }} {{ 'ÀÉ'|lower }} {{ 'ñandú'|capitalize }} {{ "it's o'clock"|title }} {{ 'ΑΣ ΣΑΣ'|lower }}
{{ '  x y '|trim }}| {{ 'xxaxx'|trim('x') }} {{ '\n\t a\u00a0\u3000'|trim }}| {{ 'abcba'|trim('ab') }} {{ 5|trim }} {{ none|trim }} {{ missing|trim }}|
{{ words|length }} {{ s|length }} {{ d|count }} {{ missing|length }} {{ ()|length }} {{ range(7)|length }} {{ d.items()|length }}
{{ 3|string + 'x' }} {{ none|string }} {{ [1]|string }} {{ '5'|int }} {{ '5.7'|int }} {{ 5.9|int }} {{ -5.9|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ ''|int }} {{ '0x1f'|int(0, 16) }} {{ '101'|int(base=2) }} {{ none|int }} {{ none|int(default=3) }} {{ true|int }} {{ ' 12 '|int }} {{ '1_000'|int }} {{ '1e3'|int }} {{ '-4'|int }} {{ '+4'|int }} {{ 'nan'|int(1) }} {{ []|int }}
{{ '2.5'|float }} {{ '3'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 3|float }} {{ 'inf'|float }} {{ '1e3'|float }} {{ none|float }} {{ ' 1.25 '|float }} {{ '1_0.5'|float }} {{ 'nan'|float }}
{{ 'abc'|list }} {{ d|list }} {{ (1, 2)|list }} {{ missing|list }} {{ d|items|list }} {{ missing|items|list }} {{ range(3)|list }}
{{ words|join }} {{ words|join(', ') }} {{ nums|join('-') }} {{ users|join('/', attribute='name') }} {{ 'abc'|join('.') }} {{ []|join('x') }}| {{ [none, true, 1.5]|join(' ') }} {{ d|join(',') }} {{ words|join(1) }}
{{ 'a\nb\n\nc'|indent }} {{ 'a\nb'|indent(2) }} {{ 'a\nb'|indent(2, true) }} {{ 'a\n\nb'|indent(2, false, true) }} {{ 'a\nb'|indent('>>') }} {{ 'a\nb\n'|indent(1, first=True) }}| {{ ''|indent(2, true) }}| {{ 'a\r\nb'|indent(2) }}
{{ words|first }} {{ words|last }} {{ []|first }}| {{ []|last }}| {{ 'xyz'|first }} {{ 'xyz'|last }} {{ d|first }} {{ d|last }} {{ range(3)|last }} {{ words|map('upper')|first }}
{{ words|map('upper')|list }} {{ users|map(attribute='name')|join(' ') }} {{ users|map(attribute='nick', default='-')|list }} {{ users|map(attribute='tags.0')|list }} {{ nums|map('string')|list }} {{ nested|map('first')|list }} {{ words|map('replace', 'a', 'A')|list }} {{ nums|map('float')|list }} {{ missing|map('upper')|list }} {{ [' a', 'b ']|map('trim')|join('|') }} {{ nested|map('length')|list }} {{ words|map('default', 'x')|list }}
{{ nums|select('odd')|list }} {{ nums|select('gt', 1)|list }} {{ nums|reject('equalto', 3)|list }} {{ [0, 1, '', 'a', none]|select|list }} {{ [0, 1, '', 'a', none]|reject|list }} {{ words|select('in', ['apple', 'cherry'])|list }} {{ [1, 'a', none]|select('string')|list }} {{ nums|select('divisibleby', 3)|list }} {{ [1, 2, 3]|select('>', 1)|list }} {{ [1, 2, 3]|select('==', 2)|list }}
{{ users|selectattr('age', 'equalto', 30)|map(attribute='name')|list }} {{ users|selectattr('nick')|map(attribute='name')|list }} {{ users|rejectattr('nick')|map(attribute='name')|list }} {{ users|rejectattr('age', 'lt', 30)|map(attribute='name')|list }} {{ users|selectattr('nick', 'defined')|list|length }} {{ messages|selectattr('role', 'in', ['user', 'tool'])|list|length }} {{ users|selectattr('tags.0', 'eq', 'y')|map(attribute='name')|list }} {{ messages|selectattr('content', 'none')|list }}
{{ missing|default('x') }} {{ none|default('x') }} {{ none|default('x', true) }} {{ ''|d('e', boolean=true) }} {{ 0|default(5) }} {{ missing|d }}| {{ d.zz|default([])|length }} {{ missing|default(default_value='k') }} {{ 'v'|default('x', true) }}
{{ html|e }} {{ html|escape }} {{ html|safe }} {{ ('<b>'|safe) ~ '<i>' }} {{ ('<b>'|safe) + '<i>' }} {{ '<i>' + ('<b>'|safe) }} {{ ['x'|safe] }} {{ ('<b>'|safe)|upper }} {{ ('<'|safe)|replace('<', '>') }} {{ ('<b>'|safe)|e }} {{ ('a b'|safe).split() }} {{ ('a'|safe).replace('a', '<') }} {{ ('%s'|safe) % '<' }} {{ ('<x>'|safe)[0] }} {{ ('<'|safe) == '<' }} {{ ['<', '<'|safe]|join(' ') }} {{ '<'|e|forceescape }}
{{ 'aXbX'|replace('X', '-') }} {{ 'aXbX'|replace('X', '-', 1) }} {{ 'abc'|replace('', '-') }} {{ 123|replace(2, 'x') }} {{ 'aaa'|replace('aa', 'b') }} {{ 'abc'|replace('', '-', 2) }} {{ 'x'|replace('x', '') }}|
{{ nums|sort }} {{ nums|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ users|sort(attribute='age')|map(attribute='name')|list }} {{ users|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }} {{ d|sort }} {{ 'hello'|sort }} {{ [[2, 1], [1, 9]]|sort }} {{ [true, 0, 2.5]|sort }} {{ [(1, 'b'), (1, 'a')]|sort }} {{ users|sort(attribute='tags')|map(attribute='name')|list }}
{{ nums|unique|list }} {{ words|unique|list }} {{ words|unique(true)|list }} {{ users|unique(attribute='age')|map(attribute='name')|list }} {{ [1, 1.0, true, '1']|unique|list }} {{ [none, none, missing]|unique|list|length }} {{ [(1, 2), (1, 2), (1,)]|unique|list }}
{{ {'b': 1, 'A': 3, 'c': 2}|dictsort }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(true) }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(by='value') }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(false, 'key', true) }}
{{ 'abc'|reverse }} {{ nums|reverse|list }} {{ emoji|reverse }} {{ (1, 2)|reverse|list }} {{ words|map('upper')|reverse|list }} {{ range(3)|reverse|list }}
{{ nums|batch(3)|list }} {{ nums|batch(3, 0)|list }} {{ 'abcde'|batch(2)|map('join')|list }} {{ nums|slice(3)|list }} {{ nums|slice(3, 'x')|list }} {{ []|batch(2)|list }} {{ nums|batch(4, 'z')|list }}
{{ nums|sum }} {{ users|sum(attribute='age') }} {{ nums|sum(start=10) }} {{ nums|max }} {{ nums|min }} {{ words|max }} {{ words|min(case_sensitive=true) }} {{ []|max }}| {{ users|max(attribute='age') }} {{ [1, 2.5]|sum }}
{{ 2.567|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.1|round(method='ceil') }} {{ 2.9|round(0, 'floor') }} {{ 42|round }} {{ 1234.5|round(-2) }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 1250|round(-2) }} {{ 0.1|round(20) }}
{{ d|tojson }} {{ words|tojson }} {{ ko|tojson }} {{ ko|tojson(ensure_ascii=true) }} {{ emoji|tojson(true) }} {{ quote|tojson }} {{ html|tojson }} {{ none|tojson }} {{ x|tojson }} {{ 1e20|tojson }} {{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4, 2.5: 5}|tojson }} {{ '\x00\x1f\x7f\u2028'|tojson }} {{ '\x7f'|tojson(ensure_ascii=true) }} {{ 'é'|tojson(ensure_ascii=true) }}
{{ d|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ [[], {}, [1]]|tojson(indent=1) }} {{ d|tojson(indent='--') }} {{ nums|tojson(indent=0) }} {{ d|tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ d|tojson(indent=4, separators=(' , ', ' : ')) }} {{ 'inf'|float|tojson }} {{ 'nan'|float|tojson }} {{ users|tojson(indent=2, sort_keys=true) }}
{{ 'x'|center(5) }}| {{ 'ab'|center(5) }}| {{ 'abc'|center(6) }}| {{ 'abcd'|center(7) }}| {{ 'one two  three'|wordcount }} {{ '%s-%s'|format('a', 1) }} {{ '%(k)s'|format(k=2) }} {{ s|attr('upper')() }} {{ users|groupby('age')|list }} {% for age, list in users|groupby('age') %}{{ age }}:{{ list|map(attribute='name')|join(',') }};{% endfor %}
""",
    "tests": r"""
{{ n is defined }} {{ missing is defined }} {{ missing is undefined }} {{ d.zz is defined }} {{ d.b is defined }} {{ none is none }} {{ n is none }} {{ n is not none }} {{ missing is none }}
{{ s is string }} {{ n is string }} {{ d is mapping }} {{ words is mapping }} {{ words is iterable }} {{ s is iterable }} {{ d is iterable }} {{ n is iterable }} {{ missing is iterable }} {{ none is iterable }} {{ range(2) is iterable }} {{ words|map('upper') is iterable }}
{{ words is sequence }} {{ s is sequence }} {{ d is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ range(2) is sequence }} {{ words|map('upper') is sequence }} {{ d.items() is sequence }} {{ (1,) is sequence }} {{ none is sequence }}
{{ n is number }} {{ x is number }} {{ t is number }} {{ s is number }} {{ n is integer }} {{ t is integer }} {{ x is integer }} {{ x is float }} {{ n is float }} {{ t is boolean }} {{ n is boolean }} {{ none is boolean }}
{{ 3 is odd }} {{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ t is true }} {{ 1 is true }} {{ f is false }} {{ 0 is false }} {{ none is false }} {{ -3 is odd }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 2 is gt 3 }} {{ 2 is le 2 }} {{ 1 is in [1, 2] }} {{ 'a' is in 'abc' }} {{ 5 is not in [1] }} {{ none is sameas none }} {{ true is sameas true }} {{ 1 is sameas true }} {{ 3 is greaterthan 2 }} {{ 3 is lessthan 2 }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '1' is upper }} {{ 'trim' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ range is callable }} {{ n is callable }} {{ s is escaped }} {{ ('a'|safe) is escaped }}
{{ 'a' if words is defined and words is not string else 'b' }} {{ not n is string }} {{ n is string or n is number }} {{ d.items is defined }} {{ n + 1 is number }} {{ (n is number) == true }} {{ namespace() is mapping }}
""",
    "methods": r"""
{{ '  a '.strip() }}| {{ '  a '.lstrip() }}| {{ '  a '.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'xya'.lstrip('xy') }} {{ 'abc'.rstrip('bc') }} {{ '\n\na\n'.strip('\n') }} {{ ' a'.strip(none) }} {{ ko.strip('안요') }} {{ 'é'.strip('é') }}|
{{ 'a,b,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ ' a  b '.split(' ') }} {{ 'a b c'.split(none, 1) }} {{ '  a b  '.split(maxsplit=1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ '  a b  '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'aXXbXXc'.split('XX') }} {{ 'a'.split('a') }} {{ 'x</think>y'.split('</think>')[-1] }} {{ '  a b  '.split(none, 0) }}
{{ 'abc'.startswith('a') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.endswith(('x', 'y')) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.startswith('') }} {{ 'abc'.endswith('b', 0, 2) }} {{ 'abc'.startswith('abcd') }} {{ 'abc'.startswith('c', -1) }}
{{ 'aXbX'.replace('X', 'yy') }} {{ 'aXbX'.replace('X', '', 1) }} {{ 'ab'.replace('', '.') }} {{ 'hELLO wORLD'.title() }} {{ "they're bill's".title() }} {{ 'a1b2'.title() }} {{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ 'hELLO'.capitalize() }} {{ 'ß'.upper() }} {{ 'ﬁx'.title() }} {{ 'éa'.capitalize() }} {{ 'ÉA'.lower() }}
{{ 'banana'.find('an') }} {{ 'banana'.rfind('an') }} {{ 'banana'.find('zz') }} {{ 'banana'.index('n') }} {{ 'banana'.count('an') }} {{ ko.find('하') }} {{ 'banana'.find('a', 2) }} {{ 'banana'.find('a', 2, 3) }} {{ 'abc'.count('') }} {{ 'banana'.rindex('a') }} {{ 'banana'.find('') }} {{ 'banana'.find('b', -3) }}
{{ ','.join(['a', 'b']) }} {{ ''.join('abc') }} {{ ', '.join(d.keys()) }} {{ ' '.join(words|map('upper')) }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'x'.removeprefix('yy') }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'a'.partition('=') }} {{ 'a'.rpartition('=') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }} {{ '\n'.splitlines() }} {{ 'a\x0bb\x0cc\x1cd\u2028e'.splitlines() }}
{{ '12'.isdigit() }} {{ 'a1'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \t'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'A1'.isupper() }} {{ '안녕'.isalpha() }} {{ 'a b'.isalpha() }} {{ '1'.islower() }}
{{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d.get('a').get('c') }} {{ d.items()|list|length }} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }} {% endfor %} {% for k in d.keys() %}{{ k }} {% endfor %} {% for v in d.values() %}{{ v }} {% endfor %} {{ {'a': 1}.copy() }}
{{ nums.index(2) }} {{ nums.count(3) }} {{ (1, 2, 1).count(1) }} {{ nums.copy() }} {{ [1, 2, 3].index(1) }} {{ (2.0).is_integer() }} {{ range(5).index(3) }} {{ range(3).start }}{{ range(3).stop }} {{ 'abc'['upper']() }} {{ d['get']('b') }}
{{ messages[0].content.strip() }} {{ messages[1]['content'].strip() }} {{ messages[-1].content is none }} {{ (messages[0]['content'] or '').strip() }} {{ messages[0].get('tool_calls', []) }} {{ messages[2].content or 'empty' }}
""",
    "globals": r"""
{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{% set ns.b = 'x' %}{{ ns.a }}{{ ns.b }}{{ ns.c }}|{{ ns['a'] }}
{% set ns = namespace({'k': 1}, z=2) %}{{ ns.k }}{{ ns.z }}{{ ns }} {{ namespace() }} {{ ns.k is defined }} {{ ns.nope is defined }}
{% set ns = namespace(found=false) %}{% for i in range(5) %}{% if i == 3 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([('a', 1), ('b', 2)]) }} {{ dict() }} {{ dict(a=1)['a'] }} {{ dict({'x': 1}, x=2) }}
{% set j = joiner() %}{% for i in range(3) %}{{ j() }}{{ i }}{% endfor %} {% set p = joiner('|') %}{{ p() }}a{{ p() }}b{{ p() }}c
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A %a %B %b %H:%M:%S %I %p %j %y %m %U %W %w %u %V %G %e %F %T %D %R %%') }} {{ strftime_now('%-d %-m') }} {{ strftime_now('%c|%x|%X') }} {{ strftime_now('') }}| {{ strftime_now('plain é') }}
{% set ns = namespace(items=[]) %}{% for x in nums %}{% set ns.items = ns.items + [x * 2] %}{% endfor %}{{ ns.items }}
{% set ns = namespace(s='') %}{% for x in words %}{% set ns.s = ns.s ~ x[0] %}{% endfor %}{{ ns.s }} {{ ns.s is string }}
{% set f = 'x'.upper %}{{ f() }} {% set g = d.get %}{{ g('b') }}
""",
    "statements": r"""
{% if n == 3 %}three{% elif n == 2 %}two{% else %}other{% endif %} {% if missing %}a{% else %}b{% endif %} {% if f %}x{% endif %}| {% if 0 %}a{% elif '' %}b{% elif [] %}c{% elif {} %}d{% elif 0.0 %}e{% elif 'z' %}f{% endif %}
{% for i in nums %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %} {% for i in [] %}x{% else %}none{% endfor %} {% for i in missing %}x{% else %}m{% endfor %} {% for c in 'abc' %}{{ c }}.{% endfor %}
{% for i in nums %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for i in nums %}[{{ loop.previtem }}|{{ i }}|{{ loop.nextitem }}]{% endfor %} {% for i in nums %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %} {% for m in messages %}{% if loop.previtem and loop.previtem.role == 'user' %}{{ m.role }}{% endif %}{% endfor %}
{% for i in nums %}{{ loop.cycle('a', 'b') }}{% endfor %} {% for i in [1, 1, 2, 2] %}{{ loop.changed(i) }}{% endfor %}
{% for i in nums if i > 1 %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% endfor %} {% for i in nums if i > 9 %}x{% else %}no{% endfor %} {% for u in users if u.age == 30 %}{{ u.name }}{{ loop.last }}{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}-{{ b }} {% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for (a, b) in [[1, 2]] %}{{ a }}{{ b }}{% endfor %} {% for k, v in {'x': 1}|dictsort %}{{ k }}{{ v }}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %} {% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %} {% for i in range(3) %}{% break %}{% else %}never{% endfor %}|
{% for i in range(3) %}{% for j in [] %}x{% else %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}{% endfor %} {% for i in range(4) %}{% with k = i %}{% if k == 2 %}{% break %}{% endif %}{{ k }}{% endwith %}{% endfor %}
{% for i in range(2) %}{% for j in range(2) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }};{% endfor %} {% for x in nested %}{% set outer = loop %}{% for y in x %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}
{% set a = 1 %}{{ a }}{% set a, b = 2, 3 %}{{ a }}{{ b }}{% set (c, d2) = [4, 5] %}{{ c }}{{ d2 }}{% set e = 1, 2 %}{{ e }}{% set g = a if a > 1 else 0 %}{{ g }}
{% set x %}block {{ n }}{% endset %}{{ x }}|{{ x|length }} {% set y | upper | replace('A', 'o') %}abc{% endset %}{{ y }} {% set ns = namespace() %}{% set ns.v %}in{% endset %}{{ ns.v }}
{% set v = 0 %}{% for i in nums %}{% set v = v + i %}{{ v }} {% endfor %}{{ v }} {% if true %}{% set v = 9 %}{% endif %}{{ v }} {% for i in [1] %}{% set n = 'in' %}{{ n }}{% endfor %}{{ n }} {% for i in nums %}{% if loop.first %}{% set w = 'set' %}{% endif %}{{ w }}|{% endfor %}{{ w }}
{% for n in [7, 8] %}{{ n }}{% endfor %}{{ n }} {% for i in range(2) %}{% set q = i %}{% endfor %}{{ q is defined }} {% set t %}{% set inner = 5 %}{{ inner }}{% endset %}{{ t }}{{ inner is defined }}
{% macro m(a, b='B', c=none) %}({{ a }},{{ b }},{{ c }}){% endmacro %}{{ m() }}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=5, a=4) }} {{ m.name }} {{ m(missing) }}
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(4) }} {% macro v() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1, 2, k=3) }} {% macro z(a, b=a ~ '!') %}{{ b }}{% endmacro %}{{ z('q') }}
{% macro outer() %}{{ n }}{% set n = 'local' %}{% set k = 1 %}{{ k }}{% endmacro %}{{ outer() }}{{ n }}{{ k is defined }} {% macro late() %}{{ later }}{% endmacro %}{% set later = 'L' %}{{ late() }} {% set r = late() %}{{ r|length }}{{ r is string }}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('b') %}x{{ n }}{% endcall %} {% macro each(items) %}{% for i in items %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(item, idx) each(words) %}{{ idx }}:{{ item }} {% endcall %} {% macro maybe() %}{{ caller() if caller else 'nocall' }}{% endmacro %}{{ maybe() }}
{% filter upper %}abc {{ s }}{% endfilter %} {% filter trim | replace('b', 'B') %}  abc {% endfilter %}| {% filter indent(2) %}a
b{% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }} {% with %}{% set z = 3 %}{{ z }}{% endwith %}{{ z is defined }} {% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}
{% generation %}gen {{ n }}{% endgeneration %}! {% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %} {% endfor %} {% generation %}{% set inside = 1 %}{{ inside }}{% endgeneration %}{{ inside is defined }}
{% for i in [1, 2] %}{% continue %}{% else %}E{% endfor %} {% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}E{% endfor %}|
{% for item in nested recursive %}{% if item is iterable %}[{{ loop(item) }}]{% else %}{{ item }}@{{ loop.depth }} {% endif %}{% endfor %} {% print n %} {% print 'a', 1 %}
{% raw %}{{ not }} {% if %} {# c #}{% endraw %} {%- raw -%}  x  {%- endraw -%}  y {# comment {{ x }} {% if %} #}z{#- c -#} w
{% if n == 3 and s is string or false %}ok{% endif %} {% if not f and n in [3] %}ok{% endif %} {% if (n, 3) == (3, 3) %}ok{% endif %} {% if n is defined and n %}ok{% endif %} {% if messages[0]['role'] == 'user' != (0 % 2 == 0) %}a{% else %}b{% endif %}
{% set it = words|map('upper') %}{{ it|list }}{{ it|list }} {% set it = d.items() %}{{ it|list|length }}{{ it|list|length }} {% set it = nums|select %}{{ 3 in it }}{{ it|list }} {% set it = nums|reverse %}{{ it|first }}{{ it|join }}
{% set if = 2 %}{{ if }} {% set for = 'x' %}{{ for ~ for }} {{ loop }}| {% set caller = 1 %}{{ caller }} {% macro m() %}{{ loop }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}| {{ self_ }}|
{% set ns = namespace(go=true) %}{% for i in range(9) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %} {% set x = [1, 2] %}{% set y = x %}{% set x = x + [3] %}{{ y }}{{ x }}
""",
}

# Where the layout matters: whole templates, not one per line.
LAYOUTS = [
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n\n",
    "  {% if true %}  \n x{% endif %}  \n",
    "a {%- if true %} b {%- endif %} c",
    "a {% if true -%} b {% endif -%} c",
    "a\n\n{%- if true -%}\n\n b \n{%- endif -%}\n\n c",
    "a\n  {%+ if true %}b{% endif %}\n",
    "a{% if true +%}\nb{% endif +%}\nc",
    "{{ 'a' }}\n{{ 'b' }}\n",
    "  {{ 'a' }}  \n  {{- 'b' -}}  \n c",
    "{# comment #}\nx\n  {# c #}\ny",
    "x {#- c -#} y\n{# c +#}\nz",
    "\n\n{% set a = 1 %}\n\n{{ a }}\n\n",
    "{% for i in [1, 2] %}\n  {{ i }}\n{% endfor %}\nend",
    "{%- for i in [1, 2] %}\n  {{- i }}\n{%- endfor %}\nend",
    "{% for i in [1, 2] -%}\n  {{ i }}\n{%- endfor -%}\nend",
    "a\r\nb\rc\n{% if true %}\r\nd{% endif %}\r\n",
    "\t{% if true %}\tx\t{% endif %}\t\n",
    "a{% raw %}\n b {{ x }}\n{% endraw %}\nc",
    "a\n  {% raw %}\n b\n  {% endraw %}\nc",
    "a {%- raw -%}\n b \n{%- endraw -%}\n c",
    "{{ {'a': {'b': 1}} }}{{ {'a': 1}['a'] }}{{{'x': 1}}}",
    "{{'}}'}}{{ '%}' }}{% set x = '%}' %}{{ x }}",
    "{ {{ 1 }} } { % { # }} %} #}",
    "x{{ 1 -}}\n\n{{- 2 }}\n",
    "{{-1}}{{+2}}{{ -1 }}{{- -1 }}",
    "{%if true%}a{%endif%}{%-if true-%} b {%-endif-%} c",
    "{% set x %}\n a \n{% endset %}\n[{{ x }}]",
    "{% macro m(a) %}\n  <{{ a }}>\n{% endmacro %}\n{{ m(1) }}\n{{ m(2) }}",
    "{%- macro m(a) -%}\n  <{{ a }}>\n{%- endmacro -%}\n{{ m(1) }}{{ m(2) }}",
    "{% generation %}\n a\n{% endgeneration %}\n b",
    "line1 \n   {% if true %} \n  z {% endif %} \n",
    "\u3000{%- if true %}\u00a0x\u00a0{%- endif %}\u00a0",
    "a\n \u00a0{% if true %}b{% endif %}",
    "{% if true %}\n{% if true %}\nx\n{% endif %}\n{% endif %}\ny",
    "{{ 1 }}  {% if true %}\n   a{% endif %}",
    "{% if true %}{% endif %}  {% if true %}\n   a{% endif %}",
    "{% if true %}\n  {% if true %}\n   a{% endif %}{% endif %}",
    "{#\n multi\n line #}  \n  {#- x #}\n",
    "",
    "\n",
    "\n\n",
    "{{ ' a ' }}  ",
    "안녕 {% if true %} 😀 {% endif %} é\n",
    "{{ [\n 1,\n 2\n] }}{% set a = {\n 'x':\n 1\n} %}\n{{ a }}",
]

# Python refuses these; so must Hew.
ERRORS = [
    "{% if true %}x", "{% for i in x %}", "{{ x", "{{ 'abc }}", "{# never", "{% raw %}x", "{% endif %}", "{% else %}",
    "{{ }}", "{% nope %}", "{{ x | nope }}", "{{ x is nope }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}",
    "{{ 1.5 / 0 }}", "{{ 0 ** -1 }}", "{{ missing.x }}", "{{ missing['x'] }}", "{{ missing() }}", "{{ missing + 1 }}",
    "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ [1] + (2,) }}", "{{ none + 1 }}", "{{ 'a' - 'b' }}", "{{ {} + {} }}",
    "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ [1, 'a']|sort }}", "{{ 1 in 5 }}", "{{ 1 in 'a' }}", "{{ missing in 'abc' }}",
    "{{ ''.__class__.__mro__ }}", "{{ ''.__class__() }}", "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ [].pop() }}",
    "{{ raise_exception('stop') }}", "{% set ns.x = 1 %}", "{% set d.x = 1 %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for i in 5 %}{% endfor %}", "{{ missing|tojson }}", "{{ range|tojson }}",
    "{{ (1)() }}", "{{ 'a'() }}", "{{ nums[1:'a'] }}", "{{ d[1:2] }}", "{{ n[0:1] }}", "{{ [1][::0] }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% set true = 1 %}", "{{ 1 2 }}", "{{ a b }}",
    "{{ (1 }}", "{{ [1 }}", "{{ {1 }}", "{{ 1) }}", "{{ a. }}", "{{ a[] }}", "{{ a[1:2:3:4] }}", "{{ f(a=1, 2) }}",
    "{% set %}", "{% for in x %}{% endfor %}", "{% for x y %}{% endfor %}", "{% if %}{% endif %}", "{% break %}",
    "{{ range(10**9) }}", "{{ range(1, 2, 0) }}", "{{ 'a'.split('') }}", "{{ [].index(1) }}", "{{ 'a'.index('b') }}",
    "{{ {[]: 1} }}", "{{ [[1]]|unique|list }}", "{{ 5|length }}", "{{ none|length }}", "{{ 5|list }}", "{{ none|join }}",
    "{{ words|map('upper')|length }}", "{{ 'x'|abs }}", "{{ 5|first }}", "{{ 5|items|list }}", "{{ '%d' % 'x' }}",
    "{{ '%s %s' % (1,) }}", "{{ '%s' % (1, 2) }}", "{{ ','.join([1]) }}", "{{ words|map('nope')|list }}",
    "{{ nums|select('nope')|list }}", "{{ 1 is odd is even }}", "{{ 'a' is odd }}", "{{ strftime_now() }}",
    "{{ x.y.z }}", "{{ none.x.y }}", "{% for i in nums %}{{ loop(i) }}{% endfor %}", "{% call 5 %}{% endcall %}",
    "{{ 'a' if }}", "{{ not }}", "{{ 1 + }}", "{{ * 2 }}", "{{ x | }}", "{{ x is }}", "{{ -'a' }}", "{{ s[1:none:'x'] }}",
    "{% set a, b = 1 %}", "{% set a, b = 1, 2, 3 %}", "{% macro %}{% endmacro %}", "{% include 'x' %}", "{% import 'x' as y %}",
    "{{ missing|int }}", "{{ missing|float }}", "{{ {}|dictsort(by='x') }}", "{{ $ }}", "{{ a ! b }}", "{{ '\\x1' }}", "{% endfor %}",
    "{% if true %}{% endfor %}", "{{ {'a': 1, }.b.c }}", "{{ d.a.nope.deeper }}", "{{ words.0.nope.x }}",
]

# In ERRORS' manner, but these look wrong and are right.
ODD = [
    "{{ missing }}", "{{ d.nope }}", "{{ ''.nope }}", "{{ none.x }}", "{{ 5.x }}", "{{ n.real_ }}", "{% if false %}{{ x|nope }}{% endif %}ok",
    "{{ 'a' if true else (1|nope) }}", "{{ (1)|string }}", "{{ [1, 2,] }}", "{{ {'a': 1,} }}", "{{ (1, 2,) }}", "{{ range(3,)|list }}",
    "{{ d['nope'] is defined }}", "{{ d.get }}"[:0] + "{{ d.get('x', default) is undefined }}", "{{ [1, 2][5] is defined }}",
    "{{ words[1:][0][0] }}", "{{ (words)[0] }}", "{{ ('a', 'b')[1] }}", "{{ 'abc'[1] }}", "{{ {'a': 'b'}.a }}", "{{ [[1]][0][0] }}",
    "{{ 'x'.upper().lower().title() }}", "{{ words|first|upper }}", "{{ (words|first)[0] }}", "{{ words|join(', ')|length }}",
    "{{ 1 if 0 else 2 if 0 else 3 }}", "{{ true == 1 }}", "{{ {'a': 1}.items()|list|first|last }}", "{{ {true: 1}[1] }}", "{{ {1: 'a'}[1.0] }}",
    "{{ none|default }}", "{{ '' is defined }}", "{{ namespace(x=1).x }}", "{{ dict(a=1).a }}", "{{ 3 . real_ }}", "{{ [].x is defined }}",
    "{{ users|map(attribute='nope')|list }}", "{{ users|map(attribute='name')|map('length')|sum }}", "{{ '{}' }}{{ '}' }}", "{{ nested|tojson|length }}",
    "{{ f(a) if f is callable else 'n' }}", "{{ *[1] }}"[:0] + "{{ dict(*[[('a', 1)]]) }}{{ dict(**{'b': 2}) }}", "{{ '\\N' }}"[:0] + "ok",
]


def outcome(env, template, context):
    try:
        return {"expected": env.from_string(template).render(**context)}
    except (Exception, RecursionError):
        return {"error": True}


def main():
    env = environment()
    groups = {name: [line for line in text.strip("\n").split("\n")] for name, text in CASES.items()}
    # A line that a string or a block goes on in belongs to the one before.
    for name, lines in groups.items():
        joined = []
        for line in lines:
            if joined and joined[-1].endswith("\\") or (joined and line in ("b{% endfilter %}",)):
                joined[-1] += "\n" + line
            else:
                joined.append(line)
        groups[name] = joined
    groups["layout"] = LAYOUTS
    groups["errors"] = ERRORS
    groups["odd"] = ODD
    HERE.mkdir(parents=True, exist_ok=True)
    for name, templates in groups.items():
        cases = []
        for i, template in enumerate(templates):
            # Dense lines are cut at " {{" so that a failure names one expression; statements stay whole.
            parts = template.split(" {{") if name in ("print", "operators", "filters", "tests", "methods") and "{%" not in template else [template]
            for k, part in enumerate(parts):
                text = part if k == 0 else "{{" + part
                result = outcome(env, text, CONTEXT)
                if "error" in result and name not in ("errors",):
                    print(f"{name} {i}.{k}: raises: {text}")
                if "error" not in result and name == "errors":
                    print(f"{name} {i}: renders: {text!r} -> {result['expected']!r}")
                cases.append({"name": f"{name} {i}.{k}", "template": text, "context": context_of(text), **result})
        with open(HERE / f"{name}.json", "w", encoding="utf-8") as out:
            out.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
        print(name, len(cases))


def context_of(template):
    """The variables that the template speaks of: the files stay small."""
    return {key: value for key, value in CONTEXT.items() if key in template}


if __name__ == "__main__":
    main()
