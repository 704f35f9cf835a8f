// One model file out of a base and an adapter (or the base alone in another type).
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/runtime.h"
#include "model/lora.h"
#include "model/model.h"

namespace hew {

// Writes base + scale B A (adapter may be null) to `path`. A path ending in .gguf gives GGUF; else a safetensors folder that
// Transformers opens (config.json, model.safetensors, tokenizer files carried over or made from the GGUF's metadata).
// `type`: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 for GGUF (norms and biases stay F32); F32, F16, BF16 for a folder;
// nullopt keeps each tensor's own type. GGUF output keeps all metadata of a GGUF base and adds lineage keys.
Status SaveModel(const Runtime& rt, const Model& base, const LoraAdapter* adapter, const std::string& path,
                 std::optional<DType> type);

}  // namespace hew
