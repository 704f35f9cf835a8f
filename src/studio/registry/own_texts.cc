#include "studio/registry/own_texts.h"

#include "base/json.h"

namespace hew {

Result<std::string> OwnTexts(const Engine& engine, int64_t count, int64_t tokens, uint64_t seed) {
  constexpr int64_t kBatch = 16;
  const Tokenizer& tokenizer = *engine.tokenizer;
  // What documents began or ended with in pretraining.
  const auto start = tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
  if (!start) return BadInput("tokenizer: expected a token that begins or ends a text, found none");
  std::vector<GenerateRequest> requests;
  for (int64_t i = 0; i < count; ++i) {
    GenerateRequest request{{*start}, {}, tokens, {}};
    request.sampling.temperature = 1;
    request.sampling.seed = seed + static_cast<uint64_t>(i);
    requests.push_back(std::move(request));
  }
  HEW_ASSIGN(const auto answers, GenerateAll(engine, requests, kBatch));
  std::string jsonl;
  for (const GenerateResult& answer : answers) {
    if (answer.ids.size() < 8) continue;  // ended before it said anything
    jsonl += DumpJson(Json({{"text", answer.text}})) + "\n";
  }
  return jsonl;
}

}  // namespace hew
