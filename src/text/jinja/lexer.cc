#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "text/jinja/string_literal.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

// Every kind of line end becomes \n, and one at the very end is dropped.
std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(NormalizeNewlines(source)) {}

  Result<std::vector<Token>> Run() {
    while (pos_ < source_.size()) HEW_RETURN_IF_ERROR(ReadData());
    Add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view Rest() const { return std::string_view(source_).substr(pos_); }
  bool StartsWith(std::string_view prefix) const { return Rest().substr(0, prefix.size()) == prefix; }
  char Peek(size_t ahead = 0) const { return pos_ + ahead < source_.size() ? source_[pos_ + ahead] : '\0'; }

  void Add(TokenType type, std::string_view text) { tokens_.push_back({type, std::string(text), line_}); }

  void Advance(size_t bytes) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(pos_ + bytes), '\n'));
    if (bytes > 0) line_starting_ = source_[pos_ + bytes - 1] == '\n';
    pos_ += bytes;
  }
  void SkipSpace() { Advance(Rest().size() - StripSpace(Rest(), true, false).size()); }

  // `text` lies before a tag whose begin carries `sign` ('-', '+' or 0).
  std::string_view TrimBefore(std::string_view text, char sign, bool is_output) const {
    if (sign == '-') return StripSpace(text, false, true);
    if (sign == '+' || is_output) return text;
    const size_t newline = text.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return text;
    const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    const std::string_view line = text.substr(line_begin);
    return StripSpace(line, true, false).empty() ? text.substr(0, line_begin) : text;
  }

  // Reads text up to the next tag, and the tag.
  Status ReadData() {
    size_t tag = pos_;
    while (tag + 1 < source_.size()) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) break;
      if (source_[tag + 1] == '%' || source_[tag + 1] == '{' || source_[tag + 1] == '#') break;
      ++tag;
    }
    if (tag == std::string::npos || tag + 1 >= source_.size()) {
      Add(TokenType::kData, Rest());
      Advance(source_.size() - pos_);
      return {};
    }
    const char kind = source_[tag + 1];
    const char sign_char = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = sign_char == '-' || sign_char == '+' ? sign_char : '\0';
    const std::string_view text = TrimBefore(Rest().substr(0, tag - pos_), sign, kind == '{');
    if (!text.empty()) Add(TokenType::kData, text);
    Advance(tag - pos_);
    const int line = line_;
    Advance(sign != 0 ? 3 : 2);
    if (kind == '#') return ReadComment(line);
    if (kind == '{') return ReadTag(TokenType::kOutputBegin, line);
    if (IsRawTag()) return ReadRaw(line);
    return ReadTag(TokenType::kBlockBegin, line);
  }

  // What follows "-%}", "+%}", "%}" and the like: white space with '-', one newline after a block without '+'.
  void TrimAfter(char sign, bool is_output) {
    if (sign == '-') {
      SkipSpace();
    } else if (sign != '+' && !is_output && Peek() == '\n') {
      Advance(1);
    }
  }

  Status ReadComment(int line) {
    const size_t end = source_.find("#}", pos_);
    if (end == std::string::npos) return BadInput("line {}: expected the end of a comment (#}})", line);
    const char before = end > pos_ ? source_[end - 1] : '\0';
    Advance(end + 2 - pos_);
    TrimAfter(before == '-' || before == '+' ? before : '\0', false);
    return {};
  }

  // The length of "NAME -%}" after "{%", or 0.
  size_t MatchWordTag(size_t at, std::string_view word, char* sign) const {
    const std::string_view text(source_);
    const auto skip = [&](size_t p) { return text.size() - StripSpace(text.substr(p), true, false).size(); };
    size_t p = skip(at);
    if (text.substr(p, word.size()) != word) return 0;
    p = skip(p + word.size());
    *sign = p < text.size() && (text[p] == '-' || text[p] == '+') ? text[p] : '\0';
    if (*sign != 0) ++p;
    return text.substr(p, 2) == "%}" ? p + 2 - at : 0;
  }

  bool IsRawTag() const {
    char sign = 0;
    return MatchWordTag(pos_, "raw", &sign) > 0 && sign != '+';
  }

  Status ReadRaw(int line) {
    char sign = 0;
    Advance(MatchWordTag(pos_, "raw", &sign));
    if (sign == '-') SkipSpace();
    const size_t begin = pos_;
    for (size_t at = source_.find("{%", begin); at != std::string::npos; at = source_.find("{%", at + 2)) {
      char begin_sign = at + 2 < source_.size() ? source_[at + 2] : '\0';
      if (begin_sign != '-' && begin_sign != '+') begin_sign = '\0';
      const size_t word_at = at + (begin_sign != 0 ? 3 : 2);
      const size_t length = MatchWordTag(word_at, "endraw", &sign);
      if (length == 0) continue;
      const std::string_view text = TrimBefore(Rest().substr(0, at - begin), begin_sign, false);
      if (!text.empty()) Add(TokenType::kData, text);
      Advance(word_at + length - pos_);
      TrimAfter(sign, false);
      return {};
    }
    return BadInput("line {}: expected the end of a raw block (endraw)", line);
  }

  // The tokens of "{{ ... }}" or "{% ... %}", both ends included.
  Status ReadTag(TokenType begin, int line) {
    const bool is_output = begin == TokenType::kOutputBegin;
    const std::string_view end = is_output ? "}}" : "%}";
    Add(begin, "");
    tokens_.back().line = line;
    std::string open;  // brackets not yet closed
    for (;;) {
      SkipSpace();
      if (pos_ >= source_.size()) {
        return BadInput("line {}: expected {} to end the tag of line {}, found the end of the template", line_, end,
                        line);
      }
      if (open.empty()) {
        const char sign = (Peek() == '-' || (Peek() == '+' && !is_output)) ? Peek() : '\0';
        if (Rest().substr(sign != 0 ? 1 : 0, 2) == end) {
          Add(is_output ? TokenType::kOutputEnd : TokenType::kBlockEnd, "");
          Advance(sign != 0 ? 3 : 2);
          TrimAfter(sign, is_output);
          return {};
        }
      }
      HEW_RETURN_IF_ERROR(ReadToken(&open));
    }
  }

  Status ReadToken(std::string* open) {
    const char c = Peek();
    if (IsDigit(c)) return ReadNumber();
    if (IsNameStart(c)) {
      size_t n = 1;
      while (pos_ + n < source_.size() && IsNamePart(source_[pos_ + n])) ++n;
      Add(TokenType::kName, Rest().substr(0, n));
      Advance(n);
      return {};
    }
    if (c == '\'' || c == '"') return ReadString(c);
    return ReadOperator(open);
  }

  // Digits of `base` with single _ between them, from `at`: where they end.
  template <typename IsDigitOf>
  size_t DigitsEnd(size_t at, IsDigitOf is_digit) const {
    while (at < source_.size() &&
           (is_digit(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() && is_digit(source_[at + 1])))) {
      ++at;
    }
    return at;
  }

  Status ReadNumber() {
    size_t end = DigitsEnd(pos_, IsDigit);
    bool is_float = false;
    const bool after_dot = pos_ > 0 && source_[pos_ - 1] == '.';
    if (!after_dot && end + 1 < source_.size() && source_[end] == '.' && IsDigit(source_[end + 1])) {
      end = DigitsEnd(end + 1, IsDigit);
      is_float = true;
    }
    if (!after_dot && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
      if (exponent < source_.size() && IsDigit(source_[exponent])) {
        end = DigitsEnd(exponent, IsDigit);
        is_float = true;
      }
    }
    if (!is_float && source_[pos_] == '0' && pos_ + 1 < source_.size()) {
      const char base = static_cast<char>(source_[pos_ + 1] | 0x20);
      const auto is_hex = [](char ch) { return IsDigit(ch) || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f'); };
      const auto is_octal = [](char ch) { return ch >= '0' && ch <= '7'; };
      const auto is_binary = [](char ch) { return ch == '0' || ch == '1'; };
      if (base == 'x') end = DigitsEnd(pos_ + 2, is_hex);
      if (base == 'o') end = DigitsEnd(pos_ + 2, is_octal);
      if (base == 'b') end = DigitsEnd(pos_ + 2, is_binary);
    }
    std::string digits(Rest().substr(0, end - pos_));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    Add(is_float ? TokenType::kFloat : TokenType::kInteger, digits);
    Advance(end - pos_);
    return {};
  }

  Status ReadString(char quote) {
    size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return BadInput("line {}: expected the end of a string ({})", line_, quote);
    auto text = DecodeStringLiteral(Rest().substr(1, end - pos_ - 1));
    if (!text) return BadInput("line {}: {}", line_, text.error().message);
    Add(TokenType::kString, *text);
    Advance(end + 1 - pos_);
    return {};
  }

  Status ReadOperator(std::string* open) {
    static constexpr std::array<std::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!StartsWith(op)) continue;
      if (op == "(" || op == "[" || op == "{") *open += op == "(" ? ')' : op == "[" ? ']' : '}';
      if (op == ")" || op == "]" || op == "}") {
        if (open->empty()) return BadInput("line {}: unexpected '{}'", line_, op);
        if (open->back() != op[0]) return BadInput("line {}: expected '{}', found '{}'", line_, open->back(), op);
        open->pop_back();
      }
      Add(TokenType::kOperator, op);
      Advance(op.size());
      return {};
    }
    return BadInput("line {}: unexpected character {}", line_,
                    QuotePython(Rest().substr(0, DecodeAt(source_, pos_).bytes)));
  }

  std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what was read last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source) {
  constexpr size_t kMaxSourceBytes = 4 << 20;
  if (source.size() > kMaxSourceBytes) {
    return BadInput("line 1: expected a template of at most {} bytes, found {}", kMaxSourceBytes, source.size());
  }
  return Lexer(source).Run();
}

}  // namespace hew::jinja
