// A configuration as each format writes it: the inverse of ConfigFromGguf and ConfigFromJson.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"
#include "model/config.h"

namespace hew {

// "general.architecture" and the keys behind its prefix. Errors: what GGUF has no key for.
Status ConfigToGguf(const ModelConfig& config, GgufMetadata* metadata);

// What config.json says of the architecture, without token ids and types. Errors: what it has no field for.
Result<Json> ConfigToJson(const ModelConfig& config);

}  // namespace hew
