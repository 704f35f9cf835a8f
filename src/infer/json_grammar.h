// JSON Schema to a grammar of bytes. Stricter than the schema where that makes it simple (the order of fields, the
// length of numbers, little white space), never laxer: what cannot be kept is refused.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "infer/grammar_graph.h"
#include "infer/token_table.h"

namespace hew {

// Error: "response_format.schema.properties.name.pattern: expected a word that can be kept while writing, found
// 'pattern'".
Result<GrammarGraph> CompileJsonSchema(const Json& schema, const TokenTable& table);

}  // namespace hew
