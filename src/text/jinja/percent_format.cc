#include "text/jinja/percent_format.h"

#include <cmath>
#include <cstdio>

#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

constexpr int kMaxWidth = 1000;

struct Directive {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  int width = 0;
  int precision = -1;
  char type = 's';
};

class Formatter {
 public:
  Formatter(const Value& format, const Value& values, Budget* budget)
      : marked_(format.AsMarkedText()),
        format_(marked_.bytes()),
        safe_(format.IsSafeText()),
        values_(values),
        budget_(budget) {}

  Result<Value> Run() {
    const bool is_tuple = values_.Is(Kind::kSequence) && values_.AsSequence().type == Sequence::Type::kTuple;
    if (is_tuple) {
      arguments_ = values_.AsSequence().items;
    } else {
      arguments_.push_back(values_);
    }
    for (size_t i = 0; i < format_.size();) {
      if (format_[i] != '%') {
        const size_t next = std::min(format_.find('%', i), format_.size());
        out_.AppendPart(marked_, i, next);
        i = next;
        continue;
      }
      HEW_RETURN_IF_ERROR(ReadDirective(&++i));
    }
    const bool named = values_.Is(Kind::kDict);
    if (next_ < arguments_.size() && !named && !(values_.Is(Kind::kSequence) && !is_tuple)) {
      return BadInput("not all arguments converted during string formatting");
    }
    HEW_RETURN_IF_ERROR(budget_->ChargeText(out_.size()));
    return Value::FromText(std::move(out_), safe_);
  }

 private:
  Status ReadDirective(size_t* i) {
    HEW_RETURN_IF_ERROR(budget_->Charge(1));
    Directive d;
    const Value* argument = nullptr;
    if (*i < format_.size() && format_[*i] == '(') {
      const size_t end = format_.find(')', *i);
      if (end == std::string::npos) return BadInput("incomplete format key");
      if (!values_.Is(Kind::kDict)) return BadInput("format requires a mapping");
      argument = values_.AsDict().FindText(std::string_view(format_).substr(*i + 1, end - *i - 1));
      if (argument == nullptr) return BadInput("format: no such key");
      *i = end + 1;
    }
    for (; *i < format_.size(); ++*i) {
      const char c = format_[*i];
      if (c == '-')
        d.left = true;
      else if (c == '+')
        d.plus = true;
      else if (c == ' ')
        d.space = true;
      else if (c == '0')
        d.zero = true;
      else if (c == '#')
        d.alternate = true;
      else
        break;
    }
    HEW_RETURN_IF_ERROR(ReadNumber(i, &d.width));
    if (*i < format_.size() && format_[*i] == '.') {
      ++*i;
      d.precision = 0;
      HEW_RETURN_IF_ERROR(ReadNumber(i, &d.precision));
    }
    if (*i >= format_.size()) return BadInput("incomplete format");
    d.type = format_[(*i)++];
    if (d.type == '%') {
      out_.AppendPart(marked_, *i - 1, *i);
      return {};
    }
    if (argument == nullptr) {
      if (next_ >= arguments_.size()) return BadInput("not enough arguments for format string");
      argument = &arguments_[next_++];
    }
    HEW_ASSIGN(const MarkedText text, Convert(d, *argument));
    return Pad(d, text);
  }

  Status ReadNumber(size_t* i, int* number) const {
    for (; *i < format_.size() && format_[*i] >= '0' && format_[*i] <= '9'; ++*i) {
      *number = *number * 10 + (format_[*i] - '0');
      if (*number > kMaxWidth) return BadInput("format: expected a width of at most {}", kMaxWidth);
    }
    return {};
  }

  Result<MarkedText> Convert(const Directive& d, const Value& value) {
    switch (d.type) {
      case 's':
      case 'r':
      case 'a': {
        HEW_ASSIGN(MarkedText text, d.type == 's' ? ToText(value, budget_) : Repr(value, budget_));
        if (safe_ && !value.IsSafeText()) text = EscapeHtml(text);
        if (d.precision < 0) return text;
        const auto offsets = CodePointOffsets(text.bytes());
        MarkedText cut;
        cut.AppendPart(text, 0, offsets[std::min(offsets.size() - 1, static_cast<size_t>(d.precision))]);
        return cut;
      }
      case 'c':
        if (value.Is(Kind::kText) && CodePointCount(value.AsText()) == 1) return value.AsMarkedText();
        if (value.IsIntegral() && value.AsInt() >= 0 && value.AsInt() < 0xD800) {
          std::string text;
          AppendUtf8(static_cast<uint32_t>(value.AsInt()), &text);
          return MarkedText(std::move(text), true);
        }
        return BadInput("%c requires int or char");
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return Number(ConvertInteger(d, value));
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return Number(ConvertFloat(d, value));
      default:
        return BadInput("unsupported format character '{}'", d.type);
    }
  }

  static Result<MarkedText> Number(Result<std::string> digits) {
    if (!digits) return tl::unexpected(std::move(digits).error());
    return MarkedText(*std::move(digits));
  }

  static std::string Sign(const Directive& d, bool negative) {
    return negative ? "-" : d.plus ? "+" : d.space ? " " : "";
  }

  Result<std::string> ConvertInteger(const Directive& d, const Value& value) {
    const bool decimal = d.type == 'd' || d.type == 'i' || d.type == 'u';
    if (!value.IsIntegral() && !(decimal && value.Is(Kind::kFloat) && std::fabs(value.AsDouble()) < 9.2e18)) {
      return BadInput("%{} format: an integer is required, not {}", d.type, TypeName(value));
    }
    const int64_t number = value.IsIntegral() ? value.AsInt() : static_cast<int64_t>(value.AsDouble());
    const uint64_t size = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::string digits = d.type == 'x'   ? fmt::format("{:x}", size)
                         : d.type == 'X' ? fmt::format("{:X}", size)
                         : d.type == 'o' ? fmt::format("{:o}", size)
                                         : fmt::format("{}", size);
    if (d.precision > static_cast<int>(digits.size())) {
      digits.insert(0, static_cast<size_t>(d.precision) - digits.size(), '0');
    }
    if (d.alternate && !decimal) digits.insert(0, std::string("0") + d.type);
    return Sign(d, number < 0) + digits;
  }

  Result<std::string> ConvertFloat(const Directive& d, const Value& value) {
    if (!value.IsNumber()) return BadInput("must be real number, not {}", TypeName(value));
    const double number = value.AsDouble();
    if (std::isnan(number)) return Sign(d, false) + "nan";
    if (std::isinf(number)) return Sign(d, number < 0) + "inf";
    const char pattern[] = {'%', '.', '*', d.type, '\0'};
    const char with_alternate[] = {'%', '#', '.', '*', d.type, '\0'};
    char buffer[kMaxWidth + 400];  // 309 digits before the point at most
    const int length = std::snprintf(buffer, sizeof(buffer), d.alternate ? with_alternate : pattern,
                                     d.precision < 0 ? 6 : d.precision, std::fabs(number));
    return Sign(d, std::signbit(number)) + std::string(buffer, static_cast<size_t>(length));
  }

  Status Pad(const Directive& d, const MarkedText& marked) {
    const std::string& text = marked.bytes();
    const size_t length = CodePointCount(text);
    const size_t missing = static_cast<size_t>(d.width) > length ? static_cast<size_t>(d.width) - length : 0;
    HEW_RETURN_IF_ERROR(budget_->ChargeText(out_.size() + text.size() + missing));
    const bool number = d.type != 's' && d.type != 'r' && d.type != 'a' && d.type != 'c';
    if (d.left) {
      out_.Append(marked);
      out_.Append(std::string(missing, ' '));
    } else if (d.zero && number) {
      const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
      out_.Append(text.substr(0, sign) + std::string(missing, '0') + text.substr(sign));
    } else {
      out_.Append(std::string(missing, ' '));
      out_.Append(marked);
    }
    return {};
  }

  const MarkedText& marked_;
  const std::string& format_;
  const bool safe_;
  const Value& values_;
  Budget* budget_;
  std::vector<Value> arguments_;
  size_t next_ = 0;
  MarkedText out_;
};

}  // namespace

Result<Value> PercentFormat(const Value& format, const Value& values, Budget* budget) {
  return Formatter(format, values, budget).Run();
}

}  // namespace hew::jinja
