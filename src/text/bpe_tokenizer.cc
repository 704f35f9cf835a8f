#include "text/bpe_tokenizer.h"

#include <algorithm>

#include "text/byte_level.h"

namespace hew {

BpeTokenizer::BpeTokenizer(BpeParts parts) : parts_(std::move(parts)) {
  bos_ = parts_.bos;
  eos_ = parts_.eos;
  pad_ = parts_.pad;
  end_ids_ = parts_.end_ids;
  add_bos_ = parts_.add_bos && bos_.has_value();
  add_eos_ = parts_.add_eos && eos_.has_value();
  chat_template_ = parts_.chat_template;
}

std::vector<int32_t> BpeTokenizer::Encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  const auto words = [&](std::string_view piece) { parts_.pre.Split(piece, [&](std::string_view word) { parts_.bpe.Encode(word, &ids); }); };
  const auto encode = [&](std::string_view piece) {
    if (parts_.normalizers.empty() && !parts_.add_prefix_space) return words(piece);
    std::string normalized(piece);
    for (const auto& normalize : parts_.normalizers) normalized = normalize(normalized);
    if (parts_.add_prefix_space && !normalized.starts_with(' ')) normalized.insert(0, " ");
    words(normalized);
  };
  parts_.special.Split(text, options.parse_special, encode, [&](int32_t id) { ids.push_back(id); });
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
  for (const SpecialToken& special : parts_.special.tokens()) {
    if (special.text == token) return special.id;
  }
  const auto bytes = BytesFromByteLevel(token);
  if (!bytes) return std::nullopt;
  const auto at = parts_.bpe.ids().find(*bytes);
  return at == parts_.bpe.ids().end() ? std::nullopt : std::optional(at->second);
}

bool EndsTurn(std::string_view token) {
  constexpr std::string_view kEnds[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>",
                                        "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "<|end_of_text|>", "<end_of_utterance>", "<eos>"};
  return std::find(std::begin(kEnds), std::end(kEnds), token) != std::end(kEnds);
}

}  // namespace hew
