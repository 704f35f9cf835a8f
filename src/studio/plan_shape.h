// The sizes of a decoder, and what follows from them before it exists: parameters, and memory for training.
#pragma once

#include <cstdint>

#include "model/config.h"

namespace hew {

struct PlanShape {
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  int64_t learned_positions = 0;               // rows of a position table (GPT-2, GPT-3); 0: rotary
  int64_t experts = 0, experts_per_token = 0;  // 0: none; else each with its own feed-forward of intermediate_size
  bool gated = true;                           // feed-forward of three matrices (SwiGLU), else of two
  bool tied = false;                           // the head is the embedding
  bool biases = false;                         // on every linear layer, and on the norms (LayerNorm)
  bool qkv_biases = false;                     // on q, k, v alone
};

PlanShape ShapeOf(const ModelConfig& config);

struct ParameterCount {
  int64_t embeddings = 0;                              // tokens and positions
  int64_t attention = 0, feed_forward = 0, norms = 0;  // of all layers, biases with their matrices, all experts
  int64_t head = 0;                                    // 0 when tied
  int64_t idle_experts = 0;                            // of feed_forward, what one token does not go through
  int64_t total() const { return embeddings + attention + feed_forward + norms + head; }
};
ParameterCount CountParameters(const PlanShape& shape);

// Of adapters of this rank on all linear layers of all blocks but experts: rank * (in + out) each.
int64_t LoraParameters(const PlanShape& shape, int64_t rank);

// Bytes that one row of a training batch keeps for the backward pass in 16 bits, attention's matrix not stored: of each
// layer its two inputs and their norms, q, k, v, attention's output, and the feed-forward's inner values.
int64_t ActivationBytesPerRow(const PlanShape& shape);

}  // namespace hew
