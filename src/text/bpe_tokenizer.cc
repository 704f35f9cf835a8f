#include "text/bpe_tokenizer.h"

#include "text/byte_level.h"

namespace hew {

BpeTokenizer::BpeTokenizer(BpeParts parts) : parts_(std::move(parts)) {
  parts_.bpe.Finish();
  parts_.special.Finish();
  parts_.normalized_special.Finish();
  bos_ = parts_.bos;
  eos_ = parts_.eos;
  pad_ = parts_.pad;
  end_ids_ = parts_.ends.Ids();
  add_bos_ = parts_.add_bos && bos_.has_value();
  add_eos_ = parts_.add_eos && eos_.has_value();
  chat_template_ = parts_.chat_template;
}

std::vector<int32_t> BpeTokenizer::Encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  const auto found = [&](int32_t id) { ids.push_back(id); };
  const auto word = [&](std::string_view piece) { parts_.bpe.Encode(piece, &ids); };
  const auto plain = [&](std::string_view piece) { parts_.pre.Split(piece, word); };
  const auto normalize = [&](std::string_view piece) {
    std::string normalized(piece);
    for (const auto& step : parts_.normalizers) normalized = step(normalized);
    const auto begin = static_cast<size_t>(piece.data() - text.data());
    const auto data = SpansWithin(options.data, begin, begin + piece.size());
    // Where the text changed, the data in it cannot be found again: no control token is taken there.
    const bool parse = options.parse_special && (data.empty() || normalized == piece);
    parts_.normalized_special.Split(normalized, {parse, data}, plain, found);
  };
  parts_.special.Split(text, {options.parse_special, options.data}, normalize, found);
  if (options.add_special) {
    // A text that begins with BOS already (a rendered template) does not get a second one; the same for EOS.
    if (add_bos_ && (ids.empty() || ids.front() != *bos_)) ids.insert(ids.begin(), *bos_);
    if (add_eos_ && (ids.empty() || ids.back() != *eos_)) ids.push_back(*eos_);
  }
  return ids;
}

std::string BpeTokenizer::TokenBytes(int32_t id, bool special) const {
  if (id < 0 || id >= vocab_size() || (!special && IsSpecial(id))) return "";
  return parts_.bytes[static_cast<size_t>(id)];
}

std::optional<int32_t> BpeTokenizer::TokenId(std::string_view token) const {
  if (const auto id = parts_.special.Find(token)) return id;
  if (const auto id = parts_.normalized_special.Find(token)) return id;
  const auto bytes = BytesFromByteLevel(token);
  if (!bytes) return std::nullopt;
  const auto at = parts_.bpe.ids().find(*bytes);
  return at == parts_.bpe.ids().end() ? std::nullopt : std::optional(at->second);
}

}  // namespace hew
