// hew pull: a model from the Hugging Face hub or any web server, whole and checked, into the folder of models.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "studio/hub_download.h"
#include "studio/hub_source.h"

namespace hew {

struct PullSettings {
  std::string source;         // NAME, hf:ORG/REPO[@REV] or a URL
  std::string file;           // which GGUF file of a repository that has many: its name, or a part of it (Q4_K_M)
  std::string sha256;         // of a URL or of the one GGUF file, "" when not known
  std::string models_folder;  // where models lie: DIR/hf/ORG/REPO@REV, DIR/url/...
  std::string endpoint = "https://huggingface.co", token;
  std::vector<std::string> look_in = {"models"};  // folders where a file of the catalogue may lie already
  HttpSettings http;
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

struct PullReport {
  std::string path;  // the .gguf file, or the folder
  std::string
      sha256;  // of the file; of a folder, of the lines "DIGEST  NAME\n" that sha256sum would print of its files
  uint64_t bytes = 0;
  std::string commit;  // of the repository, when the hub says
  std::vector<ArrivedFile> files;
};

// Whatever is whole and checked already is not fetched again; what was interrupted goes on where it stopped. All files
// arrive under other names first and are renamed when the last one is checked; the record of it is written last.
// Errors: as Download, and kEnvironment when the disk has no room (nothing is fetched then).
Result<PullReport> Pull(const PullSettings& settings);

}  // namespace hew
