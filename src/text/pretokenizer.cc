#include "text/pretokenizer.h"

#include <algorithm>
#include <deque>

#include "base/shown.h"
#include "text/pretokenizer_patterns.h"
#include "text/word_model.h"

namespace hew {
namespace {

struct Piece {
  size_t begin, end;
  bool match;
};

// Joins, or leaves out, what a step's behaviour says.
std::vector<Piece> Arrange(SplitBehavior behavior, const std::vector<Piece>& pieces) {
  std::vector<Piece> joined;
  for (const Piece& piece : pieces) {
    const bool has_last = !joined.empty();
    switch (behavior) {
      case SplitBehavior::kRemoved:
        if (!piece.match) joined.push_back(piece);
        continue;
      case SplitBehavior::kMergedWithPrevious:
        if (piece.match && has_last && !joined.back().match) {
          joined.back() = {joined.back().begin, piece.end, true};
          continue;
        }
        break;
      case SplitBehavior::kMergedWithNext:
        if (!piece.match && has_last && joined.back().match) {
          joined.back() = {joined.back().begin, piece.end, false};
          continue;
        }
        break;
      case SplitBehavior::kContiguous:
        if (has_last && joined.back().match == piece.match) {
          joined.back().end = piece.end;
          continue;
        }
        break;
      case SplitBehavior::kIsolated:
        break;
    }
    joined.push_back(piece);
  }
  return joined;
}

// Cuts `text` where `scan` matches and hands every piece to `emit`. Where a pattern runs into its limit, the rest is
// one piece. `pieces` is working memory.
template <typename Emit>
void Cut(const PreTokenizer::Step& step, RegexScan& scan, std::string_view text, std::vector<Piece>& pieces,
         Emit emit) {
  pieces.clear();
  size_t at = 0;
  scan.ForEach(text, [&](size_t begin, size_t end) {
    if (begin > at) pieces.push_back({at, begin, step.invert});
    pieces.push_back({begin, end, !step.invert});
    at = end;
  });
  if (at < text.size()) pieces.push_back({at, text.size(), step.invert});
  if (step.behavior != SplitBehavior::kIsolated) pieces = Arrange(step.behavior, pieces);
  for (const Piece& piece : pieces) emit(text.substr(piece.begin, piece.end - piece.begin));
}

}  // namespace

Result<PreTokenizer> PreTokenizer::FromGgufName(const std::string& name) {
  std::string known;
  for (const auto& entry : PatternTable()) {
    for (const auto& n : entry.names) known += (known.empty() ? "" : ", ") + n;
    if (std::find(entry.names.begin(), entry.names.end(), name) == entry.names.end()) continue;
    PreTokenizer pre;
    pre.ignore_merges = entry.ignore_merges;
    pre.add_bos = entry.add_bos;
    pre.byte_level = entry.byte_level;
    pre.escapes_spaces = entry.escapes_spaces;
    pre.whole_newlines = entry.escapes_spaces;
    for (const char* pattern : entry.patterns) {
      Step step;
      HEW_ASSIGN(step.regex, Regex::Compile(pattern));
      pre.AddStep(std::move(step));
    }
    return pre;
  }
  return BadInput("tokenizer.ggml.pre: expected one of {}; found '{}'", known, Shown(name));
}

void PreTokenizer::Split(std::string_view text, bool first, const std::function<void(std::string_view)>& fn) const {
  std::deque<std::string> changed;  // owns the pieces that are no longer parts of `text`; views into it stay valid
  std::vector<std::string_view> words = {text}, next;
  std::vector<Piece> pieces;
  for (const Step& step : steps_) {
    std::optional<RegexScan> scan;
    if (step.regex) scan.emplace(*step.regex, text.size());
    next.clear();
    for (size_t i = 0; i < words.size(); ++i) {
      std::string_view word = words[i];
      if (!step.space.empty() && word.find(' ') != std::string_view::npos)
        word = changed.emplace_back(ReplaceAll(word, " ", step.space));
      const bool may_prefix = step.when == PrefixRule::kAlways || (step.when == PrefixRule::kFirst && first && i == 0);
      if (may_prefix && !word.starts_with(step.prefix)) word = changed.emplace_back(step.prefix + std::string(word));
      if (scan) {
        Cut(step, *scan, word, pieces, [&](std::string_view piece) { next.push_back(piece); });
      } else {
        next.push_back(word);
      }
    }
    words.swap(next);
  }
  for (std::string_view word : words) fn(word);
}

}  // namespace hew
