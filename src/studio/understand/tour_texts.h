// What the tour teaches with, in either language: a small text about causes and how one feels, and facts about a
// bookshop that does not exist, so that no model can know them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace hew {

enum class TourLanguage { kEnglish, kKorean };

// About a thousand lines such as "Anna forgot her coat. Anna is cold."; the same every time. No line holds a sentence
// of ContextProbes as it stands.
std::string TourText(TourLanguage language);

// A beginning that the text has many ends for.
std::string TourBeginning(TourLanguage language);

// Beginnings that ask for one word more, and differ only in what was said before: {"... nothing all day. Tom is",
// "hungry"}.
struct ContextProbe {
  std::string text, expected;
};
std::vector<ContextProbe> ContextProbes(TourLanguage language);

struct TourFact {
  std::vector<std::string> questions;  // wordings that are learned
  std::string asked;                   // one that is not: asked before and after
  std::string answer;
  std::string sign;  // what a right answer holds
};
std::vector<TourFact> TourFacts(TourLanguage language);
// A question whose answer the facts do not hold: what the model says to it is flagged and mended.
TourFact FlaggedFact(TourLanguage language);
// Something that every model of the tour knows and no lesson touches.
std::string UntouchedQuestion();

// One chat row of training data.
Json TourRow(const std::string& question, const std::string& answer);

}  // namespace hew
