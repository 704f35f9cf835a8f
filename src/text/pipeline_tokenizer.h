// The one tokenizer that there is, run from its parts.
#pragma once

#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"

namespace hew {

class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts);

  std::vector<int32_t> Encode(std::string_view text, EncodeOptions options) const override;
  std::string TokenBytes(int32_t id, bool special) const override;
  std::string Decode(std::span<const int32_t> ids, bool special) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(parts_.bytes.size()); }
  std::string_view kind() const override { return parts_.kind; }
  bool IsSpecial(int32_t id) const override {
    return id >= 0 && id < vocab_size() && parts_.kinds[static_cast<size_t>(id)] == TokenKind::kControl;
  }
  std::optional<int32_t> TokenId(std::string_view token) const override;

 private:
  std::string Normalized(std::string_view text, bool after_special) const;

  TokenizerParts parts_;
};

}  // namespace hew
