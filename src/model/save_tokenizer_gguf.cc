// tokenizer.json and its companions -> GGUF metadata.
#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "base/file.h"
#include "formats/sentencepiece_spelling.h"
#include "model/save_pretokenizer.h"
#include "model/save_sentencepiece.h"
#include "model/save_tokenizer.h"

namespace hew {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 28;

// A member of an object, or null when it is absent, null or no member can be.
const Json* Member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

std::string TextOf(const Json& object, std::string_view key) {
  const Json* value = Member(object, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

Result<Json> ReadOptionalJson(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  HEW_ASSIGN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseJson(text, path);
}

// What the file's model is in GGUF: gpt2, llama (byte fallback and merges) or t5 (pieces with scores).
enum class VocabularyKind { kByteLevel, kSentencePiece, kUnigram };

class VocabularyWriter {
 public:
  VocabularyWriter(const Json& json, std::string path, int64_t vocab_size)
      : json_(json),
        path_(std::move(path)),
        tokens_(static_cast<size_t>(vocab_size)),
        types_(tokens_.size(), kGgufUnused) {}

  Status Read() {
    const Json* model = Member(json_, "model");
    const std::string type = model ? TextOf(*model, "type") : "none";
    if (type != "BPE" && type != "Unigram")
      return BadInput("{}: model.type: expected BPE or Unigram, found '{}'", path_, Shown(type));
    const Json* fallback = Member(*model, "byte_fallback");
    const bool falls_back = fallback && *fallback == Json(true);
    kind_ = type == "Unigram" ? VocabularyKind::kUnigram
            : falls_back      ? VocabularyKind::kSentencePiece
                              : VocabularyKind::kByteLevel;
    if (kind_ == VocabularyKind::kUnigram) return ReadPieces(*model, falls_back);
    const std::string unknown = TextOf(*model, "unk_token");
    const Json* vocab = Member(*model, "vocab");
    if (!vocab || !vocab->is_object()) return BadInput("{}: model.vocab: expected an object, found none", path_);
    for (const auto& [token, id] : vocab->items()) {
      const bool byte = falls_back && ByteOfToken(token);
      HEW_RETURN_IF_ERROR(Put("model.vocab", token, &id, byte ? kGgufByte : kGgufNormal));
    }
    HEW_RETURN_IF_ERROR(ReadAdded());
    if (const auto id = IdOf(unknown); falls_back && id) types_[*id] = kGgufUnknown;
    NameUnused();
    return ReadMerges(*model);
  }

  std::optional<uint32_t> IdOf(const std::string& token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? std::nullopt : std::optional<uint32_t>(at->second);
  }
  VocabularyKind kind() const { return kind_; }
  void Store(GgufMetadata* metadata) && {
    if (kind_ == VocabularyKind::kUnigram) {
      metadata->Set("tokenizer.ggml.scores", GgufArray(std::move(scores_)));
    } else if (kind_ == VocabularyKind::kSentencePiece) {
      metadata->Set("tokenizer.ggml.scores", GgufArray(ScoresFromMerges(tokens_, merges_)));
    } else {
      metadata->Set("tokenizer.ggml.merges", GgufArray(std::move(merges_)));
    }
    metadata->Set("tokenizer.ggml.tokens", GgufArray(std::move(tokens_)));
    metadata->Set("tokenizer.ggml.token_type", GgufArray(std::move(types_)));
  }

 private:
  Status Put(const char* field, const std::string& token, const Json* id, int32_t type) {
    const bool whole = id && id->is_number_integer() && *id >= 0 && *id < static_cast<int64_t>(tokens_.size());
    if (!whole) {
      return BadInput("{}: {}: '{}': expected an id below {} (the embedding's rows), found {}", path_, field,
                      Shown(token), tokens_.size(), id ? Shown(id->dump()) : "none");
    }
    const auto at = id->get<size_t>();
    if (types_[at] != kGgufUnused && tokens_[at] != token) {
      return BadInput("{}: {}: id {}: expected one token, found '{}' and '{}'", path_, field, at, Shown(tokens_[at]),
                      Shown(token));
    }
    tokens_[at] = token;
    types_[at] = type;
    ids_[token] = static_cast<uint32_t>(at);
    return {};
  }

  Status ReadAdded() {
    const Json* added = Member(json_, "added_tokens");
    if (!added) return {};
    if (!added->is_array()) return BadInput("{}: added_tokens: expected a list, found {}", path_, added->type_name());
    for (const Json& token : *added) {
      const Json* special = Member(token, "special");
      const int32_t type = special && *special == Json(true) ? kGgufControl : kGgufUserDefined;
      HEW_RETURN_IF_ERROR(Put("added_tokens", TextOf(token, "content"), Member(token, "id"), type));
    }
    return {};
  }

  void NameUnused() {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (types_[i] == kGgufUnused) tokens_[i] = fmt::format("[PAD{}]", i);
    }
  }

  // [piece, score], its id where it stands.
  Status ReadPieces(const Json& model, bool falls_back) {
    const Json* vocab = Member(model, "vocab");
    if (!vocab || !vocab->is_array()) return BadInput("{}: model.vocab: expected a list, found none", path_);
    scores_.assign(tokens_.size(), 0);
    for (size_t i = 0; i < vocab->size(); ++i) {
      const Json& piece = (*vocab)[i];
      if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
        return BadInput("{}: model.vocab: {}: expected a piece and its score, found {}", path_, i, Shown(piece.dump()));
      }
      const Json id = i;
      const auto text = piece[0].get<std::string>();
      const bool byte = falls_back && ByteOfToken(text);
      HEW_RETURN_IF_ERROR(Put("model.vocab", text, &id, byte ? kGgufByte : kGgufNormal));
      scores_[i] = piece[1].get<float>();
    }
    HEW_RETURN_IF_ERROR(ReadAdded());
    const Json* unknown = Member(model, "unk_id");
    if (!unknown || !unknown->is_number_unsigned() || *unknown >= vocab->size())
      return BadInput("{}: model.unk_id: expected an id, found {}", path_, unknown ? Shown(unknown->dump()) : "none");
    types_[unknown->get<size_t>()] = kGgufUnknown;
    NameUnused();
    return {};
  }

  // "a b" or ["a", "b"]
  Status ReadMerges(const Json& model) {
    const Json* merges = Member(model, "merges");
    if (!merges || !merges->is_array()) return BadInput("{}: model.merges: expected a list, found none", path_);
    for (const Json& merge : *merges) {
      const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
      if (!pair && !merge.is_string()) {
        return BadInput("{}: model.merges: {}: expected two tokens, found {}", path_, merges_.size(),
                        Shown(merge.dump()));
      }
      merges_.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                             : merge.get<std::string>());
    }
    return {};
  }

  const Json& json_;
  std::string path_;
  std::vector<std::string> tokens_, merges_;
  std::vector<int32_t> types_;
  std::vector<float> scores_;  // of pieces
  VocabularyKind kind_ = VocabularyKind::kByteLevel;
  std::unordered_map<std::string, uint32_t> ids_;
};

Json TreeOf(const Json& json, const char* key) {
  const Json* value = Member(json, key);
  return value ? *value : Json();
}

Result<PreTokenizerRule> RuleOf(const Json& json, const std::string& path) {
  auto rule = PreTokenizerLike(TreeOf(json, "normalizer"), TreeOf(json, "pre_tokenizer"));
  if (rule) return *std::move(rule);
  return BadInput("{}: pre_tokenizer: expected that of one of {} (GGUF stores a name for it), found {}", path,
                  KnownPreTokenizers(), Shown(TreeOf(json, "pre_tokenizer").dump(), 160));
}

Result<bool> SpacePrefixOf(const Json& normalizer, const Json& words, const std::string& path) {
  if (const auto prefix = SentencePieceSpacePrefix(normalizer, words)) return *prefix;
  return BadInput("{}: normalizer: expected SentencePiece's (spaces as U+2581, with one in front or not), found {}, {}",
                  path, Shown(normalizer.dump()), Shown(words.dump()));
}

// The special token that the post-processor puts before (`front`) or behind a single text; "" if none.
std::string SpecialAround(const Json* processor, bool front) {
  if (!processor || !processor->is_object()) return "";
  if (TextOf(*processor, "type") == "Sequence") {
    const Json* list = Member(*processor, "processors");
    for (const Json& one : list && list->is_array() ? *list : Json::array()) {
      if (std::string token = SpecialAround(&one, front); !token.empty()) return token;
    }
    return "";
  }
  const Json* single = Member(*processor, "single");
  if (TextOf(*processor, "type") != "TemplateProcessing" || !single || !single->is_array() || single->empty())
    return "";
  const Json* special = Member(front ? single->front() : single->back(), "SpecialToken");
  return special ? TextOf(*special, "id") : "";
}

// Those of tokenizer_config.json, text or an object with its content; else `around`, what the post-processor adds;
// else, but for BOS, the id of config.json (or the first of a list there). A BOS that the tokenizer itself does not
// know would be text in a chat template that knows none.
std::optional<uint32_t> SpecialId(const VocabularyWriter& vocabulary, const Json& tokenizer_config, const Json& config,
                                  const std::string& name, const std::string& around, int64_t vocab_size) {
  if (const Json* token = Member(tokenizer_config, name)) {
    const std::string text = token->is_string() ? token->get<std::string>() : TextOf(*token, "content");
    if (const auto id = vocabulary.IdOf(text)) return id;
  }
  if (const auto id = vocabulary.IdOf(around); id && !around.empty()) return id;
  if (name == "bos_token") return std::nullopt;
  const Json* id = Member(config, name + "_id");
  if (id && id->is_array() && !id->empty()) id = &id->front();
  if (!id || !id->is_number_integer() || *id < 0 || *id >= vocab_size) return std::nullopt;
  return id->get<uint32_t>();
}

Result<std::string> ReadTemplate(const std::string& folder, const Json& tokenizer_config) {
  const std::string path = folder + "/chat_template.jinja";
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return ReadFile(path, kMaxFileBytes);
  const Json* value = Member(tokenizer_config, "chat_template");
  if (!value) return std::string();
  if (value->is_string()) return value->get<std::string>();
  for (const Json& named : value->is_array() ? *value : Json::array()) {
    if (TextOf(named, "name") == "default") return TextOf(named, "template");
  }
  return std::string();
}

}  // namespace

Status TokenizerToGguf(const std::string& folder, const Json& config, int64_t vocab_size, GgufMetadata* metadata) {
  const std::string path = folder + "/tokenizer.json";
  HEW_ASSIGN(const std::string text, ReadFile(path, kMaxFileBytes));
  HEW_ASSIGN(const Json json, ParseJson(text, path));
  HEW_ASSIGN(const Json tokenizer_config, ReadOptionalJson(folder + "/tokenizer_config.json"));
  VocabularyWriter vocabulary(json, path, vocab_size);
  HEW_RETURN_IF_ERROR(vocabulary.Read());
  bool space_prefix = false;
  if (vocabulary.kind() != VocabularyKind::kByteLevel) {
    const bool pieces = vocabulary.kind() == VocabularyKind::kUnigram;
    Json words = TreeOf(json, "pre_tokenizer");
    const Json* pattern = Member(words, "pattern");
    if (pieces && pattern && TextOf(*pattern, "Regex") == kUnigramWords) words = nullptr;  // changes no piece
    HEW_ASSIGN(space_prefix, SpacePrefixOf(TreeOf(json, "normalizer"), words, path));
    metadata->Set("tokenizer.ggml.model", std::string(pieces ? "t5" : "llama"));
    metadata->Set("tokenizer.ggml.pre", std::string("default"));
    if (pieces) metadata->Set("tokenizer.ggml.remove_extra_whitespaces", false);
  } else {
    HEW_ASSIGN(const PreTokenizerRule rule, RuleOf(json, path));
    metadata->Set("tokenizer.ggml.model", std::string("gpt2"));
    metadata->Set("tokenizer.ggml.pre", std::string(rule.pre));
  }
  const Json* processor = Member(json, "post_processor");
  const std::string before = SpecialAround(processor, true), behind = SpecialAround(processor, false);
  for (const auto& [key, name, around] : {std::tuple{"bos_token_id", "bos_token", before},
                                          {"eos_token_id", "eos_token", behind},
                                          {"padding_token_id", "pad_token", std::string()},
                                          {"unknown_token_id", "unk_token", std::string()}}) {
    const auto id = SpecialId(vocabulary, tokenizer_config, config, name, around, vocab_size);
    if (id) metadata->Set(std::string("tokenizer.ggml.") + key, *id);
  }
  metadata->Set("tokenizer.ggml.add_bos_token", !before.empty());
  const bool ends = vocabulary.kind() == VocabularyKind::kUnigram;  // t5 has one unless the file says no
  if (!behind.empty() || ends) metadata->Set("tokenizer.ggml.add_eos_token", !behind.empty());
  metadata->Set("tokenizer.ggml.add_space_prefix", space_prefix);
  HEW_ASSIGN(const std::string chat_template, ReadTemplate(folder, tokenizer_config));
  if (!chat_template.empty()) metadata->Set("tokenizer.chat_template", chat_template);
  std::move(vocabulary).Store(metadata);
  return {};
}

}  // namespace hew
