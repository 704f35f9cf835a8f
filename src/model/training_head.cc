// The end of the training pass: final norm, logits of learned rows in chunks, loss, and back to the residual stream.
#include <algorithm>
#include <cstring>

#include "kernels/linear.h"
#include "kernels/ops.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

// Row learned_rows[i] of the batch and row i of `learned` are the same row; copies between the two.
template <typename Copy>
void ForLearnedRows(const Runtime& rt, const PackedBatch& batch, const Copy& copy) {
  rt.pool->ParallelFor(static_cast<int64_t>(batch.learned_rows.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) copy(i, batch.learned_rows[static_cast<size_t>(i)]);
  });
}

size_t RowBytesOf(ConstMatrixView x) { return static_cast<size_t>(x.cols) * sizeof(float); }

}  // namespace

LossSum HeadLoss(const DecoderContext& context, const PackedBatch& batch, ConstMatrixView residual,
                 float gradient_scale, const MatrixView* d_residual, TrainingWorkspace::Buffers& buffers) {
  const Runtime& rt = context.rt;
  const Model& model = context.model;
  const auto learned_rows = static_cast<int64_t>(batch.learned_rows.size());
  const int64_t hidden = model.config.hidden_size, vocab = model.config.vocab_size;
  const float softcap = model.config.logit_softcap;

  const MatrixView learned = buffers.learned.View(DType::kF32, learned_rows, hidden);
  const MatrixView normed = buffers.learned_normed.View(context.activation_type(), learned_rows, hidden);
  ForLearnedRows(rt, batch,
                 [&](int64_t i, int64_t row) { std::memcpy(learned.f32(i), residual.f32(row), RowBytesOf(learned)); });
  NormForward(context, model.final_norm, learned, normed);

  buffers.losses.resize(static_cast<size_t>(learned_rows));
  buffers.scaled_weights.resize(static_cast<size_t>(learned_rows));
  for (size_t i = 0; i < batch.weights.size(); ++i) buffers.scaled_weights[i] = batch.weights[i] * gradient_scale;
  MatrixView d_learned;
  if (d_residual) d_learned = buffers.d_learned.View(DType::kF32, learned_rows, hidden);
  const int64_t chunk_rows = std::min(LogitChunkRows(vocab), learned_rows);
  const MatrixView logits = buffers.logits.View(DType::kF32, chunk_rows, vocab);
  for (int64_t begin = 0; begin < learned_rows; begin += chunk_rows) {
    const int64_t rows = std::min(chunk_rows, learned_rows - begin);
    const auto at = static_cast<size_t>(begin), count = static_cast<size_t>(rows);
    const MatrixView chunk = logits.Rows(0, rows);
    const LinearTerm forward{normed.Rows(begin, rows), &model.head()};
    Linear(rt, {&forward, 1}, nullptr, chunk);
    if (softcap > 0) Softcap(rt, softcap, chunk);
    CrossEntropy(rt, chunk, std::span(batch.targets).subspan(at, count),
                 std::span(buffers.scaled_weights).subspan(at, count), buffers.losses.data() + at, chunk, softcap);
    if (!d_residual) continue;
    const MatrixView d_normed = buffers.d_learned_normed.View(DType::kF32, chunk_rows, hidden).Rows(0, rows);
    const LinearTerm backward{chunk, &model.head()};
    LinearInputGradient(rt, {&backward, 1}, d_normed);
    NormBackward(context, model.final_norm, learned.Rows(begin, rows), d_normed, d_learned.Rows(begin, rows), false);
  }
  if (d_residual) {
    std::memset(d_residual->data, 0, RowBytesOf(*d_residual) * static_cast<size_t>(d_residual->rows));
    ForLearnedRows(rt, batch, [&](int64_t i, int64_t row) {
      std::memcpy(d_residual->f32(row), d_learned.f32(i), RowBytesOf(d_learned));
    });
  }
  LossSum sum;
  for (size_t i = 0; i < buffers.losses.size(); ++i) {
    sum.loss += static_cast<double>(batch.weights[i]) * buffers.losses[i];
    sum.weight += batch.weights[i];
  }
  return sum;
}

}  // namespace hew
