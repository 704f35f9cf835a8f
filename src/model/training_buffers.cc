#include "model/training_buffers.h"

#include <algorithm>

namespace hew {

TrainingWorkspace::TrainingWorkspace() : buffers_(std::make_unique<Buffers>()) {}
TrainingWorkspace::~TrainingWorkspace() = default;
TrainingWorkspace::TrainingWorkspace(TrainingWorkspace&&) noexcept = default;
TrainingWorkspace& TrainingWorkspace::operator=(TrainingWorkspace&&) noexcept = default;
size_t TrainingWorkspace::bytes() const { return buffers_->bytes(); }

size_t LayerActivations::bytes() const {
  size_t sum = 0;
  for (const Scratch* s : {&residual, &middle, &q, &attention, &q_projected, &k_projected, &k, &v, &log_sum_exp, &gate,
                           &up, &attention_output, &feed_forward_output}) {
    sum += s->bytes();
  }
  return sum;
}

size_t TrainingWorkspace::Buffers::bytes() const {
  size_t sum = passing.bytes() + projections.bytes() + (losses.capacity() + scaled_weights.capacity()) * sizeof(float);
  for (const LayerActivations& layer : layers) sum += layer.bytes();
  for (const Scratch* s :
       {&residual, &normed, &activated, &d_residual, &d_output, &d_normed, &d_activated, &d_attention, &d_q, &d_k, &d_v,
        &query_normed, &d_query_normed, &learned, &d_learned, &learned_normed, &d_learned_normed, &logits}) {
    sum += s->bytes();
  }
  return sum;
}

int64_t LogitChunkRows(int64_t vocab_size) { return std::clamp<int64_t>((int64_t{1} << 23) / vocab_size, 16, 256); }

LayerViews ViewsOf(const DecoderContext& context, int64_t layer, LayerActivations& own,
                   TrainingWorkspace::Buffers& buffers, int64_t rows) {
  const ModelConfig& config = context.model.config;
  const DType type = context.activation_type();
  LayerViews views;
  views.q = own.q.View(type, rows, config.query_size());
  views.attention = own.attention.View(type, rows, config.query_size());
  views.k = own.k.View(type, rows, config.key_value_size());
  views.v = own.v.View(type, rows, config.key_value_size());
  if (config.qk_norm) {
    views.q_projected = own.q_projected.View(type, rows, config.query_size());
    views.k_projected = own.k_projected.View(type, rows, config.key_value_size());
  }
  if (config.output_norms) {
    views.attention_output = own.attention_output.View(DType::kF32, rows, config.hidden_size);
    views.feed_forward_output = own.feed_forward_output.View(DType::kF32, rows, config.hidden_size);
  }
  PlaceFeedForward(context, layer, rows, own.gate, own.up, &views);
  views.activated = buffers.activated.View(type, views.up.rows, views.up.cols);
  views.normed = buffers.normed.View(type, rows, config.hidden_size);
  return views;
}

bool OnlyLearnedRows(const DecoderContext& context, const PackedBatch& batch, int64_t layer) {
  return context.techniques.learned_rows && layer + 1 == context.model.config.num_hidden_layers &&
         batch.learned_rows.size() < batch.ids.size();
}

LayerViews LearnedViewsOf(const LayerViews& all, TrainingWorkspace::Buffers& buffers, int64_t learned) {
  LayerViews views = FirstRows(all, learned);
  views.k = all.k;
  views.v = all.v;
  views.k_projected = all.k_projected;
  views.normed = buffers.query_normed.View(all.normed.dtype, learned, all.normed.cols);
  return views;
}

std::vector<AttentionSegment> LearnedSegmentsOf(const PackedBatch& batch, const LayerViews& views) {
  const std::vector<AttentionSegment> documents = SegmentsOf(batch, views);
  std::vector<AttentionSegment> segments;
  size_t document = 0;
  for (size_t i = 0; i < batch.learned_rows.size(); ++i) {
    const int64_t row = batch.learned_rows[i];
    while (row >= documents[document].query_begin + documents[document].query_rows) ++document;
    const AttentionSegment& d = documents[document];
    const bool goes_on = i > 0 && batch.learned_rows[i - 1] + 1 == row && row > d.query_begin;
    if (!goes_on) {
      segments.push_back(d);
      segments.back().query_begin = static_cast<int64_t>(i);
      segments.back().query_rows = 0;
      segments.back().position = d.position + row - d.query_begin;
    }
    ++segments.back().query_rows;
  }
  return segments;
}

std::vector<AttentionSegment> SegmentsOf(const PackedBatch& batch, const LayerViews& views) {
  std::vector<AttentionSegment> segments;
  for (const PackedSegment& packed : batch.segments) {
    AttentionSegment segment;
    segment.query_begin = packed.begin;
    segment.query_rows = packed.rows;
    segment.position = packed.prefix_rows;
    segment.k = views.k;
    segment.v = views.v;
    segment.prefix_begin = packed.prefix_begin;
    segment.prefix_rows = packed.prefix_rows;
    segment.own_begin = packed.begin;
    segments.push_back(segment);
  }
  return segments;
}

}  // namespace hew
