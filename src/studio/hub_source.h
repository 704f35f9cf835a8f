// What `hew pull` can be asked for, the names it knows, and where a model lies once it is here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// A name of the catalogue. `file` is the one GGUF file to take of the repository; "" takes its safetensors. By its
// digest a copy that is here already is found and not fetched again; what the hub sends is held to the digest of the
// hub.
struct CatalogueEntry {
  std::string_view name, repository, file, sha256, licence, about;
  uint64_t bytes = 0;
};
std::span<const CatalogueEntry> Catalogue();

// NAME, hf:ORG/REPO[@REV] or an http(s) URL, taken apart. A name stands for its repository.
struct PullSource {
  std::string spec;                       // as given
  std::string repository, revision;       // "ORG/REPO", "main"; of a URL ""
  std::string url;                        // of a URL
  const CatalogueEntry* entry = nullptr;  // of a name
  // Relative to the folder of models; a name has the place of its repository.
  std::string Folder() const;
};

// Errors: kBadInput with the names there are.
Result<PullSource> ParseModelSource(const std::string& spec);
bool LooksLikeSource(const std::string& spec);  // a name of the catalogue, hf:... or a URL

// What was pulled: written last, so that a model is there whole or not at all.
struct PulledModel {
  std::string path;  // the .gguf file, or the folder
  std::string commit;
};
inline constexpr const char* kPulledFile = "pulled.json";

// The path of a source that was pulled into `models_folder` before; error when it was not.
Result<std::string> FindPulled(const std::string& models_folder, const std::string& spec);

}  // namespace hew
