// The two formats behind LoadAdapter (lora.h).
#pragma once

#include <string>

#include "model/lora.h"

namespace hew {

Result<LoraAdapter> LoadPeftAdapter(const Runtime& rt, const std::string& folder, const Model& base, float user_scale);
Result<LoraAdapter> LoadGgufAdapter(const Runtime& rt, const std::string& path, const Model& base, float user_scale);

}  // namespace hew
