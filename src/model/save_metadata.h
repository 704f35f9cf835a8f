// What stands beside the tensors: GGUF metadata and config.json, made or carried over, with where the model comes from.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "model/file_type.h"
#include "model/lora.h"
#include "model/model.h"

namespace hew {

inline constexpr std::string_view kLineageKey = "hew.lineage";

// One line on this step: the digests of the base and of the adapters' numbers. Error: the base cannot be read.
Result<std::string> LineageLine(const Model& base, std::span<const LoraAdapter* const> adapters);

// All of a GGUF base's metadata, or that made from a folder's config.json and tokenizer; file type and lineage set.
// `projection_type` is that of the first projection as written; `wanted` what the user asked for.
Result<GgufMetadata> MetadataToSave(const Model& base, const GgufFile* source, std::optional<FileType> wanted,
                                    DType projection_type, const std::string& lineage);

// config.json of a folder base with its dtype brought up to date, or one made from ModelConfig and GGUF metadata.
Result<std::string> ConfigJsonToSave(const Model& base, const GgufFile* source, DType type);

}  // namespace hew
