#include "studio/understand/lens.h"

#include <algorithm>

#include "infer/sampler.h"
#include "kernels/ops.h"

namespace hew {
namespace {

constexpr int64_t kLogitRows = 64;  // logits made at once
constexpr int64_t kStreams = 64;    // positions whose streams are held at once

// The residual stream of one position after each layer, [layers + 1, hidden_size].
using Stream = Matrix;

// Runs ids behind the cache and keeps the stream of each.
std::vector<Stream> RecordStreams(const Engine& engine, std::span<const int32_t> ids, KvCache* cache) {
  const ModelConfig& config = engine.model->config;
  std::vector<Stream> streams;
  for (size_t i = 0; i < ids.size(); ++i)
    streams.emplace_back(DType::kF32, config.num_hidden_layers + 1, config.hidden_size);
  const ResidualObserver keep = [&](int64_t layers_done, ConstMatrixView residual) {
    for (size_t i = 0; i < streams.size(); ++i) {
      const float* from = residual.f32(static_cast<int64_t>(i));
      std::copy(from, from + residual.cols, streams[i].view().f32(layers_done));
    }
  };
  const SequenceRows rows{ids, cache};
  DecoderForward(engine.rt, *engine.model, engine.adapters, {&rows, 1}, OutputRows::kAll, &keep);
  return streams;
}

// Fills the cache with what comes before the first position that is asked for.
void RunBefore(const Engine& engine, std::span<const int32_t> ids, KvCache* cache) {
  while (!ids.empty()) {
    const SequenceRows slice{ids.first(std::min<size_t>(kPromptSlice, ids.size())), cache};
    DecoderForward(engine.rt, *engine.model, engine.adapters, {&slice, 1}, OutputRows::kNone);
    ids = ids.subspan(slice.ids.size());
  }
}

// Reads the rows of one stream through the last norm and the head; `take(row, logits, log_sum_exp)` gets each.
template <typename Take>
void ReadStream(const Engine& engine, const Stream& stream, const Take& take) {
  const ModelConfig& config = engine.model->config;
  const int64_t count = stream.row_count();
  Matrix hidden(DType::kF32, count, config.hidden_size);
  FinalNorm(engine.rt, *engine.model, stream.view(), hidden.view());
  Matrix logits(DType::kF32, std::min(kLogitRows, count), config.vocab_size);
  for (int64_t begin = 0; begin < count; begin += kLogitRows) {
    const int64_t rows = std::min(kLogitRows, count - begin);
    const MatrixView chunk = logits.rows(0, rows);
    ComputeLogits(engine.rt, *engine.model, hidden.rows(begin, rows), chunk);
    std::vector<float> normalizer(static_cast<size_t>(rows));
    LogSumExp(engine.rt, chunk, normalizer.data());
    for (int64_t i = 0; i < rows; ++i) {
      take(begin + i, std::span<const float>(chunk.f32(i), static_cast<size_t>(chunk.cols)),
           double{normalizer[static_cast<size_t>(i)]});
    }
  }
}

// One more than the tokens that stand before it in the order of TopTokens.
int64_t RankOf(std::span<const float> logits, int32_t id) {
  const float own = logits[static_cast<size_t>(id)];
  int64_t rank = 1;
  for (size_t i = 0; i < logits.size(); ++i)
    rank += logits[i] > own || (logits[i] == own && static_cast<int32_t>(i) < id);
  return rank;
}

LensPosition ReadPosition(const Engine& engine, const Stream& stream, const LensOptions& options) {
  LensPosition at;
  int32_t answer = options.followed.value_or(-1);
  if (answer < 0) {  // the last row decides what is followed through all of them
    Matrix last(DType::kF32, 1, stream.view().cols);
    const float* from = stream.view().f32(stream.row_count() - 1);
    std::copy(from, from + stream.view().cols, last.view().f32());
    ReadStream(engine, last, [&](int64_t, std::span<const float> logits, double) { answer = ArgMax(logits); });
  }
  ReadStream(engine, stream, [&](int64_t row, std::span<const float> logits, double normalizer) {
    at.rows.push_back({row, Spell(*engine.tokenizer, TopTokens(logits, static_cast<float>(normalizer), options.k)),
                       double{logits[static_cast<size_t>(answer)]} - normalizer, RankOf(logits, answer)});
  });
  at.answer = {answer, engine.tokenizer->TokenBytes(answer, true), at.rows.back().answer_logprob};
  return at;
}

}  // namespace

Result<LensReport> Lens(const Engine& engine, const std::vector<int32_t>& ids, const LensOptions& options) {
  HEW_RETURN_IF_ERROR(CheckPrompt(engine, ids));
  if (options.k < 1) return BadInput("k: expected 1 or more, found {}", options.k);
  if (options.followed && (*options.followed < 0 || *options.followed >= engine.model->config.vocab_size)) {
    return BadInput("followed: expected a token id below {}, found {}", engine.model->config.vocab_size,
                    *options.followed);
  }
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t first = options.all_positions ? 0 : count - 1;
  KvCache cache(engine.rt, engine.model->config, count);
  const std::span<const int32_t> all(ids);
  RunBefore(engine, all.first(static_cast<size_t>(first)), &cache);
  LensReport report;
  report.layers = engine.model->config.num_hidden_layers;
  for (int64_t begin = first; begin < count; begin += kStreams) {
    const int64_t rows = std::min(kStreams, count - begin);
    const auto streams =
        RecordStreams(engine, all.subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)), &cache);
    for (int64_t i = 0; i < rows; ++i) {
      LensPosition at = ReadPosition(engine, streams[static_cast<size_t>(i)], options);
      at.position = begin + i;
      at.id = ids[static_cast<size_t>(at.position)];
      at.text = engine.tokenizer->TokenBytes(at.id, true);
      report.positions.push_back(std::move(at));
    }
  }
  return report;
}

Json ToJson(const LensReport& report) {
  Json positions = Json::array();
  for (const auto& p : report.positions) {
    Json rows = Json::array();
    for (const auto& r : p.rows) {
      rows.push_back({{"layers_done", r.layers_done},
                      {"next", ToJson(r.likely)},
                      {"answer_logprob", r.answer_logprob},
                      {"answer_rank", r.answer_rank}});
    }
    positions.push_back(
        {{"position", p.position}, {"id", p.id}, {"text", p.text}, {"answer", ToJson(p.answer)}, {"layers", rows}});
  }
  return {{"layers", report.layers}, {"positions", positions}};
}

}  // namespace hew
