// What a file is made of: models, lone weight files, adapters, tokenizers. The file is read wholly and checked as far
// as Hew understands it, so that what inspects well also loads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "base/runtime.h"

namespace hew {

struct Inspection {
  std::string path, kind;  // "model", "vocabulary", "weights", "adapter", "tokenizer"
  // {architecture, parameters, parameters_unique, parameters_by_module, file_bytes, memory_bytes, config,
  //  tokenizer: {kind, vocab_size}, chat_template, tensors: [{name, shape, type}]}; null where a file has no such
  //  thing.
  nlohmann::ordered_json report;

  std::string Text() const;  // the same for people: a summary of about ten lines, then the tensors
};

// A GGUF file of an architecture that Hew cannot run, or with a vocabulary only, is shown by its metadata.
Result<Inspection> Inspect(const Runtime& rt, const std::string& path);

}  // namespace hew
