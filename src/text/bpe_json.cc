// Byte-level BPE out of a tokenizer.json, as the `tokenizers` library reads it.
#include <algorithm>

#include "base/json.h"
#include "text/bpe_tokenizer.h"
#include "text/byte_level.h"
#include "text/normalizer.h"
#include "text/pretokenizer_patterns.h"

namespace hew {
namespace {

constexpr int64_t kMaxId = 16'000'000;  // no vocabulary is larger; a wild id must not make a wild table

const Json kNull;

const Json& At(const Json& json, const char* key) {
  if (!json.is_object()) return kNull;
  const auto at = json.find(key);
  return at == json.end() ? kNull : *at;
}
std::string TextAt(const Json& json, const char* key) {
  return At(json, key).is_string() ? At(json, key).get<std::string>() : "";
}
bool FlagAt(const Json& json, const char* key, bool fallback = false) {
  return At(json, key).is_boolean() ? At(json, key).get<bool>() : fallback;
}

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  std::optional<int32_t> AddedToken(const std::string& text) const {
    const auto at = by_text_.find(text);
    return at == by_text_.end() ? std::nullopt : std::optional(at->second);
  }

  Result<BpeParts> Read(const Json& json) {
    const Json& model = At(json, "model");
    const std::string type = TextAt(model, "type");
    // Old files leave the type out; merges tell that it is BPE.
    if (type != "BPE" && !(type.empty() && At(model, "merges").is_array())) {
      return BadInput("{}: model.type: expected BPE, found '{}'", name_, Shown(type));
    }
    if (!TextAt(model, "continuing_subword_prefix").empty() || !TextAt(model, "end_of_word_suffix").empty()) {
      return BadInput("{}: model: expected no subword prefix or suffix (byte-level BPE), found one", name_);
    }
    parts_.special = SpecialTokens(SpecialTokens::Order::kLeftmost);
    parts_.normalized_special = SpecialTokens(SpecialTokens::Order::kLeftmost);
    HEW_ASSIGN(parts_.normalizers, ReadNormalizers(At(json, "normalizer"), name_));
    HEW_RETURN_IF_ERROR(ReadVocab(At(model, "vocab")));
    HEW_RETURN_IF_ERROR(ReadAddedTokens(At(json, "added_tokens")));
    HEW_RETURN_IF_ERROR(FillBpe(At(model, "vocab")));
    HEW_RETURN_IF_ERROR(ReadMerges(At(model, "merges")));
    parts_.bpe.set_ignore_merges(FlagAt(model, "ignore_merges"));
    HEW_RETURN_IF_ERROR(ReadPreTokenizer(At(json, "pre_tokenizer")));
    if (!byte_level_)
      return BadInput("{}: pre_tokenizer: expected ByteLevel (or a Sequence with it), found none", name_);
    HEW_RETURN_IF_ERROR(ReadPostProcessor(At(json, "post_processor")));
    return std::move(parts_);
  }

 private:
  Status Place(int64_t id, const std::string& where) {
    if (id < 0 || id >= kMaxId)
      return BadInput("{}: {}: expected an id from 0 to {}, found {}", name_, where, kMaxId - 1, id);
    if (id >= static_cast<int64_t>(parts_.bytes.size())) {
      parts_.bytes.resize(static_cast<size_t>(id) + 1);
      parts_.kinds.resize(parts_.bytes.size(), TokenKind::kNormal);
      taken_.resize(parts_.bytes.size(), false);
    }
    return {};
  }

  Status ReadVocab(const Json& vocab) {
    if (!vocab.is_object() || vocab.empty())
      return BadInput("{}: model.vocab: expected an object of tokens and ids, found {}", name_, vocab.type_name());
    for (const auto& [token, value] : vocab.items()) {
      if (!value.is_number_integer())
        return BadInput("{}: model.vocab: '{}': expected an id, found {}", name_, Shown(token), Shown(value.dump()));
      const auto id = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kMaxId)
                          ? kMaxId
                          : value.get<int64_t>();
      HEW_RETURN_IF_ERROR(Place(id, "model.vocab: '" + Shown(token) + "'"));
      if (taken_[static_cast<size_t>(id)])
        return BadInput("{}: model.vocab: '{}': expected an id of its own, found {} again", name_, Shown(token), id);
      taken_[static_cast<size_t>(id)] = true;
      parts_.bytes[static_cast<size_t>(id)] = BytesFromByteLevel(token).value_or(token);
    }
    return {};
  }

  // Control tokens stay out of the model: no text can become one by merging.
  Status FillBpe(const Json& vocab) {
    parts_.bpe.Reserve(vocab.size());
    for (const auto& [token, value] : vocab.items()) {
      const auto id = value.get<int32_t>();  // checked by ReadVocab
      if (parts_.kinds[static_cast<size_t>(id)] == TokenKind::kControl) continue;
      const auto bytes = BytesFromByteLevel(token);
      if (bytes && !bytes->empty()) parts_.bpe.AddToken(*bytes, id);
    }
    return {};
  }

  Status ReadAddedTokens(const Json& added) {
    if (added.is_null()) return {};
    if (!added.is_array()) return BadInput("{}: added_tokens: expected a list, found {}", name_, added.type_name());
    for (const auto& token : added) {
      const std::string content = TextAt(token, "content");
      if (!At(token, "id").is_number_integer() || content.empty()) {
        return BadInput("{}: added_tokens: expected id and content in each, found {}", name_, Shown(token.dump()));
      }
      const auto id = At(token, "id").get<int64_t>();
      HEW_RETURN_IF_ERROR(Place(id, "added_tokens: '" + Shown(content) + "'"));
      const auto at = static_cast<size_t>(id);
      const bool control = FlagAt(token, "special");
      if (taken_[at] && parts_.bytes[at] != content && ByteLevelFromBytes(parts_.bytes[at]) != content) {
        return BadInput("{}: added_tokens: '{}': expected an id of its own, found {} again", name_, Shown(content), id);
      }
      taken_[at] = true;
      parts_.bytes[at] = content;
      parts_.kinds[at] = control ? TokenKind::kControl : TokenKind::kUserDefined;
      if (control) parts_.ends.AddNamed(content, static_cast<int32_t>(id));
      SpecialToken special;
      special.text = content;
      special.id = static_cast<int32_t>(id);
      special.control = control;
      AddSpecial(token, std::move(special));
    }
    return {};
  }

  void AddSpecial(const Json& json, SpecialToken token) {
    token.strip_left = FlagAt(json, "lstrip");
    token.strip_right = FlagAt(json, "rstrip");
    token.single_word = FlagAt(json, "single_word");
    by_text_.try_emplace(token.text, token.id);
    if (!FlagAt(json, "normalized", !token.control)) return parts_.special.Add(std::move(token));
    for (const auto& normalize : parts_.normalizers) token.text = normalize(token.text);
    parts_.normalized_special.Add(std::move(token));
  }

  // "a b", or ["a", "b"].
  Status ReadMerges(const Json& merges) {
    if (!merges.is_array()) return BadInput("{}: model.merges: expected a list, found {}", name_, merges.type_name());
    parts_.bpe.ReserveMerges(merges.size());
    int32_t rank = 0;
    for (const auto& merge : merges) {
      std::string left, right;
      if (merge.is_string()) {
        const auto text = merge.get<std::string>();
        const size_t space = text.find(' ', 1);
        if (space != std::string::npos) left = text.substr(0, space), right = text.substr(space + 1);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      }
      const auto l = BytesFromByteLevel(left), r = BytesFromByteLevel(right);
      if (left.empty() || right.empty() || !l || !r || !parts_.bpe.AddMerge(*l, *r, rank)) {
        return BadInput("{}: model.merges: merge {}: expected two tokens that make a token, found {}", name_, rank,
                        Shown(merge.dump()));
      }
      ++rank;
    }
    return {};
  }

  Status AddPattern(const std::string& pattern, SplitBehavior behavior = SplitBehavior::kIsolated, bool invert = false,
                    bool prefix_space = false) {
    auto regex = Regex::Compile(pattern, /*lines=*/true);
    if (!regex) return Annotate(name_ + ": pre_tokenizer", std::move(regex).error());
    parts_.pre.AddStep({*std::move(regex), behavior, invert, prefix_space});
    return {};
  }

  Status ReadSplit(const Json& json) {
    static const std::pair<const char*, SplitBehavior> kBehaviors[] = {
        {"Isolated", SplitBehavior::kIsolated},
        {"Removed", SplitBehavior::kRemoved},
        {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
        {"MergedWithNext", SplitBehavior::kMergedWithNext},
        {"Contiguous", SplitBehavior::kContiguous}};
    const std::string name = TextAt(json, "behavior");
    const auto* behavior =
        std::find_if(std::begin(kBehaviors), std::end(kBehaviors), [&](const auto& b) { return name == b.first; });
    if (behavior == std::end(kBehaviors))
      return BadInput("{}: pre_tokenizer.Split.behavior: expected Isolated, Removed or the like, found '{}'", name_,
                      Shown(name));
    const Json& pattern = At(json, "pattern");
    std::string regex = TextAt(pattern, "Regex");
    if (regex.empty()) regex = Regex::Quote(TextAt(pattern, "String"));
    return AddPattern(regex, behavior->second, FlagAt(json, "invert"));
  }

  Status ReadPreTokenizer(const Json& json) {
    if (json.is_null()) return {};
    const std::string type = TextAt(json, "type");
    if (type == "Sequence" && At(json, "pretokenizers").is_array()) {
      for (const auto& part : At(json, "pretokenizers")) HEW_RETURN_IF_ERROR(ReadPreTokenizer(part));
      return {};
    }
    if (type == "Split") return ReadSplit(json);
    if (type == "Digits") return AddPattern(FlagAt(json, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
    if (type == "Punctuation") return AddPattern(R"([\p{P}\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E])");
    if (type == "ByteLevel") {
      byte_level_ = true;
      const bool prefix_space = FlagAt(json, "add_prefix_space");
      if (FlagAt(json, "use_regex", true))
        return AddPattern(kGpt2Pattern, SplitBehavior::kIsolated, false, prefix_space);
      if (prefix_space) {
        PreTokenizer::Step step;
        step.prefix_space = true;
        parts_.pre.AddStep(std::move(step));
      }
      return {};
    }
    return BadInput("{}: pre_tokenizer: expected ByteLevel, Split, Digits, Punctuation or Sequence, found '{}'", name_,
                    Shown(type));
  }

  // What stands before and after the text in TemplateProcessing's `single`.
  Status ReadPostProcessor(const Json& json) {
    const std::string type = TextAt(json, "type");
    if (type == "Sequence" && At(json, "processors").is_array()) {
      for (const auto& part : At(json, "processors")) HEW_RETURN_IF_ERROR(ReadPostProcessor(part));
    } else if (type == "TemplateProcessing" && At(json, "single").is_array()) {
      bool after = false;
      for (const auto& part : At(json, "single")) {
        if (part.contains("Sequence")) after = true;
        const std::string token = TextAt(At(part, "SpecialToken"), "id");
        if (token.empty()) continue;
        const auto at = by_text_.find(token);
        if (at == by_text_.end())
          return BadInput("{}: post_processor: expected an added token, found '{}'", name_, Shown(token));
        (after ? parts_.eos : parts_.bos) = at->second;
        (after ? parts_.add_eos : parts_.add_bos) = true;
      }
    }
    return {};
  }

  std::string name_;
  BpeParts parts_;
  std::unordered_map<std::string, int32_t> by_text_;  // the added tokens
  std::vector<bool> taken_;
  bool byte_level_ = false;
};

// bos_token and the like: text, or {"content": text}.
std::string TokenText(const Json& config, const char* key) {
  const Json& value = At(config, key);
  return value.is_object() ? TextAt(value, "content") : TextAt(config, key);
}

std::string TemplateText(const Json& config) {
  const Json& value = At(config, "chat_template");
  if (!value.is_array()) return TextAt(config, "chat_template");
  for (const auto& entry : value) {
    if (TextAt(entry, "name") == "default") return TextAt(entry, "template");
  }
  return "";
}

}  // namespace

Result<BpeParts> BpePartsFromJson(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
                                  const std::string& name) {
  HEW_ASSIGN(const Json json, ParseJson(tokenizer_json, name));
  Reader reader(name);
  HEW_ASSIGN(auto parts, reader.Read(json));
  if (tokenizer_config_json.empty()) return parts;
  HEW_ASSIGN(const Json config, ParseJson(tokenizer_config_json, name + ": tokenizer_config.json"));
  const auto set = [&](const char* key, std::optional<int32_t>& id) {
    if (const auto found = reader.AddedToken(TokenText(config, key))) id = found;
  };
  set("bos_token", parts.bos);
  set("eos_token", parts.eos);
  set("pad_token", parts.pad);
  parts.ends.AddId(parts.eos);
  parts.chat_template = TemplateText(config);
  return parts;
}

}  // namespace hew
