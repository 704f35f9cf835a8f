#include "infer/prompts.h"

#include <algorithm>
#include <cstring>

namespace hew {

size_t CommonPrefix(IdSpan a, IdSpan b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

void CopyPrefix(const Model& model, KvCache& from, int64_t rows, KvCache* to) {
  HEW_CHECK(rows <= from.length() && rows <= to->capacity());
  const auto copy = [rows](const MatrixView& x, const MatrixView& y) {
    std::memcpy(y.data, x.data, static_cast<size_t>(rows * x.stride * x.element_bytes()));
  };
  for (int64_t l = 0; l < model.config.num_hidden_layers; ++l) {
    copy(from.keys(l), to->keys(l));
    copy(from.values(l), to->values(l));
  }
  to->Truncate(rows);
}

Matrix RunTogether(const Engine& engine, std::span<const IdSpan> prompts, std::span<KvCache* const> caches,
                   bool all_rows) {
  int64_t total = 0;
  for (const IdSpan prompt : prompts) total += static_cast<int64_t>(prompt.size());
  Matrix out(DType::kF32, all_rows ? total : static_cast<int64_t>(prompts.size()), engine.model->config.hidden_size);
  struct Piece {
    size_t prompt;
    int64_t rows;
    bool last;
  };
  size_t prompt = 0, at = 0;  // the next row to run
  int64_t written = 0;
  while (prompt < prompts.size()) {
    std::vector<Piece> pieces;
    std::vector<SequenceRows> sequences;
    for (int64_t room = kPromptSlice; room > 0 && prompt < prompts.size();) {
      const size_t rows = std::min(prompts[prompt].size() - at, static_cast<size_t>(room));
      sequences.push_back({prompts[prompt].subspan(at, rows), caches[prompt]});
      at += rows;
      room -= static_cast<int64_t>(rows);
      const bool last = at == prompts[prompt].size();
      pieces.push_back({prompt, static_cast<int64_t>(rows), last});
      if (last) ++prompt, at = 0;
    }
    Matrix hidden = DecoderForward(engine.rt, *engine.model, engine.adapters, sequences,
                                   all_rows ? OutputRows::kAll : OutputRows::kLast);
    int64_t row = 0;
    for (const Piece& piece : pieces) {
      if (all_rows) {
        CopyOrAdd(engine.rt, hidden.rows(row, piece.rows), out.rows(written, piece.rows), false);
        written += piece.rows;
      } else if (piece.last) {
        CopyOrAdd(engine.rt, hidden.rows(row, 1), out.rows(static_cast<int64_t>(piece.prompt), 1), false);
      }
      row += all_rows ? piece.rows : 1;
    }
  }
  return out;
}

void PromptStem::Set(IdSpan ids) {
  const size_t common = CommonPrefix(ids_, ids);
  if (!cache_ || cache_->capacity() < static_cast<int64_t>(ids.size())) {
    auto larger = std::make_unique<KvCache>(engine_.rt, engine_.model->config,
                                            std::max<int64_t>(1, static_cast<int64_t>(ids.size())), engine_.context_size);
    if (cache_) CopyPrefix(*engine_.model, *cache_, static_cast<int64_t>(common), larger.get());
    cache_ = std::move(larger);
  }
  cache_->Truncate(static_cast<int64_t>(common));
  ids_.assign(ids.begin(), ids.end());
  const IdSpan rest = ids.subspan(common);
  KvCache* cache = cache_.get();
  if (!rest.empty()) RunTogether(engine_, {&rest, 1}, {&cache, 1});
}

std::unique_ptr<KvCache> PromptStem::Branch(int64_t capacity) const {
  auto cache = std::make_unique<KvCache>(engine_.rt, engine_.model->config, capacity, engine_.context_size);
  if (cache_) CopyPrefix(*engine_.model, *cache_, length(), cache.get());
  return cache;
}

}  // namespace hew
