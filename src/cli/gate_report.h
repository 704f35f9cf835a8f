// The gate as a person sees it: how far it is, and what it found, in English or Korean.
#pragma once

#include "cli/command.h"
#include "studio/registry/gate.h"

namespace hew {

// RunGate with a bar for each suite that is asked.
Result<GateReport> RunShownGate(const CommandContext& context, Workspace& workspace, const Runtime& rt, int64_t before,
                                int64_t after, GateOptions options);

// "2 fixed, 5 broken of 105: ..." and "lower bound above -1 points", from the line's numbers.
std::string MeasuredText(const CommandContext& context, const GateLine& line);
std::string RuleText(const CommandContext& context, const GateLine& line);

// `shown`: turned cases of each kind.
void PrintGate(const CommandContext& context, const GateReport& report, int64_t before, int64_t after, size_t shown);

}  // namespace hew
