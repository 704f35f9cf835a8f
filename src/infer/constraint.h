// What an answer may be: the ids that may come next, from a grammar of bytes. Constrained decoding masks the others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace hew {

// The state of one answer against its grammar.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // Sets the logits of ids that may not come next to -infinity. At least one id stays; end ids only where the answer is
  // whole.
  virtual void Mask(std::span<float> logits) = 0;
  // `id` was chosen. Only an id that Mask left.
  virtual void Take(int32_t id) = 0;
};

// A grammar compiled once per schema and tokenizer; shared by the answers that it constrains.
class Grammar {
 public:
  virtual ~Grammar() = default;
  virtual std::unique_ptr<TokenConstraint> Begin() const = 0;
};

class TokenTable;  // infer/token_table.h: the bytes of every token
std::shared_ptr<const TokenTable> MakeTokenTable(const Tokenizer& tokenizer);  // once per tokenizer; some 100 ms

// JSON that fits `schema` (the words that can be decoded so; others are refused: "response_format.schema.not: …", never
// ignored). A schema of `true` is any JSON object. Fields come in the order of `properties`; other fields only where
// additionalProperties asks for them or no properties are named.
Result<std::shared_ptr<const Grammar>> JsonGrammar(const Json& schema, std::shared_ptr<const TokenTable> table);
Result<std::shared_ptr<const Grammar>> JsonGrammar(const Json& schema,
                                                   const Tokenizer& tokenizer);  // with a table of its own

}  // namespace hew
