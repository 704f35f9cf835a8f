// JSON Schema as far as answers need it: type, enum, const, properties, required, additionalProperties, items,
// prefixItems, min/maxItems, uniqueItems, min/maxLength, pattern, minimum, maximum, exclusive ones, multipleOf, anyOf,
// oneOf, allOf, not and $ref into $defs. Words that only describe are passed over; any other word is refused, not
// ignored.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace hew {

// Whether every word of the schema is one that FitsSchema checks, with a value of the right kind.
Status CheckSchema(const Json& schema);
// Error: "items[2].price: expected number, found string". The schema has passed CheckSchema.
Status FitsSchema(const Json& value, const Json& schema);

}  // namespace hew
