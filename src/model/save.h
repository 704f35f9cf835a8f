// One model file out of a base and adapters (or the base alone in another type).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/runtime.h"
#include "model/file_type.h"
#include "model/lora.h"
#include "model/model.h"

namespace hew {

struct SaveOptions {
  std::optional<FileType> type;              // nullopt keeps each tensor's own
  uint64_t max_shard_bytes = 5'000'000'000;  // a folder's weights are cut into files of at most this size
  // Told as bytes are written; an error stops the work, with nothing left behind.
  std::function<Status(uint64_t done_bytes, uint64_t total_bytes)> progress = nullptr;
};

// Writes base + the sum of the adapters' scale B A (DoRA: m (W + sBA) / ||W + sBA||) to `path`, the sums in fp32. A
// path ending in .gguf gives GGUF; else a safetensors folder that Transformers opens (config.json, model.safetensors,
// tokenizer files carried over or made from the GGUF's metadata). The base's file is opened again from
// base.source_path. `type`: any for GGUF (norms and biases stay F32; below eight bits the head is Q6_K; TypeForRow says
// what stands in where rows do not fit); F32, F16, BF16 for a folder. nullopt makes F16 of quantised tensors in a
// folder. GGUF output keeps all
// metadata of a GGUF base and adds "hew.lineage". A tensor that neither an adapter nor the type changes is carried over
// bit for bit. Refused, with nothing left behind: a path that is the base itself or a folder with something in it, a
// type that cannot be written, numbers that do not fit the type, a tokenizer that the other format cannot express.
Status SaveModel(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                 const std::string& path, const SaveOptions& options);

// Bytes of weights that SaveModel would write there, as many as they take when they are loaded again.
Result<int64_t> SavedBytes(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                           const std::string& path, const SaveOptions& options);

// The tokenizer's files (and chat template, generation settings) of the model at `source_path`, carried over or made
// from its GGUF metadata, written into `folder`.
Status WriteTokenizerFiles(const std::string& source_path, const std::string& folder);

// What SaveModel asks of `path` before it writes: not the base itself, an existing folder to stand in, nothing to lose
// there.
Status CheckSaveTarget(const Model& base, const std::string& path);

inline Status SaveModel(const Runtime& rt, const Model& base, const LoraAdapter* adapter, const std::string& path,
                        const SaveOptions& options) {
  return SaveModel(rt, base, std::span<const LoraAdapter* const>(&adapter, adapter ? 1 : 0), path, options);
}

}  // namespace hew
