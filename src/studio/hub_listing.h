// What a repository of the Hugging Face hub holds, and which of its files Hew takes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hew {

struct HubFile {
  std::string name;
  std::optional<uint64_t> bytes;
  std::string sha256, git_sha1;  // whichever the hub knows; "" for the other
};

struct HubListing {
  std::string commit;  // "" when the hub does not say
  std::vector<HubFile> files;
};

// The answer of /api/models/ORG/REPO/revision/REV?blobs=true. A name that leads out of the repository refuses it all.
Result<HubListing> ParseListing(std::string_view text, const std::string& where);

struct HubChoice {
  std::vector<HubFile> files;
  std::string model;  // what to open once they are there: a GGUF file's name, or "." for the folder
  std::string index;  // the file that names the shards still to be added (AddShards), or ""
};

// Without `file`: the safetensors with config and tokenizer files, an adapter's two files, or the only GGUF file.
// With `file`: the GGUF file of that name, or the one whose name holds it (Q4_K_M). Errors: one line with the choices.
Result<HubChoice> ChooseFiles(const HubListing& listing, const std::string& file, const std::string& where);

// Adds the files that the index (model.safetensors.index.json) names.
Status AddShards(const HubListing& listing, std::string_view index_text, const std::string& where, HubChoice* choice);

}  // namespace hew
