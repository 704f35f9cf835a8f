// The end of the training pass: final norm, logits of learned rows in chunks, loss, and back to the residual stream.
#include <algorithm>

#include "kernels/linear.h"
#include "kernels/ops.h"
#include "model/trainable.h"
#include "model/training_buffers.h"

namespace hew {

namespace {

ConstMatrixView RowsOf(ConstMatrixView x, int64_t begin, int64_t count) { return {x.f32(begin), x.dtype, count, x.cols, x.stride}; }

// The weights of a loss over whole answers are known only when all rows have theirs. Down to d_learned all is linear in a
// row's weight, so that rows made with a weight of 1 are multiplied now.
LossSum WeighRows(const SequenceLoss& sequence_loss, float gradient_scale, TrainingWorkspace::Buffers& buffers,
                  MatrixView d_learned) {
  const LossSum sum = sequence_loss(buffers.losses, buffers.scaled_weights);
  for (int64_t i = 0; i < d_learned.rows; ++i) {
    const float weight = buffers.scaled_weights[static_cast<size_t>(i)] * gradient_scale;
    float* row = d_learned.f32(i);
    for (int64_t j = 0; j < d_learned.cols; ++j) row[j] *= weight;
  }
  return sum;
}

}  // namespace

LossSum HeadLoss(const DecoderContext& context, const PackedBatch& batch, ConstMatrixView learned, float gradient_scale,
                 const MatrixView* d_learned, TrainingWorkspace::Buffers& buffers, std::span<float> gradients,
                 const SequenceLoss& sequence_loss) {
  HEW_CHECK(!sequence_loss || (d_learned && !context.all));
  const Runtime& rt = context.rt;
  const Model& model = context.model;
  const auto learned_rows = static_cast<int64_t>(batch.learned_rows.size());
  const int64_t hidden = model.config.hidden_size, vocab = model.config.vocab_size;
  const float softcap = model.config.logit_softcap;

  const MatrixView normed = buffers.learned_normed.View(context.activation_type(), learned_rows, hidden);
  NormForward(context, model.final_norm, learned, normed);

  buffers.losses.resize(static_cast<size_t>(learned_rows));
  buffers.scaled_weights.resize(static_cast<size_t>(learned_rows));
  for (size_t i = 0; i < batch.weights.size(); ++i)
    buffers.scaled_weights[i] = sequence_loss ? 1 : batch.weights[i] * gradient_scale;
  const int64_t chunk_rows = context.techniques.chunked_loss ? std::min(LogitChunkRows(vocab), learned_rows) : learned_rows;
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
    if (!d_learned) continue;
    const MatrixView d_normed = buffers.d_learned_normed.View(DType::kF32, chunk_rows, hidden).Rows(0, rows);
    const LinearTerm backward{chunk, &model.head()};
    LinearInputGradient(rt, {&backward, 1}, d_normed);
    NormBackward(context, model.final_norm, RowsOf(learned, begin, rows), d_normed, d_learned->Rows(begin, rows), false,
                 NormGradientOf(context, gradients, ModelTensor::kFinalNorm));
    if (context.all) {
      const ModelTensor head = model.lm_head.empty() ? ModelTensor::kEmbedTokens : ModelTensor::kLmHead;
      OuterProductGradient(rt, chunk, normed.Rows(begin, rows), 1,
                           F32View(gradients.data() + context.all->At(head), vocab, hidden));
    }
  }
  if (sequence_loss) return WeighRows(sequence_loss, gradient_scale, buffers, *d_learned);
  LossSum sum;
  for (size_t i = 0; i < buffers.losses.size(); ++i) {
    sum.loss += static_cast<double>(batch.weights[i]) * buffers.losses[i];
    sum.weight += batch.weights[i];
  }
  return sum;
}

}  // namespace hew
