// Byte-level BPE out of GGUF metadata, as llama.cpp reads it.
#include "base/shown.h"
#include "text/bpe_tokenizer.h"
#include "text/byte_level.h"

namespace hew {
namespace {

constexpr int32_t kTypeNormal = 1, kTypeUnknown = 2, kTypeControl = 3,
                  kTypeUserDefined = 4;  // tokenizer.ggml.token_type

// An optional id in the metadata, checked against the vocabulary.
Result<std::optional<int32_t>> ReadId(const GgufMetadata& metadata, const std::string& key, size_t vocab_size) {
  if (!metadata.Find(key)) return std::optional<int32_t>();
  HEW_ASSIGN(const int64_t id, metadata.GetInt(key));
  if (id < 0 || id >= static_cast<int64_t>(vocab_size))
    return BadInput("{}: expected an id below {}, found {}", key, vocab_size, id);
  return std::optional(static_cast<int32_t>(id));
}

Status AddTokens(const GgufMetadata& metadata, const std::vector<std::string>& tokens, BpeParts& parts) {
  HEW_ASSIGN(const auto* types, metadata.GetArray<int32_t>("tokenizer.ggml.token_type"));
  if (types && types->size() != tokens.size()) {
    return BadInput("tokenizer.ggml.token_type: expected {} types (one a token), found {}", tokens.size(),
                    types->size());
  }
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(tokens.size());
  parts.bpe.Reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    const auto [earlier, fresh] = seen.emplace(token, i);
    if (!fresh && !token.empty()) {
      return BadInput("tokenizer.ggml.tokens: expected each token once, found '{}' as {} and {}", Shown(token),
                      earlier->second, i);
    }
    const auto id = static_cast<int32_t>(i);
    const int32_t type = types ? (*types)[i] : kTypeNormal;
    const bool special = type == kTypeControl || type == kTypeUnknown, user = type == kTypeUserDefined;
    const bool control = special || EndsTurn(token);  // some files give their end tokens a wrong type
    const auto bytes = BytesFromByteLevel(token);
    if (control || user) parts.special.Add(SpecialToken{token, id, control});
    if (bytes && !bytes->empty() && !special)
      parts.bpe.AddToken(*bytes, id);  // merges may use a word that a user added
    parts.bytes.push_back(bytes && !control && !user ? *bytes : token);
    parts.kinds.push_back(control ? TokenKind::kControl : user ? TokenKind::kUserDefined : TokenKind::kNormal);
    parts.ends.AddNamed(token, id);
  }
  return {};
}

Status AddMerges(const GgufMetadata& metadata, BpeParts& parts) {
  HEW_ASSIGN(const auto* merges, metadata.GetArray<std::string>("tokenizer.ggml.merges"));
  if (!merges) return BadInput("tokenizer.ggml.merges: expected a list of merges, found none");
  parts.bpe.ReserveMerges(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string& merge = (*merges)[rank];
    const size_t space = merge.find(' ', 1);  // a left side may itself begin with a space
    const auto left =
        space == std::string::npos ? std::nullopt : BytesFromByteLevel(std::string_view(merge).substr(0, space));
    const auto right =
        space == std::string::npos ? std::nullopt : BytesFromByteLevel(std::string_view(merge).substr(space + 1));
    if (!left || !right || !parts.bpe.AddMerge(*left, *right, static_cast<int32_t>(rank))) {
      return BadInput("tokenizer.ggml.merges: merge {}: expected two tokens that make a token, found '{}'", rank,
                      Shown(merge));
    }
  }
  return {};
}

}  // namespace

Result<BpeParts> BpePartsFromGguf(const GgufMetadata& metadata) {
  HEW_ASSIGN(const auto* tokens, metadata.GetArray<std::string>("tokenizer.ggml.tokens"));
  if (!tokens || tokens->empty()) return BadInput("tokenizer.ggml.tokens: expected a list of tokens, found none");
  BpeParts parts;
  HEW_ASSIGN(const std::string pre, metadata.GetStringOr("tokenizer.ggml.pre", "default"));
  HEW_ASSIGN(parts.pre, PreTokenizer::FromGgufName(pre));
  parts.bpe.set_ignore_merges(parts.pre.ignore_merges);
  HEW_RETURN_IF_ERROR(AddTokens(metadata, *tokens, parts));
  HEW_RETURN_IF_ERROR(AddMerges(metadata, parts));
  HEW_ASSIGN(parts.bos, ReadId(metadata, "tokenizer.ggml.bos_token_id", tokens->size()));
  HEW_ASSIGN(parts.eos, ReadId(metadata, "tokenizer.ggml.eos_token_id", tokens->size()));
  HEW_ASSIGN(parts.pad, ReadId(metadata, "tokenizer.ggml.padding_token_id", tokens->size()));
  HEW_ASSIGN(parts.add_bos, metadata.GetBoolOr("tokenizer.ggml.add_bos_token", parts.pre.add_bos));
  HEW_ASSIGN(parts.add_eos, metadata.GetBoolOr("tokenizer.ggml.add_eos_token", false));
  HEW_ASSIGN(parts.chat_template, metadata.GetStringOr("tokenizer.chat_template", ""));
  for (const char* name : {"eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
    HEW_ASSIGN(const auto id, ReadId(metadata, fmt::format("tokenizer.ggml.{}_token_id", name), tokens->size()));
    parts.ends.AddId(id);
  }
  return parts;
}

}  // namespace hew
