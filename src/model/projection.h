// A linear layer of a decoder block together with the adapters on it, forward and backward. Internal to model/.
#pragma once

#include <span>
#include <vector>

#include "base/runtime.h"
#include "model/decoder.h"
#include "model/lora.h"
#include "model/model.h"
#include "model/scratch.h"

namespace hew {

class ParameterLayout;  // model/trainable.h

// Rows that follow each other and have the same adapters.
struct AdapterRun {
  std::span<const LoraAdapter* const> adapters;
  int64_t rows = 0;
};

// What a pass through the decoder works with.
struct DecoderContext {
  const Runtime& rt;
  const Model& model;
  std::span<const LoraAdapter* const> adapters;  // of all rows
  const DropoutState* dropout = nullptr;  // null: none (serving, evaluation)
  TrainingTechniques techniques = {};
  const ParameterLayout* all = nullptr;   // set: all weights learn, and gradients are laid out so; no adapters
  std::span<const AdapterRun> runs = {};  // serving: instead of `adapters`; together all rows

  DType activation_type() const { return rt.bf16() ? DType::kBF16 : DType::kF32; }
};

// What the experts of a sparse layer work in.
struct ExpertScratch {
  Scratch shares;  // [rows, num_experts] fp32
  Scratch
      gathered;  // [slots, hidden_size] activation type: rows by expert; backward, the gradient of what experts give
  Scratch of_slots;  // [slots, hidden_size] fp32: what experts give; backward, the gradient of what they read

  size_t bytes() const { return shares.bytes() + gathered.bytes() + of_slots.bytes(); }
};

struct ProjectionScratch {
  std::vector<Scratch> h;               // x A' per projection of a group and adapter, [rows, rank]
  Scratch dropped;                      // [rows, in], activation type
  Scratch product;                      // DoRA: x W' + h (sB)', [rows, out], fp32
  std::vector<Scratch> d_h, d_product;  // per projection of a group
  Scratch masked;                       // backward under dropout: gradient of the dropped input, [rows, in], fp32
  ExpertScratch experts;

  size_t bytes() const;
};

struct ProjectionOutput {
  Projection projection;
  MatrixView y;
};

// y (+)= x W' + bias + sum over a row's adapters of (dropout(x) A') (sB)', for projections that share the input x. Rows of
// different adapters go through W together; a row has the bits that it has alone.
// DoRA: (x - dropout(x)) W' + bias + column_scale * (dropout(x) W' + h (sB)'), as PEFT computes it.
void ProjectionForward(const DecoderContext& context, int64_t layer, std::span<const ProjectionOutput> group,
                       ConstMatrixView x, bool accumulate, ProjectionScratch& scratch);
inline void ProjectionForward(const DecoderContext& context, int64_t layer, Projection p, ConstMatrixView x,
                              MatrixView y, bool accumulate, ProjectionScratch& scratch) {
  const ProjectionOutput one{p, y};
  ProjectionForward(context, layer, {&one, 1}, x, accumulate, scratch);
}

struct OutputGradient {
  Projection projection;
  ConstMatrixView d_y;  // [rows, out], activation type
};

// Backward of the projections that share the input x [rows, in]: adds the adapter's gradients to `gradients` (flat, as
// LoraAdapter::parameters) and, unless d_x is null, writes or adds the gradient of x. Exactly one adapter; or none,
// where all weights learn: then the gradients are those of W and bias. DoRA's norm counts as a constant, as in PEFT and
// in section 4.3 of Liu et al. 2024.
void ProjectionBackward(const DecoderContext& context, int64_t layer, std::span<const OutputGradient> group,
                        ConstMatrixView x, MatrixView* d_x, bool accumulate, std::span<float> gradients,
                        ProjectionScratch& scratch);

}  // namespace hew
