// The fields that all generating endpoints share: how to sample, when to stop, what the answer may be.
#pragma once

#include <string>
#include <vector>

#include "http/api_context.h"

namespace hew {

struct GenerationFields {
  SamplingSettings sampling;
  std::vector<std::string> stop;
  std::map<int32_t, float> logit_bias;
  int64_t n = 1;
  bool stream = false, include_usage = false;
  bool lookup = true;
};

// temperature, top_p, top_k, min_p, repeat_penalty (or repetition_penalty), presence_penalty, frequency_penalty, seed,
// stop, logit_bias, n, stream, stream_options. Mistakes are left in `fields`.
GenerationFields ReadGeneration(ApiContext& context, Fields& fields);

// "response_format": what the grammar must be; nullptr for text. Errors: 400.
Api<std::shared_ptr<const Grammar>> ReadResponseFormat(ApiContext& context, Fields& fields);
// {"type": "json_schema", "schema": …}-like objects: OpenAI's two APIs nest them differently.
Api<std::shared_ptr<const Grammar>> GrammarOfFormat(ApiContext& context, const Json& format, const std::string& param);

// The request for the i-th answer, each with a seed of its own.
BatchRequest MakeBatchRequest(const GenerationFields& fields, const ServedModel& model, std::vector<int32_t> prompt,
                              int64_t max_tokens, int64_t i);

Json UsageJson(int64_t prompt_tokens, int64_t completion_tokens, int64_t cached_tokens);

}  // namespace hew
