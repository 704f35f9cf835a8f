// Tokenizers out of GGUF metadata, as llama.cpp reads them.
#include <algorithm>
#include <limits>

#include "base/shown.h"
#include "formats/end_of_turn.h"
#include "formats/sentencepiece_spelling.h"
#include "text/bpe.h"
#include "text/byte_level.h"
#include "text/charsmap.h"
#include "text/spm.h"
#include "text/tokenizer_parts.h"
#include "text/unigram.h"

namespace hew {
namespace {

// tokenizer.ggml.token_type
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

// What tokenizer.ggml.model says.
struct Defaults {
  const char* kind;
  bool byte_level;  // tokens are spelled as GPT-2 spells bytes; else with U+2581 for a space
  std::optional<int32_t> bos, eos, unk, pad;
  bool add_bos = false, add_eos = false;
};

Result<Defaults> DefaultsOf(const std::string& model, bool byte_level) {
  if (model == "gpt2" || model == "gemma4") return Defaults{"bpe", byte_level, {}, {}, {}, {}, false, false};
  if (model == "llama") return Defaults{"spm", false, 1, 2, 0, {}, true, false};
  if (model == "t5") return Defaults{"unigram", false, {}, 1, 2, 0, false, true};
  return BadInput("tokenizer.ggml.model: expected gpt2, gemma4, llama or t5, found '{}'", Shown(model));
}

class Reader {
 public:
  explicit Reader(const GgufMetadata& metadata) : metadata_(metadata) {}

  Result<TokenizerParts> Read() {
    HEW_ASSIGN(const std::string model, metadata_.GetString("tokenizer.ggml.model"));
    HEW_ASSIGN(std::string pre, metadata_.GetStringOr("tokenizer.ggml.pre", "default"));
    if (model == "gemma4") pre = "gemma4";
    const bool is_bpe = model == "gpt2" || model == "gemma4";
    if (is_bpe) {
      HEW_ASSIGN(parts_.pre, PreTokenizer::FromGgufName(pre));
    }
    HEW_ASSIGN(defaults_, DefaultsOf(model, parts_.pre.byte_level));
    parts_.kind = defaults_.kind;
    HEW_RETURN_IF_ERROR(ReadLists());
    HEW_RETURN_IF_ERROR(AddTokens());
    HEW_ASSIGN(unknown_, ReadId("unknown", defaults_.unk));
    HEW_ASSIGN(parts_.bos, ReadId("bos", defaults_.bos));
    HEW_ASSIGN(parts_.eos, ReadId("eos", defaults_.eos));
    HEW_ASSIGN(parts_.pad, ReadId("padding", defaults_.pad));
    if (is_bpe) {
      HEW_RETURN_IF_ERROR(MakeBpe());
    } else if (model == "llama") {
      HEW_RETURN_IF_ERROR(MakeSpm());
    } else {
      HEW_RETURN_IF_ERROR(MakeUnigram());
    }
    HEW_ASSIGN(parts_.add_bos,
               metadata_.GetBoolOr("tokenizer.ggml.add_bos_token", defaults_.add_bos || parts_.pre.add_bos));
    HEW_ASSIGN(parts_.add_eos, metadata_.GetBoolOr("tokenizer.ggml.add_eos_token", defaults_.add_eos));
    HEW_ASSIGN(parts_.chat_template, metadata_.GetStringOr("tokenizer.chat_template", ""));
    parts_.ends.AddId(parts_.eos);
    for (const char* name : {"eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
      HEW_ASSIGN(const auto id, ReadId(name, std::nullopt));
      parts_.ends.AddId(id);
    }
    return std::move(parts_);
  }

 private:
  // An id in the metadata, checked against the vocabulary; a default beyond it is none.
  Result<std::optional<int32_t>> ReadId(const char* name, std::optional<int32_t> otherwise) const {
    const auto size = static_cast<int64_t>(tokens_->size());
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    if (!metadata_.Find(key)) return otherwise && *otherwise < size ? otherwise : std::nullopt;
    HEW_ASSIGN(const int64_t id, metadata_.GetInt(key));
    if (id < 0 || id >= size) return BadInput("{}: expected an id below {}, found {}", key, size, id);
    return std::optional(static_cast<int32_t>(id));
  }

  Status ReadLists() {
    HEW_ASSIGN(tokens_, metadata_.GetArray<std::string>("tokenizer.ggml.tokens"));
    if (!tokens_ || tokens_->empty()) return BadInput("tokenizer.ggml.tokens: expected a list of tokens, found none");
    HEW_ASSIGN(types_, metadata_.GetArray<int32_t>("tokenizer.ggml.token_type"));
    if (types_ && types_->size() != tokens_->size()) {
      return BadInput("tokenizer.ggml.token_type: expected {} types (one a token), found {}", tokens_->size(),
                      types_->size());
    }
    HEW_ASSIGN(scores_, metadata_.GetArray<float>("tokenizer.ggml.scores"));
    if (scores_ && scores_->size() != tokens_->size()) {
      return BadInput("tokenizer.ggml.scores: expected {} scores (one a token), found {}", tokens_->size(),
                      scores_->size());
    }
    return {};
  }

  int32_t TypeOf(size_t id) const { return types_ ? (*types_)[id] : kNormal; }
  float ScoreOf(size_t id) const { return scores_ ? (*scores_)[id] : 0; }
  // Some files give their end tokens a wrong type.
  bool IsControl(size_t id) const {
    return TypeOf(id) == kControl || TypeOf(id) == kUnknown || EndsTurn((*tokens_)[id]);
  }

  std::string BytesOf(size_t id) const {
    const std::string& token = (*tokens_)[id];
    if (IsControl(id) || TypeOf(id) == kUserDefined) return token;
    if (defaults_.byte_level) return BytesFromByteLevel(token).value_or(token);
    const auto byte = TypeOf(id) == kByte ? ByteOfToken(token) : std::nullopt;
    return byte ? std::string(1, static_cast<char>(*byte)) : ReplaceAll(token, kSpaceSign, " ");
  }

  Status AddTokens() {
    HEW_ASSIGN(const std::string name, metadata_.GetStringOr("general.name", ""));
    std::unordered_map<std::string_view, size_t> seen;
    seen.reserve(tokens_->size());
    parts_.bytes.reserve(tokens_->size());
    parts_.kinds.reserve(tokens_->size());
    for (size_t i = 0; i < tokens_->size(); ++i) {
      const std::string& token = (*tokens_)[i];
      const auto [earlier, fresh] = seen.emplace(token, i);
      if (!fresh && !token.empty()) {
        return BadInput("tokenizer.ggml.tokens: expected each token once, found '{}' as {} and {}", Shown(token),
                        earlier->second, i);
      }
      const auto id = static_cast<int32_t>(i);
      const bool control = IsControl(i), user = TypeOf(i) == kUserDefined;
      if (control || user) {
        SpecialToken special{token, id, control};
        special.strip_right = TakesSpaceBehind(name, token);
        parts_.special.Add(std::move(special));
      }
      parts_.bytes.push_back(BytesOf(i));
      parts_.kinds.push_back(control ? TokenKind::kControl : user ? TokenKind::kUserDefined : TokenKind::kNormal);
      parts_.ends.AddNamed(token, id);
    }
    return {};
  }

  // A token's name as the model knows it. Byte-level: its bytes; nullopt where it has none.
  std::optional<std::string> Name(std::string_view token) const {
    return defaults_.byte_level ? BytesFromByteLevel(token) : std::optional(std::string(token));
  }

  Status MakeBpe() {
    auto bpe = std::make_unique<Bpe>(defaults_.byte_level ? Bpe::Alphabet::kBytes : Bpe::Alphabet::kCharacters);
    bpe->set_ignore_merges(parts_.pre.ignore_merges);
    bpe->set_whole_newlines(parts_.pre.whole_newlines);
    bpe->set_byte_fallback(true);
    bpe->Reserve(tokens_->size());
    for (size_t i = 0; i < tokens_->size(); ++i) {
      if (TypeOf(i) == kControl || TypeOf(i) == kUnknown) continue;  // merges may use a word that a user added
      auto name = Name((*tokens_)[i]);
      if (name && !name->empty()) bpe->AddToken(*std::move(name), static_cast<int32_t>(i));
    }
    HEW_RETURN_IF_ERROR(AddMerges(bpe.get()));
    bpe->Finish();
    parts_.model = std::move(bpe);
    if (parts_.pre.escapes_spaces) EscapeSpaces();
    return {};
  }

  Status AddMerges(Bpe* bpe) {
    HEW_ASSIGN(const auto* merges, metadata_.GetArray<std::string>("tokenizer.ggml.merges"));
    if (!merges) return BadInput("tokenizer.ggml.merges: expected a list of merges, found none");
    bpe->ReserveMerges(merges->size());
    for (size_t rank = 0; rank < merges->size(); ++rank) {
      const std::string& merge = (*merges)[rank];
      const size_t space = merge.find(' ', 1);  // a left side may itself begin with a space
      const bool two = space != std::string::npos;
      const auto left = two ? Name(std::string_view(merge).substr(0, space)) : std::nullopt;
      const auto right = two ? Name(std::string_view(merge).substr(space + 1)) : std::nullopt;
      if (!left || !right || !bpe->AddMerge(*left, *right, static_cast<int32_t>(rank))) {
        return BadInput("tokenizer.ggml.merges: merge {}: expected two tokens that make a token, found '{}'", rank,
                        Shown(merge));
      }
    }
    return {};
  }

  void EscapeSpaces() {
    parts_.normalizers.push_back([](std::string_view text) { return ReplaceAll(text, " ", kSpaceSign); });
  }

  Status MakeSpm() {
    auto spm = std::make_unique<Spm>();
    spm->Reserve(tokens_->size());
    for (size_t i = 0; i < tokens_->size(); ++i) {
      const auto id = static_cast<int32_t>(i);
      const auto byte = TypeOf(i) == kByte ? ByteOfToken((*tokens_)[i]) : std::nullopt;
      if (byte) {
        spm->SetByte(*byte, id);
      } else if (!IsControl(i) && !(*tokens_)[i].empty()) {
        spm->AddToken((*tokens_)[i], id, ScoreOf(i));
      }
    }
    spm->set_unknown(unknown_);
    parts_.model = std::move(spm);
    HEW_ASSIGN(parts_.space_before_text, metadata_.GetBoolOr("tokenizer.ggml.add_space_prefix", true));
    parts_.drops_space = parts_.space_before_text;
    EscapeSpaces();
    return {};
  }

  Status MakeUnigram() {
    if (!unknown_) return BadInput("tokenizer.ggml.unknown_token_id: expected an id, found none");
    std::vector<Unigram::Token> tokens;
    std::vector<int32_t> bytes(256, -1);  // a file that has them all was learned with them; llama.cpp leaves them out
    double least = std::numeric_limits<float>::max();
    for (size_t i = 0; i < tokens_->size(); ++i) {
      const int32_t type = TypeOf(i);
      if (const auto byte = type == kByte ? ByteOfToken((*tokens_)[i]) : std::nullopt)
        bytes[*byte] = static_cast<int32_t>(i);
      if (type == kNormal) least = std::min(least, static_cast<double>(ScoreOf(i)));
      if (IsControl(i) || (type != kNormal && type != kUserDefined && type != kUnused)) continue;
      if ((*tokens_)[i].size() > Unigram::kMaxTokenBytes) {
        return BadInput("tokenizer.ggml.tokens: {}: expected at most {} bytes, found {}", i, Unigram::kMaxTokenBytes,
                        (*tokens_)[i].size());
      }
      const double score = type == kUserDefined ? 0 : static_cast<double>(ScoreOf(i));
      tokens.push_back({(*tokens_)[i], static_cast<int32_t>(i), score});
    }
    if (std::find(bytes.begin(), bytes.end(), -1) != bytes.end()) bytes.clear();
    const float unknown_score = static_cast<float>(least) - 10.0f;
    parts_.model =
        std::make_unique<Unigram>(std::move(tokens), *unknown_, static_cast<double>(unknown_score), std::move(bytes));
    return AddUnigramNormalizer();
  }

  // A list of signed or unsigned bytes; "" if there is none.
  Result<std::string> ReadBytes(const char* key) const {
    const auto bytes = metadata_.GetArray<uint8_t>(key);
    if (bytes) return *bytes ? std::string((*bytes)->begin(), (*bytes)->end()) : std::string();
    HEW_ASSIGN(const auto* values, metadata_.GetArray<int8_t>(key));
    return std::string(values->begin(), values->end());
  }

  Status AddUnigramNormalizer() {
    HEW_ASSIGN(const bool prefix, metadata_.GetBoolOr("tokenizer.ggml.add_space_prefix", false));
    HEW_ASSIGN(const bool merge, metadata_.GetBoolOr("tokenizer.ggml.remove_extra_whitespaces", false));
    parts_.drops_space = prefix;
    HEW_ASSIGN(const std::string blob, ReadBytes("tokenizer.ggml.precompiled_charsmap"));
    std::optional<Charsmap> map;
    if (!blob.empty()) {
      auto parsed = Charsmap::Parse(blob);
      if (!parsed) return Annotate("tokenizer.ggml.precompiled_charsmap", std::move(parsed).error());
      map = *std::move(parsed);
    }
    std::vector<std::pair<std::string_view, int32_t>> words;
    for (size_t i = 0; i < tokens_->size(); ++i) {
      if (TypeOf(i) == kUserDefined) words.emplace_back((*tokens_)[i], 0);
    }
    parts_.normalizers.push_back(SentencePieceNormalizer(std::move(map), Trie(std::move(words)), prefix, merge));
    return {};
  }

  const GgufMetadata& metadata_;
  TokenizerParts parts_;
  Defaults defaults_;
  const std::vector<std::string>* tokens_ = nullptr;
  const std::vector<int32_t>* types_ = nullptr;  // may be null: all normal
  const std::vector<float>* scores_ = nullptr;   // may be null: all 0
  std::optional<int32_t> unknown_;
};

}  // namespace

Result<TokenizerParts> TokenizerPartsFromGguf(const GgufMetadata& metadata) { return Reader(metadata).Read(); }

}  // namespace hew
