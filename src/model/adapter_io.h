// The two formats behind LoadAdapter (lora.h).
#pragma once

#include <string>
#include <utility>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/adapter_parts.h"
#include "model/lora.h"

namespace hew {

// What a file says by itself, without a base: settings and matrices, names and scales checked. The parts point into the
// file, which outlives them. Errors name the file, the field or tensor, expected and found.
using AdapterFile = std::pair<LoraConfig, AdapterParts>;
Result<AdapterFile> ReadPeftAdapterParts(const std::string& folder, const SafetensorsFile& file);
Result<AdapterFile> ReadGgufAdapterParts(const GgufFile& file);

Result<LoraAdapter> LoadPeftAdapter(const Runtime& rt, const std::string& folder, const Model& base, float user_scale);
Result<LoraAdapter> LoadGgufAdapter(const Runtime& rt, const std::string& path, const Model& base, float user_scale);

}  // namespace hew
