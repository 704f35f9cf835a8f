// str() and repr(), as Python prints.
#include "text/jinja/callable.h"
#include "text/jinja/loop.h"
#include "text/jinja/unicode.h"
#include "text/jinja/value.h"

namespace hew::jinja {
namespace {

class Printer {
 public:
  explicit Printer(Budget* budget) : budget_(budget) {}

  Status Print(const Value& value) {
    HEW_RETURN_IF_ERROR(budget_->Charge(1));
    switch (value.kind()) {
      case Kind::kUndefined:
        return Append("Undefined");
      case Kind::kNone:
        return Append("None");
      case Kind::kBool:
        return Append(value.AsBool() ? "True" : "False");
      case Kind::kInt:
        return Append(std::to_string(value.AsInt()));
      case Kind::kFloat:
        return Append(FloatRepr(value.AsDouble()));
      case Kind::kText:
        return Append(value.IsSafeText() ? "Markup(" + QuotePython(value.AsText()) + ")" : QuotePython(value.AsText()),
                      value.AsMarkedText().has_data());
      case Kind::kSequence:
        return PrintSequence(value.AsSequence());
      case Kind::kDict:
        return PrintDict(value.AsDict());
      case Kind::kNamespace:
        return PrintNamespace(value.AsNamespace());
      case Kind::kCallable:
        return Append(fmt::format("<{} '{}'>", value.AsCallable().type == Callable::Type::kMacro ? "Macro" : "function",
                                  value.AsCallable().name));
      case Kind::kLoop:
        return Append(fmt::format("<LoopContext {}>", value.AsLoop().index0() + 1));
    }
    return {};
  }

  MarkedText Take() { return std::move(out_); }

 private:
  Status Append(std::string_view text, bool is_data = false) {
    if (out_.size() + text.size() > static_cast<uint64_t>(budget_->max_text_bytes())) {
      return budget_->ChargeText(out_.size() + text.size());
    }
    HEW_RETURN_IF_ERROR(budget_->Charge(static_cast<int64_t>(text.size() / 256)));
    out_.Append(text, is_data);
    return {};
  }

  Status PrintSequence(const Sequence& sequence) {
    std::string_view open = "[", close = "]";
    switch (sequence.type) {
      case Sequence::Type::kList:
        break;
      case Sequence::Type::kTuple:
        open = "(";
        close = sequence.items.size() == 1 ? ",)" : ")";
        break;
      case Sequence::Type::kRange:
        return Append(sequence.range[2] == 1
                          ? fmt::format("range({}, {})", sequence.range[0], sequence.range[1])
                          : fmt::format("range({}, {}, {})", sequence.range[0], sequence.range[1], sequence.range[2]));
      case Sequence::Type::kIterator:
        return Append("<generator object>");
      case Sequence::Type::kKeys:
        open = "dict_keys([", close = "])";
        break;
      case Sequence::Type::kValues:
        open = "dict_values([", close = "])";
        break;
      case Sequence::Type::kItems:
        open = "dict_items([", close = "])";
        break;
    }
    HEW_RETURN_IF_ERROR(Append(open));
    bool first = true;
    for (const Value& item : sequence.items) {
      if (!first) HEW_RETURN_IF_ERROR(Append(", "));
      first = false;
      HEW_RETURN_IF_ERROR(Print(item));
    }
    return Append(close);
  }

  Status PrintDict(const Dict& dict) {
    HEW_RETURN_IF_ERROR(Append("{"));
    bool first = true;
    for (const auto& [key, value] : dict.entries) {
      if (!first) HEW_RETURN_IF_ERROR(Append(", "));
      first = false;
      HEW_RETURN_IF_ERROR(Print(key));
      HEW_RETURN_IF_ERROR(Append(": "));
      HEW_RETURN_IF_ERROR(Print(value));
    }
    return Append("}");
  }

  // A namespace may hold itself: the depth is counted here, where nothing else bounds it.
  Status PrintNamespace(const Namespace& ns) {
    if (namespaces_ >= 8) return Append("<Namespace {...}>");
    ++namespaces_;
    HEW_RETURN_IF_ERROR(Append("<Namespace {"));
    bool first = true;
    for (const auto& [key, value] : ns.attributes) {
      if (!first) HEW_RETURN_IF_ERROR(Append(", "));
      first = false;
      HEW_RETURN_IF_ERROR(Append(QuotePython(key) + ": "));
      HEW_RETURN_IF_ERROR(Print(value));
    }
    --namespaces_;
    return Append("}>");
  }

  Budget* budget_;
  MarkedText out_;
  int namespaces_ = 0;
};

}  // namespace

Result<MarkedText> Repr(const Value& value, Budget* budget) {
  Printer printer(budget);
  HEW_RETURN_IF_ERROR(printer.Print(value));
  return printer.Take();
}

Result<MarkedText> ToText(const Value& value, Budget* budget) {
  if (value.Is(Kind::kText)) return value.AsMarkedText();
  if (value.Is(Kind::kUndefined)) return MarkedText();
  return Repr(value, budget);
}

}  // namespace hew::jinja
