#include "text/pipeline_tokenizer.h"

namespace hew {

PipelineTokenizer::PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
  parts_.special.Finish();
  parts_.normalized_special.Finish();
  bos_ = parts_.bos;
  eos_ = parts_.eos;
  pad_ = parts_.pad;
  end_ids_ = parts_.ends.Ids();
  add_bos_ = parts_.add_bos && bos_.has_value();
  add_eos_ = parts_.add_eos && eos_.has_value();
  adds_space_ = parts_.drops_space;
  chat_template_ = parts_.chat_template;
}

std::string PipelineTokenizer::Normalized(std::string_view text, bool after_special) const {
  std::string normalized;
  if (parts_.space_before_text && after_special) normalized = ' ';
  normalized += text;
  for (const auto& step : parts_.normalizers) normalized = step(normalized);
  return normalized;
}

std::vector<int32_t> PipelineTokenizer::Encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  bool first = true, after_special = true;  // of the piece now looked at: the text begins with it; what is before it
  const auto word = [&](std::string_view piece) { parts_.model->Encode(piece, &ids); };
  const auto found = [&](int32_t id) {
    ids.push_back(id);
    first = false;
    after_special = true;
  };
  const auto cut = [&](std::string_view piece) {
    parts_.pre.Split(piece, first, word);
    first = false;
  };
  const auto normalize = [&](std::string_view piece) {
    const std::string normalized = Normalized(piece, after_special);
    after_special = false;
    const auto begin = static_cast<size_t>(piece.data() - text.data());
    const auto data = SpansWithin(options.data, begin, begin + piece.size());
    // Where the text changed, the data in it cannot be found again: no control token is taken there.
    const bool parse = options.parse_special && (data.empty() || normalized == piece);
    parts_.normalized_special.Split(normalized, {parse, data}, cut, found);
  };
  parts_.special.Split(text, {options.parse_special, options.data}, normalize, found);
  if (options.add_special) {
    // A text that begins with BOS already (a rendered template) does not get a second one; the same for EOS.
    if (add_bos_ && (ids.empty() || ids.front() != *bos_)) ids.insert(ids.begin(), *bos_);
    if (add_eos_ && (ids.empty() || ids.back() != *eos_)) ids.push_back(*eos_);
  }
  return ids;
}

std::string PipelineTokenizer::TokenBytes(int32_t id, bool special) const {
  if (id < 0 || id >= vocab_size() || (!special && IsSpecial(id))) return "";
  return parts_.bytes[static_cast<size_t>(id)];
}

std::string PipelineTokenizer::Decode(std::span<const int32_t> ids, bool special) const {
  std::string text;
  bool begins = parts_.drops_space;
  for (int32_t id : ids) {
    const std::string bytes = TokenBytes(id, special);
    if (bytes.empty()) continue;
    // Only a text got a space, not a special token.
    const bool drops = begins && bytes[0] == ' ' && parts_.kinds[static_cast<size_t>(id)] == TokenKind::kNormal;
    text += drops ? std::string_view(bytes).substr(1) : bytes;
    begins = false;
  }
  return text;
}

std::optional<int32_t> PipelineTokenizer::TokenId(std::string_view token) const {
  if (const auto id = parts_.special.Find(token)) return id;
  if (const auto id = parts_.normalized_special.Find(token)) return id;
  return parts_.model->Find(token);
}

}  // namespace hew
