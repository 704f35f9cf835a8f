#include "model/save_pretokenizer.h"

#include <vector>

namespace hew {
namespace {

Json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}
Json Sequence(Json first, Json second) {
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({std::move(first), std::move(second)})}};
}
Json Split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

// The patterns are those the models' authors published in their tokenizer.json.
constexpr const char* kQwen2 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr const char* kLlama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

std::vector<PreTokenizerRule> Rules() {
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const Json nfc = {{"type", "NFC"}};
  return {
      {"smollm", nullptr, Sequence(digits, ByteLevel(true))},
      {"gpt-2", nullptr, ByteLevel(true)},
      {"qwen2", nfc, Sequence(Split(kQwen2), ByteLevel(false))},
      {"llama-bpe", nullptr, Sequence(Split(kLlama3), ByteLevel(false)), true, true},
  };
}

// Other names of the same rule.
std::string_view Canonical(std::string_view pre) {
  for (std::string_view same : {"starcoder", "refact", "command-r", "codeshell"}) {
    if (pre == same) return "smollm";
  }
  if (pre == "llama3" || pre == "llama-v3") return "llama-bpe";
  return pre;
}

Json WithoutOffsets(Json tree) {
  if (!tree.is_object()) return tree;
  tree.erase("trim_offsets");
  if (const auto list = tree.find("pretokenizers"); list != tree.end() && list->is_array()) {
    for (Json& item : *list) item = WithoutOffsets(item);
  }
  return tree;
}

// Equal as trees: the order of keys means nothing.
bool SameTree(const Json& a, const Json& b) {
  return nlohmann::json(WithoutOffsets(a)) == nlohmann::json(WithoutOffsets(b));
}

}  // namespace

std::optional<PreTokenizerRule> PreTokenizerNamed(std::string_view pre) {
  for (PreTokenizerRule& rule : Rules()) {
    if (rule.pre == Canonical(pre)) return std::move(rule);
  }
  return std::nullopt;
}

std::optional<PreTokenizerRule> PreTokenizerLike(const Json& normalizer, const Json& pre_tokenizer) {
  for (PreTokenizerRule& rule : Rules()) {
    if (SameTree(rule.normalizer, normalizer) && SameTree(rule.pre_tokenizer, pre_tokenizer)) return std::move(rule);
  }
  return std::nullopt;
}

std::string KnownPreTokenizers() {
  std::string names;
  for (const PreTokenizerRule& rule : Rules()) names += (names.empty() ? "" : ", ") + std::string(rule.pre);
  return names;
}

}  // namespace hew
