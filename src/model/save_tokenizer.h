// Byte-level and SentencePiece BPE between GGUF metadata and the tokenizer files of a Hugging Face folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"

namespace hew {

struct NamedFile {
  std::string name, content;
};

// tokenizer.json, tokenizer_config.json, generation_config.json and, if there is one, chat_template.jinja.
// Errors: metadata without a BPE, or one that tokenizer.json could not express with the same ids.
Result<std::vector<NamedFile>> TokenizerFilesFromGguf(const GgufMetadata& metadata, const std::string& name);

// Adds tokenizer.* of the folder's tokenizer.json and tokenizer_config.json, tokens filled up to `vocab_size` (the rows
// of the embedding). `config` is the folder's config.json, for special ids that the tokenizer's files leave out.
// Errors: no BPE, an id outside the vocabulary, or a pre-tokenizer that GGUF has no name for.
Status TokenizerToGguf(const std::string& folder, const Json& config, int64_t vocab_size, GgufMetadata* metadata);

}  // namespace hew
