// What a run will take of the machine's memory, and whether the machine has it. docs/bench.md has the formulas.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "model/decoder.h"

namespace hew {

// A model once loaded, from the size of its files alone: weights lie in memory as they lie there. With the program and
// a tokenizer.
int64_t LoadedBytes(const std::string& path);

// A conversation of `context` tokens: keys and values, a slice of prompt through the decoder, logits.
int64_t ChatBytes(const ModelConfig& config, bool bf16, int64_t context);

// The logits of `rows` tokens of a model beside those of another, as an export compares them; without the models.
int64_t CompareBytes(const ModelConfig& config, int64_t rows);

// LoRA over `rows` packed tokens at once: what LearnedStateBytes and TrainingBytes say.
int64_t TuneBytes(const ModelConfig& config, const LoraConfig& lora, bool bf16, int64_t rows);

// kEnvironment, one line: "PATH: needs 3.2 GB of memory to load, has 1.1 GB; ADVICE". `has`: usually
// AvailableMemoryBytes().
Status CheckFits(const std::string& path, const std::string& purpose, int64_t needs, uint64_t has,
                 const std::string& advice);

}  // namespace hew
