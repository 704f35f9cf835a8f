// Serving: sequences with caches through the decoder.
#include "model/decoder.h"

#include <algorithm>

#include "kernels/linear.h"
#include "kernels/ops.h"
#include "model/decoder_layer.h"

namespace hew {
namespace {

struct BatchRows {
  std::vector<int32_t> ids;  // [rows]
  RowPositions at;
};

BatchRows FlattenRows(const Model& model, std::span<const SequenceRows> sequences) {
  BatchRows batch;
  for (const SequenceRows& s : sequences) {
    const auto rows = static_cast<int64_t>(s.ids.size());
    HEW_CHECK(s.cache != nullptr && rows > 0 && s.cache->length() + rows <= s.cache->capacity());
    HEW_CHECK(s.cache->length() + rows <= model.config.max_position_embeddings);
    const int64_t first_rope_row = s.cache->long_sequence() ? model.config.max_position_embeddings : 0;
    for (int64_t i = 0; i < rows; ++i) {
      const int32_t id = s.ids[static_cast<size_t>(i)];
      HEW_CHECK(id >= 0 && id < model.config.vocab_size);
      batch.ids.push_back(id);
      batch.at.positions.push_back(static_cast<int32_t>(s.cache->length() + i));
      batch.at.rope_rows.push_back(static_cast<int32_t>(first_rope_row + s.cache->length() + i));
    }
  }
  return batch;
}

// The adapters of each run of neighbouring sequences that have the same: their rows, or one row each.
std::vector<AdapterRun> RunsOf(std::span<const SequenceRows> sequences, bool one_row_each) {
  std::vector<AdapterRun> runs;
  for (const SequenceRows& s : sequences) {
    const auto same = [&](const AdapterRun& run) {
      return std::equal(run.adapters.begin(), run.adapters.end(), s.adapters.begin(), s.adapters.end());
    };
    if (runs.empty() || !same(runs.back())) runs.push_back({s.adapters, 0});
    runs.back().rows += one_row_each ? 1 : static_cast<int64_t>(s.ids.size());
  }
  return runs;
}

// The rows of a cache that this pass fills.
MatrixView NewRows(const SequenceRows& s, MatrixView cached) {
  return cached.Rows(s.cache->length(), static_cast<int64_t>(s.ids.size()));
}

// New keys and values to their caches, and what attention needs to know of each sequence.
std::vector<AttentionSegment> FillCaches(const Runtime& rt, std::span<const SequenceRows> sequences, int64_t layer,
                                         const LayerViews& views, bool in_place) {
  std::vector<AttentionSegment> segments;
  int64_t begin = 0;
  for (const SequenceRows& s : sequences) {
    const auto rows = static_cast<int64_t>(s.ids.size());
    const MatrixView keys = s.cache->keys(layer), values = s.cache->values(layer);
    if (!in_place) {
      CopyOrAdd(rt, views.k.Rows(begin, rows), NewRows(s, keys), false);
      CopyOrAdd(rt, views.v.Rows(begin, rows), NewRows(s, values), false);
    }
    AttentionSegment segment;
    segment.query_begin = begin;
    segment.query_rows = rows;
    segment.position = s.cache->length();
    segment.k = keys;
    segment.v = values;
    segments.push_back(segment);
    begin += rows;
  }
  return segments;
}

// The last layer for one row of each sequence: keys and values of all rows, everything else of those alone. Returns the
// residual stream of those rows after it.
Matrix LastRowsOfLastLayer(const DecoderContext& context, std::span<const SequenceRows> sequences,
                           const BatchRows& batch, ConstMatrixView residual, const LayerViews& views, bool in_place,
                           OutputRows wanted, ProjectionScratch& scratch) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  const int64_t layer = config.num_hidden_layers - 1;
  KeysAndValues(context, layer, residual, batch.at, views, scratch);
  std::vector<AttentionSegment> segments = FillCaches(rt, sequences, layer, views, in_place);
  if (wanted == OutputRows::kNone) return {};
  std::vector<int32_t> last;
  for (AttentionSegment& s : segments) {
    last.push_back(static_cast<int32_t>(s.query_begin + s.query_rows - 1));
    s.position += s.query_rows - 1;
    s.query_begin = static_cast<int64_t>(last.size()) - 1;
    s.query_rows = 1;
  }
  const auto rows = static_cast<int64_t>(last.size());
  Matrix kept(DType::kF32, rows, residual.cols), normed(views.normed.dtype, rows, residual.cols);
  GatherRows(rt, residual, last, kept.view());
  GatherRows(rt, views.normed, last, normed.view());
  LayerViews first = FirstRows(views, rows);
  first.normed = normed.view();
  const std::vector<AdapterRun> runs = RunsOf(sequences, true);
  DecoderContext of_last = context;
  of_last.runs = runs;
  Queries(of_last, layer, GatherRows(batch.at, last), first, scratch);
  AttentionForward(rt, AttentionShapeOf(config, layer), first.q, segments, first.attention, nullptr);
  AttentionOutput(of_last, layer, first, kept.view(), scratch);
  FeedForward(of_last, layer, first, kept.view(), scratch);
  return kept;
}

}  // namespace

Matrix DecoderForward(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters,
                      std::span<const SequenceRows> sequences, OutputRows wanted, const ResidualObserver* observer) {
  std::vector<SequenceRows> with(sequences.begin(), sequences.end());
  for (SequenceRows& s : with) s.adapters = adapters;
  return DecoderForward(rt, model, with, wanted, observer);
}

Matrix DecoderForward(const Runtime& rt, const Model& model, std::span<const SequenceRows> sequences, OutputRows wanted,
                      const ResidualObserver* observer) {
  const ModelConfig& config = model.config;
  const BatchRows batch = FlattenRows(model, sequences);
  const auto rows = static_cast<int64_t>(batch.ids.size());
  const std::vector<AdapterRun> runs = RunsOf(sequences, false);
  DecoderContext context{rt, model, {}};
  context.runs = runs;
  const DType type = context.activation_type();
  Matrix residual(DType::kF32, rows, config.hidden_size), normed(type, rows, config.hidden_size);
  Matrix q(type, rows, config.query_size()), attention(type, rows, config.query_size());
  Scratch gate, up;
  Matrix output(DType::kF32, config.output_norms ? rows : 0, config.hidden_size);
  const bool in_place = sequences.size() == 1;  // one sequence writes its keys and values where they stay
  Matrix k(type, in_place ? 0 : rows, config.key_value_size()), v(type, in_place ? 0 : rows, config.key_value_size());
  LayerViews views;
  views.q_projected = views.q = q.view();
  views.k_projected = views.k = k.view();
  views.v = v.view();
  views.attention = attention.view();
  views.normed = normed.view();
  views.attention_output = views.feed_forward_output = output.view();
  ProjectionScratch scratch;

  const auto show = [&](int64_t layers_done) {
    if (observer && residual.row_count() > 0) (*observer)(layers_done, residual.view());
  };
  Embed(context, batch.ids, batch.at, residual.view());
  show(0);
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    if (in_place) {
      views.k_projected = views.k = NewRows(sequences[0], sequences[0].cache->keys(l));
      views.v = NewRows(sequences[0], sequences[0].cache->values(l));
    }
    PlaceFeedForward(context, l, rows, gate, up, &views);
    views.activated = config.gated ? views.gate : views.up;  // elementwise, so it may stand where its input was
    if (l + 1 == config.num_hidden_layers && wanted != OutputRows::kAll) {
      residual = LastRowsOfLastLayer(context, sequences, batch, residual.view(), views, in_place, wanted, scratch);
      show(l + 1);
      break;
    }
    AttentionInputs(context, l, residual.view(), batch.at, views, scratch);
    const std::vector<AttentionSegment> segments = FillCaches(rt, sequences, l, views, in_place);
    AttentionForward(rt, AttentionShapeOf(config, l), views.q, segments, views.attention, nullptr);
    AttentionOutput(context, l, views, residual.view(), scratch);
    FeedForward(context, l, views, residual.view(), scratch);
    show(l + 1);
  }
  for (const SequenceRows& s : sequences) s.cache->Advance(static_cast<int64_t>(s.ids.size()));
  Matrix hidden(DType::kF32, residual.row_count(), config.hidden_size);
  if (hidden.row_count() == 0) return hidden;
  NormForward(context, model.final_norm, residual.view(), hidden.view());
  return hidden;
}

void FinalNorm(const Runtime& rt, const Model& model, ConstMatrixView residual, MatrixView hidden) {
  NormForward({rt, model, {}}, model.final_norm, residual, hidden);
}

void ComputeLogits(const Runtime& rt, const Model& model, ConstMatrixView hidden, MatrixView logits) {
  const LinearTerm term{hidden, &model.head()};
  Linear(rt, {&term, 1}, nullptr, logits);
  if (model.config.logit_softcap > 0) Softcap(rt, model.config.logit_softcap, logits);
}

}  // namespace hew
