#include "model/save_sentencepiece.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "formats/sentencepiece_spelling.h"

namespace hew {
namespace {

const std::string kSign(kSpaceSign);

Json ReplaceJson(const std::string& from, const std::string& to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

bool IsReplace(const Json& json) { return json == ReplaceJson(" ", kSign); }

Json Field(const Json& json, const char* key) { return json.is_object() && json.contains(key) ? json[key] : Json(); }

}  // namespace

std::vector<std::string> MergesFromScores(const std::vector<std::string>& tokens, const std::vector<int32_t>& types,
                                          const std::vector<float>& scores) {
  std::unordered_map<std::string_view, size_t> normal;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == kGgufNormal) normal.emplace(tokens[i], i);
  }
  struct Merge {
    float score;
    size_t left_bytes, left, right;
  };
  std::vector<Merge> merges;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] != kGgufNormal) continue;
    const std::string_view token = tokens[i];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = normal.find(token.substr(0, cut)), right = normal.find(token.substr(cut));
      if (left != normal.end() && right != normal.end())
        merges.push_back({scores[i], cut, left->second, right->second});
    }
  }
  // Of two ways to make one token SentencePiece takes the one further left in the text, which an order of merges cannot
  // say; the longer left side first is what converters do.
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return a.score > b.score || (a.score == b.score && a.left_bytes > b.left_bytes);
  });
  std::vector<std::string> texts;
  texts.reserve(merges.size());
  for (const Merge& merge : merges) texts.push_back(tokens[merge.left] + " " + tokens[merge.right]);
  return texts;
}

std::vector<float> ScoresFromMerges(const std::vector<std::string>& tokens, const std::vector<std::string>& merges) {
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) ids.emplace(tokens[i], i);
  std::vector<float> scores(tokens.size(), 0);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t space = merges[rank].find(' ', 1);
    if (space == std::string::npos) continue;
    const std::string joined = merges[rank].substr(0, space) + merges[rank].substr(space + 1);
    const auto at = ids.find(joined);
    // Whole numbers up to 2^24 are exact in a float, and no vocabulary has as many merges.
    if (at != ids.end() && scores[at->second] == 0) scores[at->second] = -static_cast<float>(rank + 1);
  }
  return scores;
}

Json SentencePieceNormalizerJson(bool space_prefix) {
  const Json replace = ReplaceJson(" ", kSign);
  if (!space_prefix) return replace;
  return {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", kSign}}, replace}}};
}

Json SentencePieceDecoderJson(bool space_prefix) {
  Json steps = {ReplaceJson(kSign, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (space_prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

std::optional<bool> SentencePieceSpacePrefix(const Json& normalizer, const Json& pre_tokenizer) {
  const Json type = Field(pre_tokenizer, "type");
  if (type == "Metaspace" && normalizer.is_null()) {
    // Cutting before each sign changes nothing only where no token has one inside: left to files that say they do not.
    if (Field(pre_tokenizer, "replacement") != kSign || Field(pre_tokenizer, "split") != false) return std::nullopt;
    return Field(pre_tokenizer, "prepend_scheme") != "never";
  }
  // Gemma's files cut at spaces, of which none is left.
  const bool cuts =
      !pre_tokenizer.is_null() && !(type == "Split" && Field(Field(pre_tokenizer, "pattern"), "String") == " ");
  if (cuts) return std::nullopt;
  if (IsReplace(normalizer)) return false;
  const Json steps = Field(normalizer, "normalizers");
  const bool prepends = Field(normalizer, "type") == "Sequence" && steps.is_array() && steps.size() == 2 &&
                        Field(steps[0], "type") == "Prepend" && Field(steps[0], "prepend") == kSign &&
                        IsReplace(steps[1]);
  return prepends ? std::optional(true) : std::nullopt;
}

}  // namespace hew
