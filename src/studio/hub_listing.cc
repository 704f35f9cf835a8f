#include "studio/hub_listing.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/progress.h"
#include "studio/hub_download.h"
#include "studio/hub_url.h"

namespace hew {
namespace {

constexpr std::string_view kBesideWeights[] = {"config.json",       "generation_config.json",
                                               "tokenizer.json",    "tokenizer_config.json",
                                               "tokenizer.model",   "vocab.json",
                                               "merges.txt",        "special_tokens_map.json",
                                               "added_tokens.json", "chat_template.jinja",
                                               "chat_template.json"};
constexpr std::string_view kSingle = "model.safetensors", kIndex = "model.safetensors.index.json";

std::string TextOf(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// Digests of another form are as good as none: the ones that are used decide, in the download.
std::string Hex(std::string text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos ? text : "";
}

Result<HubFile> ParseFile(const Json& json, const std::string& where) {
  if (!json.is_object()) return BadInput("{}: siblings: expected objects, found {}", where, json.type_name());
  HubFile file;
  file.name = TextOf(json, "rfilename");
  HEW_RETURN_IF_ERROR(CheckFileName(file.name, where + ": siblings: rfilename"));
  if (const auto size = json.find("size"); size != json.end() && size->is_number_unsigned())
    file.bytes = size->get<uint64_t>();
  const auto lfs = json.find("lfs");
  if (lfs == json.end() || !lfs->is_object()) {
    file.git_sha1 = Hex(TextOf(json, "blobId"), 40);
    return file;
  }
  // The blob is then a pointer to the content, which has a digest of its own.
  std::string digest = TextOf(*lfs, "sha256").empty() ? TextOf(*lfs, "oid") : TextOf(*lfs, "sha256");
  if (digest.starts_with("sha256:")) digest.erase(0, 7);
  file.sha256 = Hex(digest, 64);
  if (const auto size = lfs->find("size"); size != lfs->end() && size->is_number_unsigned())
    file.bytes = size->get<uint64_t>();
  return file;
}

const HubFile* Find(const HubListing& listing, std::string_view name) {
  const auto it =
      std::find_if(listing.files.begin(), listing.files.end(), [&](const HubFile& f) { return f.name == name; });
  return it == listing.files.end() ? nullptr : &*it;
}

// Does `name` hold `part` as a word of its own, whatever the case: Q4_0 in m.Q4_0.gguf, not in m.Q4_0_4_4.gguf.
bool HoldsWord(const std::string& name, const std::string& part) {
  const std::string in = AsciiLower(name), word = AsciiLower(part);
  const auto inside = [&](size_t at) {
    return at < in.size() && (in[at] == '_' || std::isalnum(static_cast<unsigned char>(in[at])));
  };
  for (size_t at = in.find(word); !word.empty() && at != std::string::npos; at = in.find(word, at + 1)) {
    if (!(at > 0 && inside(at - 1)) && !inside(at + word.size())) return true;
  }
  return false;
}

std::string Choices(const std::vector<const HubFile*>& files) {
  constexpr size_t kMost = 40;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, files.size()); ++i) {
    text += fmt::format("{}{}", i > 0 ? ", " : "", Shown(files[i]->name, 120));
    if (files[i]->bytes) text += fmt::format(" ({})", HumanBytes(*files[i]->bytes));
  }
  if (files.size() > kMost) text += fmt::format(" and {} more", files.size() - kMost);
  return text;
}

// Part k of n of a GGUF file that was cut into several: "-00001-of-00003.gguf".
bool IsGgufPart(const std::string& name) {
  const size_t at = name.rfind("-of-");
  return at != std::string::npos && at >= 6 && name.size() == at + 4 + 5 + 5 && name[at - 6] == '-';
}

Result<HubChoice> ChooseGguf(const std::vector<const HubFile*>& all, const std::string& file,
                             const std::string& where) {
  std::vector<const HubFile*> fitting;
  for (const HubFile* f : all) {
    if (f->name == file) return HubChoice{{*f}, f->name, ""};
    if (file.empty() || HoldsWord(f->name, file)) fitting.push_back(f);
  }
  if (fitting.size() != 1) {
    return BadInput("{}: --file: expected one of {}; found {}", where, Choices(fitting.empty() ? all : fitting),
                    file.empty() ? "no choice" : "'" + Shown(file) + "'");
  }
  if (IsGgufPart(fitting[0]->name))
    return BadInput("{}: {}: expected a whole GGUF file, found a part", where, Shown(fitting[0]->name));
  return HubChoice{{*fitting[0]}, fitting[0]->name, ""};
}

}  // namespace

Result<HubListing> ParseListing(std::string_view text, const std::string& where) {
  HEW_ASSIGN(const Json json, ParseJson(text, where));
  const auto siblings = json.is_object() ? json.find("siblings") : json.end();
  if (!json.is_object() || siblings == json.end() || !siblings->is_array()) {
    return BadInput("{}: siblings: expected a list of files, found none", where);
  }
  HubListing listing;
  listing.commit = TextOf(json, "sha");
  std::set<std::string> seen;
  for (const auto& sibling : *siblings) {
    HEW_ASSIGN(HubFile file, ParseFile(sibling, where));
    if (!seen.insert(file.name).second) return BadInput("{}: {}: expected once, found twice", where, Shown(file.name));
    listing.files.push_back(std::move(file));
  }
  return listing;
}

Result<HubChoice> ChooseFiles(const HubListing& listing, const std::string& file, const std::string& where) {
  std::vector<const HubFile*> ggufs;
  for (const HubFile& f : listing.files) {
    if (f.name.ends_with(".gguf")) ggufs.push_back(&f);
  }
  if (!file.empty()) {
    if (ggufs.empty()) return BadInput("{}: --file: expected a repository with .gguf files, found none", where);
    return ChooseGguf(ggufs, file, where);
  }
  HubChoice choice{{}, ".", ""};
  const auto take = [&](std::string_view name) {
    const HubFile* found = Find(listing, name);
    if (found) choice.files.push_back(*found);
    return found != nullptr;
  };
  if (Find(listing, "config.json") && (Find(listing, kSingle) || Find(listing, kIndex))) {
    for (const auto name : kBesideWeights) take(name);
    if (!take(kSingle) && take(kIndex)) choice.index = kIndex;
    return choice;
  }
  if (take("adapter_config.json") && take("adapter_model.safetensors")) return choice;
  if (!ggufs.empty()) return ChooseGguf(ggufs, file, where);
  std::vector<const HubFile*> all;
  for (const HubFile& f : listing.files) all.push_back(&f);
  return BadInput("{}: expected config.json with model.safetensors, or a .gguf file; found {}", where, Choices(all));
}

Status AddShards(const HubListing& listing, std::string_view index_text, const std::string& where, HubChoice* choice) {
  HEW_ASSIGN(const Json index, ParseJson(index_text, where));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object())
    return BadInput("{}: weight_map: expected an object, found none", where);
  std::set<std::string> names;
  for (const auto& item : map->items()) {
    if (!item.value().is_string())
      return BadInput("{}: weight_map: expected file names, found {}", where, item.value().type_name());
    names.insert(item.value().get<std::string>());
  }
  for (const auto& name : names) {
    HEW_RETURN_IF_ERROR(CheckFileName(name, where + ": weight_map"));
    const HubFile* shard = Find(listing, name);
    if (!shard || !name.ends_with(".safetensors")) {
      return BadInput("{}: weight_map: expected a .safetensors file of the repository, found {}", where, Shown(name));
    }
    choice->files.push_back(*shard);
  }
  return {};
}

}  // namespace hew
