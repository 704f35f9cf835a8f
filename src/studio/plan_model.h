// What a plan needs to know of a model file and of training data.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "studio/plan.h"

namespace hew {

// Name, sizes and the bytes of the file (what a frozen base takes in memory) from a .gguf file, a model folder or a
// config.json; weights are not read.
Status TakeModel(const std::string& path, PlanRequest* request);

// Tokens of text files or training rows with the tokenizer of the model (or of a tokenizer.json): chat rows count their
// texts alone, without what a template adds.
Result<double> CountTokens(const std::string& model, const std::vector<std::string>& data);

}  // namespace hew
