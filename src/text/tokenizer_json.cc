// Tokenizers out of a tokenizer.json, as the `tokenizers` library reads it.
#include <algorithm>
#include <limits>

#include "text/bpe.h"
#include "text/byte_level.h"
#include "text/json_fields.h"
#include "text/pretokenizer_json.h"
#include "text/tokenizer_parts.h"
#include "text/unigram.h"

namespace hew {
namespace {

constexpr int64_t kMaxId = 16'000'000;  // no vocabulary is larger; a wild id must not make a wild table

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  std::optional<int32_t> AddedToken(const std::string& text) const {
    const auto at = by_text_.find(text);
    return at == by_text_.end() ? std::nullopt : std::optional(at->second);
  }

  Result<TokenizerParts> Read(const Json& json) {
    const Json& model = FieldOf(json, "model");
    std::string type = TextOf(model, "type");
    // Old files leave the type out; merges tell that it is BPE.
    if (type.empty() && FieldOf(model, "merges").is_array()) type = "BPE";
    if (type != "BPE" && type != "Unigram") {
      return BadInput("{}: model.type: expected BPE or Unigram, found '{}'", name_, Shown(type));
    }
    parts_.kind = type == "BPE" ? "bpe" : "unigram";
    parts_.special = SpecialTokens(SpecialTokens::Order::kLeftmost);
    parts_.normalized_special = SpecialTokens(SpecialTokens::Order::kLeftmost);
    HEW_ASSIGN(parts_.normalizers, ReadNormalizers(FieldOf(json, "normalizer"), name_));
    HEW_ASSIGN(parts_.pre, ReadPreTokenizer(FieldOf(json, "pre_tokenizer"), name_));
    ReadDecoder(FieldOf(json, "decoder"));
    if (type == "BPE") {
      HEW_RETURN_IF_ERROR(ReadBpeVocab(FieldOf(model, "vocab")));
    } else {
      HEW_RETURN_IF_ERROR(ReadUnigramVocab(model));
    }
    HEW_RETURN_IF_ERROR(ReadAddedTokens(FieldOf(json, "added_tokens")));
    if (type == "BPE") {
      HEW_RETURN_IF_ERROR(MakeBpe(model));
    } else {
      HEW_RETURN_IF_ERROR(MakeUnigram(model));
    }
    HEW_RETURN_IF_ERROR(ReadPostProcessor(FieldOf(json, "post_processor")));
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

  // A token of the vocabulary by its spelling.
  Status PlaceToken(const std::string& token, const Json& value) {
    const std::string where = "model.vocab: '" + Shown(token) + "'";
    if (!value.is_number_integer())
      return BadInput("{}: {}: expected an id, found {}", name_, where, Shown(value.dump()));
    const bool wild = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kMaxId);
    const int64_t id = wild ? kMaxId : value.get<int64_t>();
    HEW_RETURN_IF_ERROR(Place(id, where));
    if (taken_[static_cast<size_t>(id)]) {
      return BadInput("{}: {}: expected an id of its own, found {} again", name_, where, id);
    }
    taken_[static_cast<size_t>(id)] = true;
    parts_.bytes[static_cast<size_t>(id)] = BytesOf(token);
    return {};
  }

  // What a token of the vocabulary stands for in the text.
  std::string BytesOf(const std::string& token) const {
    if (parts_.pre.byte_level) return BytesFromByteLevel(token).value_or(token);
    if (const auto byte = byte_tokens_ ? ByteOfToken(token) : std::nullopt) return {static_cast<char>(*byte)};
    return space_sign_.empty() ? token : ReplaceAll(token, space_sign_, " ");
  }

  Status ReadBpeVocab(const Json& vocab) {
    if (!vocab.is_object() || vocab.empty())
      return BadInput("{}: model.vocab: expected an object of tokens and ids, found {}", name_, vocab.type_name());
    for (const auto& [token, value] : vocab.items()) HEW_RETURN_IF_ERROR(PlaceToken(token, value));
    return {};
  }

  // Ids are positions in a list of pairs: token, score.
  Status ReadUnigramVocab(const Json& model) {
    const Json& vocab = FieldOf(model, "vocab");
    if (!vocab.is_array() || vocab.empty())
      return BadInput("{}: model.vocab: expected a list of tokens and scores, found {}", name_, vocab.type_name());
    int64_t id = 0;
    for (const auto& entry : vocab) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
        return BadInput("{}: model.vocab: {}: expected a token and a score, found {}", name_, id, Shown(entry.dump()));
      }
      if (entry[0].get_ref<const std::string&>().size() > Unigram::kMaxTokenBytes) {
        return BadInput("{}: model.vocab: {}: expected at most {} bytes, found more", name_, id,
                        Unigram::kMaxTokenBytes);
      }
      HEW_RETURN_IF_ERROR(PlaceToken(entry[0].get<std::string>(), id++));
    }
    return {};
  }

  // Control tokens stay out of the model: no text can become one by merging.
  bool InModel(int32_t id) const { return parts_.kinds[static_cast<size_t>(id)] != TokenKind::kControl; }

  // A token's name in the Bpe: its bytes where those are spelled, else itself.
  std::optional<std::string> Name(const std::string& token) const {
    return parts_.pre.byte_level ? BytesFromByteLevel(token) : std::optional(token);
  }

  Status MakeBpe(const Json& model) {
    if (!TextOf(model, "continuing_subword_prefix").empty() || !TextOf(model, "end_of_word_suffix").empty()) {
      return BadInput("{}: model: expected no subword prefix or suffix, found one", name_);
    }
    const Json& vocab = FieldOf(model, "vocab");
    auto bpe = std::make_unique<Bpe>(parts_.pre.byte_level ? Bpe::Alphabet::kBytes : Bpe::Alphabet::kCharacters);
    bpe->Reserve(vocab.size());
    const std::string unknown = TextOf(model, "unk_token");
    for (const auto& [token, value] : vocab.items()) {
      const auto id = value.get<int32_t>();  // checked by ReadBpeVocab
      if (!unknown.empty() && token == unknown) bpe->set_unknown(id, FlagOf(model, "fuse_unk"));
      const auto name = InModel(id) ? Name(token) : std::nullopt;
      if (name && !name->empty()) bpe->AddToken(*name, id);
    }
    HEW_RETURN_IF_ERROR(ReadMerges(FieldOf(model, "merges"), bpe.get()));
    bpe->set_ignore_merges(FlagOf(model, "ignore_merges"));
    bpe->set_byte_fallback(FlagOf(model, "byte_fallback"));
    bpe->Finish();
    parts_.model = std::move(bpe);
    return {};
  }

  Status MakeUnigram(const Json& model) {
    const Json& vocab = FieldOf(model, "vocab");
    const Json& unknown = FieldOf(model, "unk_id");
    const int64_t unknown_id = unknown.is_number_integer() ? unknown.get<int64_t>() : 0;
    if (unknown_id < 0 || unknown_id >= static_cast<int64_t>(vocab.size())) {
      return BadInput("{}: model.unk_id: expected an id below {}, found {}", name_, vocab.size(), unknown_id);
    }
    std::vector<Unigram::Token> tokens;
    std::vector<int32_t> bytes(256, -1);
    double least = std::numeric_limits<double>::max();
    for (size_t i = 0; i < vocab.size(); ++i) {
      const auto id = static_cast<int32_t>(i);
      const auto& token = vocab[i][0].get_ref<const std::string&>();
      const double score = vocab[i][1].get<double>();
      least = std::min(least, score);
      if (const auto byte = ByteOfToken(token)) bytes[*byte] = id;
      if (InModel(id) && id != unknown_id) tokens.push_back({token, id, score});
    }
    const bool all_bytes = std::find(bytes.begin(), bytes.end(), -1) == bytes.end();
    if (!FlagOf(model, "byte_fallback") || !all_bytes) bytes.clear();
    parts_.model =
        std::make_unique<Unigram>(std::move(tokens), static_cast<int32_t>(unknown_id), least - 10, std::move(bytes));
    return {};
  }

  // How tokens become text again: what stands for a space, whether tokens spell bytes, whether a space that encoding
  // put in front goes.
  void ReadDecoder(const Json& json) {
    const std::string type = TextOf(json, "type");
    if (type == "Sequence" && FieldOf(json, "decoders").is_array()) {
      for (const auto& part : FieldOf(json, "decoders")) ReadDecoder(part);
    } else if (type == "Metaspace") {
      space_sign_ = TextOf(json, "replacement");
      const std::string scheme = TextOf(json, "prepend_scheme");
      parts_.drops_space = scheme.empty() ? FlagOf(json, "add_prefix_space", true) : scheme != "never";
    } else if (type == "Replace" && TextOf(json, "content") == " ") {
      space_sign_ = TextOf(FieldOf(json, "pattern"), "String");
    } else if (type == "ByteFallback") {
      byte_tokens_ = true;
    } else if (type == "Strip" && TextOf(json, "content") == " " && FieldOf(json, "start") == 1) {
      parts_.drops_space = true;
    }
  }

  Status ReadAddedTokens(const Json& added) {
    if (added.is_null()) return {};
    if (!added.is_array()) return BadInput("{}: added_tokens: expected a list, found {}", name_, added.type_name());
    for (const auto& token : added) {
      const std::string content = TextOf(token, "content");
      if (!FieldOf(token, "id").is_number_integer() || content.empty()) {
        return BadInput("{}: added_tokens: expected id and content in each, found {}", name_, Shown(token.dump()));
      }
      const auto id = FieldOf(token, "id").get<int64_t>();
      HEW_RETURN_IF_ERROR(Place(id, "added_tokens: '" + Shown(content) + "'"));
      const auto at = static_cast<size_t>(id);
      const bool control = FlagOf(token, "special");
      if (taken_[at] && parts_.bytes[at] != content && parts_.bytes[at] != BytesOf(content)) {
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
    token.strip_left = FlagOf(json, "lstrip");
    token.strip_right = FlagOf(json, "rstrip");
    token.single_word = FlagOf(json, "single_word");
    by_text_.try_emplace(token.text, token.id);
    if (!FlagOf(json, "normalized", !token.control)) return parts_.special.Add(std::move(token));
    for (const auto& normalize : parts_.normalizers) token.text = normalize(token.text);
    parts_.normalized_special.Add(std::move(token));
  }

  // "a b", or ["a", "b"].
  Status ReadMerges(const Json& merges, Bpe* bpe) {
    if (!merges.is_array()) return BadInput("{}: model.merges: expected a list, found {}", name_, merges.type_name());
    bpe->ReserveMerges(merges.size());
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
      const auto l = Name(left), r = Name(right);
      if (left.empty() || right.empty() || !l || !r || !bpe->AddMerge(*l, *r, rank)) {
        return BadInput("{}: model.merges: merge {}: expected two tokens that make a token, found {}", name_, rank,
                        Shown(merge.dump()));
      }
      ++rank;
    }
    return {};
  }

  // What stands before and after the text in TemplateProcessing's `single`.
  Status ReadPostProcessor(const Json& json) {
    const std::string type = TextOf(json, "type");
    if (type == "Sequence" && FieldOf(json, "processors").is_array()) {
      for (const auto& part : FieldOf(json, "processors")) HEW_RETURN_IF_ERROR(ReadPostProcessor(part));
    } else if (type == "TemplateProcessing" && FieldOf(json, "single").is_array()) {
      bool after = false;
      for (const auto& part : FieldOf(json, "single")) {
        if (part.contains("Sequence")) after = true;
        const std::string token = TextOf(FieldOf(part, "SpecialToken"), "id");
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
  TokenizerParts parts_;
  std::unordered_map<std::string, int32_t> by_text_;  // the added tokens
  std::vector<bool> taken_;
  std::string space_sign_;    // of the decoder: stands for a space; empty: nothing does
  bool byte_tokens_ = false;  // of the decoder: "<0x0A>" is a byte
};

// bos_token and the like: text, or {"content": text}.
std::string TokenText(const Json& config, const char* key) {
  const Json& value = FieldOf(config, key);
  return value.is_object() ? TextOf(value, "content") : TextOf(config, key);
}

std::string TemplateText(const Json& config) {
  const Json& value = FieldOf(config, "chat_template");
  if (!value.is_array()) return TextOf(config, "chat_template");
  for (const auto& entry : value) {
    if (TextOf(entry, "name") == "default") return TextOf(entry, "template");
  }
  return "";
}

}  // namespace

Result<TokenizerParts> TokenizerPartsFromJson(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
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
