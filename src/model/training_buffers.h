// Activations and temporaries of a training pass. "act" is the activation type: bf16 where the run computes in it, else
// fp32. Internal to model/.
#pragma once

#include <vector>

#include "model/decoder_layer.h"
#include "model/scratch.h"

namespace hew {

// What the backward pass of one layer reads. Where only learned rows go through the last layer (OnlyLearnedRows), all
// but residual, k and v have those rows alone. Norms, act(gate) * up and LoRA's x A' are made again from these.
struct LayerActivations {
  Scratch residual;                  // [rows, hidden_size] fp32: the layer's input
  Scratch middle;                    // [rows, hidden_size] fp32: after attention
  Scratch q, attention;              // [rows, query_size] act; q rotated
  Scratch q_projected, k_projected;  // as q and k, before their norms: ModelConfig::qk_norm only
  Scratch k, v;                      // [rows, key_value_size] act; k rotated
  Scratch log_sum_exp;               // [rows, num_attention_heads] fp32
  Scratch gate, up;                  // LayerViews' act; overwritten by their gradients in the backward pass
  Scratch attention_output, feed_forward_output;  // [rows, hidden_size] fp32: ModelConfig::output_norms only

  size_t bytes() const;
};

struct TrainingWorkspace::Buffers {
  std::vector<LayerActivations> layers;  // of the layers that the backward pass reaches; without stored activations
                                         // only the residual stream
  LayerActivations passing;  // of the others: used again by each

  Scratch residual;   // [rows, hidden_size] fp32
  Scratch normed;     // [rows, hidden_size] act
  Scratch activated;  // LayerViews' act

  Scratch d_residual;        // [rows, hidden_size] fp32
  Scratch d_output;          // [rows, hidden_size] act: gradient of o_proj's or down_proj's output, where it is not
                             // d_residual itself
  Scratch d_normed;          // [rows, hidden_size] fp32
  Scratch d_activated;       // as activated
  Scratch d_attention, d_q;  // [rows, query_size] act
  Scratch d_k, d_v;          // [rows, key_value_size] act

  Scratch query_normed;      // [learned, hidden_size] act: the last layer's norms of the rows that ask
  Scratch d_query_normed;    // [learned, hidden_size] fp32
  Scratch learned;           // [learned, hidden_size] fp32: residual stream of the rows whose next token is learned
  Scratch d_learned;         // [learned, hidden_size] fp32
  Scratch learned_normed;    // [learned, hidden_size] act
  Scratch d_learned_normed;  // [chunk, hidden_size] fp32
  Scratch logits;            // [chunk, vocab_size] fp32, then their gradient
  std::vector<float> losses, scaled_weights;  // [learned]

  ProjectionScratch projections;

  size_t bytes() const;
};

// Rows of logits made at a time: some 32 MB of them, whatever the vocabulary.
int64_t LogitChunkRows(int64_t vocab_size);

// Whether layer `layer` works on the learned rows alone, keys and values aside.
bool OnlyLearnedRows(const DecoderContext& context, const PackedBatch& batch, int64_t layer);

// The views of a layer's activations that the forward steps write, for all rows; and for the learned rows of the last
// layer, beside keys and values of all.
LayerViews ViewsOf(const DecoderContext& context, int64_t layer, LayerActivations& own,
                   TrainingWorkspace::Buffers& buffers, int64_t rows);
LayerViews LearnedViewsOf(const LayerViews& all, TrainingWorkspace::Buffers& buffers, int64_t learned);

// The batch's documents as attention sees them, over one layer's keys and values; and the learned rows' part of them,
// each run of neighbours a segment.
std::vector<AttentionSegment> SegmentsOf(const PackedBatch& batch, const LayerViews& views);
std::vector<AttentionSegment> LearnedSegmentsOf(const PackedBatch& batch, const LayerViews& views);

// One layer of the forward pass on the residual stream [rows, hidden_size]; with `keep`, what its backward pass reads
// stays in `activations`. Returns the stream after it: the same memory, or that of the learned rows alone.
MatrixView LayerForward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t layer,
                        bool keep, LayerActivations& activations, MatrixView residual,
                        TrainingWorkspace::Buffers& buffers);

// Losses of the learned rows from their residual stream after the last layer, `learned` [learned, hidden_size]. With d_learned,
// its gradient is written there: gradient_scale * d(loss sum); and, if all weights learn, those of head and last norm are
// added to `gradients`. With a `sequence_loss` (and d_learned; not where all weights learn) it is that loss and its gradient.
LossSum HeadLoss(const DecoderContext& context, const PackedBatch& batch, ConstMatrixView learned, float gradient_scale,
                 const MatrixView* d_learned, TrainingWorkspace::Buffers& buffers, std::span<float> gradients,
                 const SequenceLoss& sequence_loss = {});

// From the gradient of a layer's output, d_stream, to that of its input, d_residual (the same memory, unless only
// learned rows went through); adds the gradients of what learns in it.
void LayerBackward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t layer,
                   LayerActivations& activations, TrainingWorkspace::Buffers& buffers, MatrixView d_stream,
                   MatrixView d_residual, std::span<float> gradients);

}  // namespace hew
