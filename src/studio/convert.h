// hew convert: the same model or adapter in another format or type.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "studio/merge.h"

namespace hew {

// A model: GGUF <-> safetensors folder, or another type. An adapter (PEFT folder or GGUF LoRA; `base` is required, for
// its shapes and the order of its heads): to GGUF when `out` ends in .gguf, else to a PEFT folder; always F32. The
// result is opened again and compared, as in MergeModel.
Result<ExportReport> Convert(const Runtime& rt, const std::string& in, const std::string& out,
                             const SaveOptions& options, const std::string& base,
                             const std::atomic<bool>* cancelled = nullptr);

// A PEFT folder or a GGUF file that calls itself an adapter.
bool IsAdapter(const std::string& path);

}  // namespace hew
