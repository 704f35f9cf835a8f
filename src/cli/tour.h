// The tour on a terminal: what a step shows while it runs. tour_command.cc walks through them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/command.h"
#include "studio/understand/tour.h"

namespace hew {

struct TourView {
  CommandContext& context;
  Tour& tour;
  std::string model;  // as the reader would type it
};

// Shows one step (printing nothing with --json) and gives what it came to.
using TourStep = Result<Json> (*)(const TourView& view);

Result<Json> TourNext(const TourView& view);
Result<Json> TourTokens(const TourView& view);
Result<Json> TourWeights(const TourView& view);
Result<Json> TourLearn(const TourView& view);
Result<Json> TourContext(const TourView& view);
Result<Json> TourFactsStep(const TourView& view);
Result<Json> TourSizes(const TourView& view);
Result<Json> TourVersions(const TourView& view);
Result<Json> TourEnd(const TourView& view);

// Shows the loss as it falls, on a line of its own or now and then.
class LossLine {
 public:
  explicit LossLine(const CommandContext& context);
  ~LossLine() { End(); }
  TourHooks hooks();
  void End();  // the end of its line, if there is one

 private:
  void Show(const StepMetrics& metrics);
  const CommandContext& context_;
  bool quiet_, terminal_, drawn_ = false;
};

// The commands that do by hand what the step did, one a line.
void ByHand(const TourView& view, const std::vector<std::string>& commands);

std::string ShortLine(const std::string& text);  // line ends as spaces, cut to what a terminal shows

}  // namespace hew
