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

// What becomes of a match and of the text around it.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

class PreTokenizer {
 public:
  // The patterns of a GGUF file's tokenizer.ggml.pre, as llama.cpp knows them. Error: an unknown name, with the known.
  static Result<PreTokenizer> FromGgufName(const std::string& name);

  struct Step {
    std::optional<Regex> regex;  // none: nothing is cut
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;        // the matches are what lies between
    bool prefix_space = false;  // first, a piece that begins with no space gets one
  };
  void AddStep(Step step) { steps_.push_back(std::move(step)); }

  // Calls fn for each piece, in order; together they are the text (less what kRemoved removes, and with prefix spaces).
  // The views hold until Split returns.
  void Split(std::string_view text, const std::function<void(std::string_view)>& fn) const;

  bool ignore_merges = false, add_bos = false;  // what the name implies beside its patterns

 private:
  std::vector<Step> steps_;
};

}  // namespace hew
