// The one decoder: forward for serving, forward and backward for training, over the same kernels, so that what was
// trained is what is served.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/runtime.h"
#include "model/kv_cache.h"
#include "model/lora.h"
#include "model/model.h"
#include "tensor/view.h"

namespace hew {

// --- Serving -------------------------------------------------------------------------------------------------------

// New tokens of one sequence, continuing its cache. Several sequences go through the decoder as one batch, each with
// adapters of its own (their sum is added; usually none or one): sequences of the same ones lie best side by side.
struct SequenceRows {
  std::span<const int32_t> ids;  // at least one, each in [0, vocab_size); cache->length() + ids.size() <= capacity
  KvCache* cache = nullptr;
  std::span<const LoraAdapter* const> adapters = {};
};

// Of which rows the final hidden states are wanted: of all, of each sequence's last, or of none (a slice of a prompt
// that is not its end: only the caches are filled). The last layer leaves out the others.
enum class OutputRows { kAll, kLast, kNone };

// Sees the residual stream [rows, hidden_size], fp32, as it goes by: with 0 before the first layer, with n after layer
// n. After the last layer it holds the rows wanted, elsewhere all. The view is good for the time of the call.
using ResidualObserver = std::function<void(int64_t layers_done, ConstMatrixView residual)>;

// Final hidden states after the last norm, [rows wanted, hidden_size], fp32, in the order of `sequences`; caches
// advanced. A sequence's bits are those that it has alone. Long prompts should be cut into slices of some 512 rows by
// the caller: the bits are the same. `observer`, if not null, only looks.
Matrix DecoderForward(const Runtime& rt, const Model& model, std::span<const SequenceRows> sequences,
                      OutputRows wanted = OutputRows::kAll, const ResidualObserver* observer = nullptr);
// All sequences with the same `adapters`, which take the place of their own.
Matrix DecoderForward(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters,
                      std::span<const SequenceRows> sequences, OutputRows wanted = OutputRows::kAll,
                      const ResidualObserver* observer = nullptr);

// The last norm alone: hidden [rows, hidden_size] fp32 of residual [rows, hidden_size] fp32, as DecoderForward ends.
void FinalNorm(const Runtime& rt, const Model& model, ConstMatrixView residual, MatrixView hidden);

// logits [rows, vocab_size] fp32 of hidden rows [rows, hidden_size].
void ComputeLogits(const Runtime& rt, const Model& model, ConstMatrixView hidden, MatrixView logits);

// --- Training ------------------------------------------------------------------------------------------------------

// Documents packed end to end without padding; none sees another, but a follower sees its shared prefix.
struct PackedSegment {
  int64_t begin = 0, rows = 0;  // rows of the batch
  int64_t prefix_begin = 0,
          prefix_rows = 0;  // rows of an earlier segment that come before it; its positions go on from there
};

struct PackedBatch {
  std::vector<int32_t> ids, positions;  // [rows]
  std::vector<PackedSegment> segments;
  std::vector<int32_t> learned_rows;  // rows whose next token is learned, increasing
  std::vector<int32_t> targets;       // [learned_rows]: that next token
  std::vector<float> weights;         // [learned_rows]: usually 1
  std::vector<int64_t> examples;  // [segments], may be empty: the example each is (the rest) of; -1 for a shared prefix
};

// Keeps the residual stream below the lowest adapted layer, which is the same in every epoch.
class FrozenStream {
 public:
  virtual ~FrozenStream() = default;
  // Writes the stream [rows, hidden_size] of a batch that is known; else false.
  virtual bool Load(const PackedBatch& batch, MatrixView stream) const = 0;
  virtual void Save(const PackedBatch& batch, ConstMatrixView stream) = 0;
};

struct DropoutState {
  uint64_t seed = 0, step = 0;
};  // which random mask; see kernels/ops.h Dropout

struct LossSum {
  double loss = 0;    // sum of weight * -log p(target)
  double weight = 0;  // sum of weights
};

// A loss of whole answers: from -log p of each learned row, `losses` [learned_rows], it writes d(loss) / d(losses[i]),
// of any sign, to `weights` and returns the loss. Asked once a pass, between forward and backward; batch.weights are
// its to read.
using SequenceLoss = std::function<LossSum(std::span<const float> losses, std::span<float> weights)>;

// What makes a training pass fast. Each may be left out, to measure what it gives; the result is the same.
struct TrainingTechniques {
  bool learned_rows = true;  // logits, and all of the last layer but keys and values, of learned rows only
  bool chunked_loss = true;  // logits in chunks, never all at once
  bool stored_activations =
      true;                  // else each layer's forward pass is made again in the backward pass: slower, less memory
  bool lowest_layer = true;  // no backward pass below the lowest adapted layer
};

// The memory of training passes, kept from one to the next so that a steady state allocates nothing. One per thread of
// control: two passes at the same time need two.
class TrainingWorkspace {
 public:
  TrainingWorkspace();
  ~TrainingWorkspace();
  TrainingWorkspace(TrainingWorkspace&&) noexcept;
  TrainingWorkspace& operator=(TrainingWorkspace&&) noexcept;

  TrainingTechniques techniques;
  FrozenStream* frozen = nullptr;  // used by LossAndGradients

  size_t bytes() const;  // held now
  struct Buffers;        // model/training_buffers.h
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

// Adds gradient_scale * d(loss sum)/d(parameters) to `gradients` (flat, as adapter.parameters) and returns the loss.
// Activations are stored for backward, logits made in chunks for learned rows only. `workspace` may be null: then
// memory is taken for this call alone. The batch is the caller's to get right: ids in the vocabulary, positions in the
// rotary table, segments that cover all rows in order. `sequence_loss`: what is learned instead of the weighted sum, in
// the same pass.
LossSum LossAndGradients(const Runtime& rt, const Model& model, const LoraAdapter& adapter, const PackedBatch& batch,
                         DropoutState dropout, float gradient_scale, std::span<float> gradients,
                         TrainingWorkspace* workspace = nullptr, const SequenceLoss& sequence_loss = {});

// The loss alone (evaluation; adapter may be null). token_losses, if not null, receives -log p of each learned row.
LossSum Loss(const Runtime& rt, const Model& model, const LoraAdapter* adapter, const PackedBatch& batch,
             std::vector<float>* token_losses = nullptr, TrainingWorkspace* workspace = nullptr);

// Numbers that an adapter of this kind learns.
int64_t LoraParameterCount(const ModelConfig& config, const LoraConfig& lora);
// Bytes that training holds for `parameters` numbers: they themselves, gradient, two moments, the best ones so far, all
// fp32, and their copy packed for the products.
int64_t LearnedStateBytes(int64_t parameters, bool bf16);
// Bytes that LossAndGradients needs for a batch of `rows` rows beside the model, for planning; and Loss in the same
// workspace for one of `forward_rows`. Of layers below lora.first_layer nothing is kept.
int64_t TrainingBytes(const ModelConfig& config, const LoraConfig& lora, bool bf16, int64_t rows,
                      const TrainingTechniques& techniques = {}, int64_t forward_rows = 0);
// Bytes that the products of such a pass take for themselves: their inputs, packed.
int64_t ProductBytes(const ModelConfig& config, bool bf16, int64_t rows);
// Multiply-adds times two of one training row of this model and adapter (frozen base: forward and d_x), without
// attention; `head_share` is the share of rows whose logits are made.
double TrainingFlopsPerRow(const ModelConfig& config, const LoraConfig& lora, double head_share);

}  // namespace hew
