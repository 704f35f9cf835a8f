// How a text falls into words before byte-pair encoding: a list of steps, each cutting the pieces the step before left.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/regex.h"

namespace hew {

// When a step puts a text before what it gets.
enum class PrefixRule {
  kNever,
  kAlways,
  kFirst,  // only where the whole text begins
};

// What becomes of a match and of the text around it.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

class PreTokenizer {
 public:
  // The patterns of a GGUF file's tokenizer.ggml.pre, as llama.cpp knows them. Error: an unknown name, with the known.
  static Result<PreTokenizer> FromGgufName(const std::string& name);

  struct Step {
    // First, every space of a piece becomes this (unless empty);
    std::string space;
    // then it gets this prefix, unless it begins with it;
    std::string prefix;
    PrefixRule when = PrefixRule::kNever;
    // then it is cut.
    std::optional<Regex> regex;  // none: nothing is cut
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;  // the matches are what lies between
  };
  void AddStep(Step step) { steps_.push_back(std::move(step)); }

  // Calls fn for each piece, in order; together they are the text (less what kRemoved removes, and with prefixes).
  // `first`: whether the whole text begins with this one. The views hold until Split returns.
  void Split(std::string_view text, bool first, const std::function<void(std::string_view)>& fn) const;

  // What goes with a name beside its patterns: a word that is a token needs no merging; BOS is added; tokens are
  // spelled as GPT-2 spells bytes; spaces are U+2581; a word of line breaks that is a token needs no merging.
  bool ignore_merges = false, add_bos = false, byte_level = false, escapes_spaces = false, whole_newlines = false;

 private:
  std::vector<Step> steps_;
};

}  // namespace hew
