// Byte-level BPE tokenizers, from either kind of file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/end_tokens.h"
#include "text/pretokenizer.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace hew {

enum class TokenKind : uint8_t { kNormal, kUserDefined, kControl };

// The parts that the readers of GGUF and tokenizer.json fill in.
struct BpeParts {
  Bpe bpe;
  PreTokenizer pre;
  SpecialTokens special;                                                  // found in the text as it is
  SpecialTokens normalized_special;                                       // found between those, in the normalised text
  std::vector<std::function<std::string(std::string_view)>> normalizers;  // in order, on text between special tokens
  std::vector<std::string> bytes;                                         // of each id: raw bytes
  std::vector<TokenKind> kinds;
  std::optional<int32_t> bos, eos, pad;
  EndTokens ends;
  bool add_bos = false, add_eos = false;
  std::string chat_template;
};

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts);

  std::vector<int32_t> Encode(std::string_view text, EncodeOptions options) const override;
  std::string TokenBytes(int32_t id, bool special) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(parts_.bytes.size()); }
  std::string_view kind() const override { return "bpe"; }
  bool IsSpecial(int32_t id) const override {
    return id >= 0 && id < vocab_size() && parts_.kinds[static_cast<size_t>(id)] == TokenKind::kControl;
  }
  std::optional<int32_t> TokenId(std::string_view token) const override;

 private:
  BpeParts parts_;
};

Result<BpeParts> BpePartsFromGguf(const GgufMetadata& metadata);
Result<BpeParts> BpePartsFromJson(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
                                  const std::string& name);

}  // namespace hew
