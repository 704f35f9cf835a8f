// Text to ids and back. One class over the parts that differ: normaliser, pre-tokenizer pattern, model (BPE, unigram).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "text/byte_span.h"

namespace hew {

struct EncodeOptions {
  bool add_special = false;    // BOS / EOS as the model wants
  bool parse_special = false;  // control tokens in the text become their ids; else they are plain text
  // With parse_special: parts of the text, in order and apart from each other, that are data; a control token that
  // touches one is plain text. Nothing else changes: words still reach across their ends.
  std::span<const ByteSpan> data = {};
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // From GGUF metadata (follows llama.cpp) or from the text of a tokenizer.json with, optionally, its
  // tokenizer_config.json (follows `tokenizers`). `name` prefixes errors.
  static Result<std::shared_ptr<const Tokenizer>> FromGguf(const GgufMetadata& metadata, const std::string& name);
  static Result<std::shared_ptr<const Tokenizer>> FromJson(std::string_view tokenizer_json,
                                                           std::string_view tokenizer_config_json,
                                                           const std::string& name);
  // A GGUF file, a tokenizer.json, or a model folder.
  static Result<std::shared_ptr<const Tokenizer>> Open(const std::string& path);

  virtual std::vector<int32_t> Encode(std::string_view text, EncodeOptions options = {}) const = 0;
  // The bytes of one token: raw bytes, not always whole UTF-8. Special tokens give "" unless `special`.
  virtual std::string TokenBytes(int32_t id, bool special = false) const = 0;
  // The bytes of all; less the space that encoding put in front.
  virtual std::string Decode(std::span<const int32_t> ids, bool special = false) const;

  virtual int64_t vocab_size() const = 0;
  virtual std::string_view kind() const = 0;  // "bpe", "unigram", "spm"
  virtual bool IsSpecial(int32_t id) const = 0;
  virtual std::optional<int32_t> TokenId(std::string_view token) const = 0;  // by its vocabulary spelling

  std::optional<int32_t> bos() const { return bos_; }
  std::optional<int32_t> eos() const { return eos_; }
  std::optional<int32_t> pad() const { return pad_; }
  // Every id that ends a turn: EOS, end-of-turn, <|im_end|>, ... as llama.cpp collects them.
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  bool adds_bos() const { return add_bos_; }
  bool adds_eos() const { return add_eos_; }
  // Whether a text gets a space in front, so that its first word looks like any other (SentencePiece). Decode takes it
  // away again.
  bool adds_space() const { return adds_space_; }
  const std::string& chat_template() const { return chat_template_; }  // "" when the model has none

 protected:
  std::optional<int32_t> bos_, eos_, pad_;
  std::vector<int32_t> end_ids_;
  bool add_bos_ = false, add_eos_ = false, adds_space_ = false;
  std::string chat_template_;
};

// Gives out whole UTF-8 characters of a stream of token bytes; keeps an incomplete tail for the next piece. Invalid
// bytes pass through once they cannot become valid.
class Utf8Stream {
 public:
  std::string Push(std::string_view bytes);
  std::string Flush();

 private:
  std::string tail_;
};

}  // namespace hew
