// Python's operators on values. Integers are 64 bits: beyond is an error.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace hew::jinja {

Result<Value> Arithmetic(Operator op, const Value& a, const Value& b, Budget* budget);
Result<Value> Negate(const Value& a);
Result<Value> Positive(const Value& a);
Result<bool> Compare(Operator op, const Value& a, const Value& b, Budget* budget);
// object[start:stop:step]; None where a part is left out.
Result<Value> Slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget* budget);
// & < > " ' as entities, as MarkupSafe writes them.
std::string EscapeHtml(std::string_view text);
MarkedText EscapeHtml(const MarkedText& text);  // all of it is data if any of it was

}  // namespace hew::jinja
