// Regular expressions on UTF-8: PCRE2 with JIT, and limits that grow with the input, so that no pattern and no text can
// run without bound.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

class Regex {
 public:
  // `lines`: ^ and $ also match at line breaks, as in Oniguruma, which the `tokenizers` library uses.
  // Error: "pattern: expected a regular expression, found '(' (missing closing parenthesis at 1)".
  static Result<Regex> Compile(const std::string& pattern, bool lines = false);

  static std::string Quote(std::string_view text);  // a pattern that matches just this text

  // Whether it matches anywhere in text.
  bool Search(std::string_view text) const;

  // Calls fn(begin, end) for each match from left to right, empty ones skipped. False when a limit was hit: what
  // follows the last match was not looked at. Bytes that are no UTF-8 match nothing.
  bool ForEach(std::string_view text, const std::function<void(size_t, size_t)>& fn) const;

 private:
  friend class RegexScan;
  struct Code;
  std::shared_ptr<const Code> code_;
};

// The working memory of one regular expression, for one thread and the texts of one call.
class RegexScan {
 public:
  // `bytes`: the length of all texts together; it sets how many steps may be taken in all.
  RegexScan(const Regex& regex, size_t bytes);
  ~RegexScan();
  RegexScan(const RegexScan&) = delete;
  RegexScan& operator=(const RegexScan&) = delete;

  struct Match {
    size_t begin = 0, end = 0;
  };
  enum class Outcome { kMatch, kNone, kLimit };
  // The first match in `text` that begins at `at` or later.
  Outcome Find(std::string_view text, size_t at, Match* match);

  // As Regex::ForEach.
  template <typename Fn>
  bool ForEach(std::string_view text, Fn fn) {
    Match match;
    for (size_t at = 0; at < text.size();) {
      const Outcome outcome = Find(text, at, &match);
      if (outcome != Outcome::kMatch) return outcome == Outcome::kNone;
      if (match.end > match.begin) fn(match.begin, match.end);
      at = match.end > match.begin ? match.end : NextCharacter(text, match.end);
    }
    return true;
  }

 private:
  struct State;
  int FindAt(std::string_view text, size_t at);
  static size_t NextCharacter(std::string_view text, size_t at);
  std::unique_ptr<State> state_;
};

}  // namespace hew
