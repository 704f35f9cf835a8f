#include "kernels/linear.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "base/check.h"
#include "kernels/cpu/linear_int8.h"
#include "kernels/cpu/linear_kernels.h"

namespace hew {
namespace {

// Rows of one block of packed activations: high enough that packing a weight panel is cheap beside using it.
constexpr int64_t kBlockRows = 768;
constexpr size_t kMostOperands = 32;
constexpr int64_t kPrefetchBytes = 4096;
constexpr int kMostStripRows = 16;  // of any instruction set

TileFormat FormatOf(DType type) {
  switch (type) {
    case DType::kF32:
      return kTileF32;
    case DType::kF16:
      return kTileF16;
    case DType::kBF16:
      return kTileBF16;
    case DType::kQ4_0:
      return kTileFormatQ4_0;
    case DType::kQ4_1:
      return kTileFormatQ4_1;
    case DType::kQ5_0:
      return kTileFormatQ5_0;
    case DType::kQ5_1:
      return kTileFormatQ5_1;
    case DType::kQ8_0:
      return kTileFormatQ8_0;
    case DType::kQ2_K:
      return kTileFormatQ2_K;
    case DType::kQ3_K:
      return kTileFormatQ3_K;
    case DType::kQ4_K:
      return kTileFormatQ4_K;
    case DType::kQ5_K:
      return kTileFormatQ5_K;
    default:
      HEW_CHECK(type == DType::kQ6_K);
      return kTileFormatQ6_K;
  }
}

const LinearKernels& KernelsFor(const Runtime& rt) {
#if defined(__x86_64__)
  if (rt.bf16()) return avx512_bf16::kLinearKernels;
  if (rt.isa == Isa::kAvx512) return avx512::kLinearKernels;
  if (rt.isa == Isa::kAvx2) return avx2::kLinearKernels;
#endif
  return scalar::kLinearKernels;
}

// Null unless the run is one of int8 activations.
const Int8Kernels* Int8For(const Runtime& rt) {
  if (rt.precision != Precision::kInt8) return nullptr;
#if defined(__x86_64__)
  if (rt.isa == Isa::kAvx512) return &avx512_int8::kInt8Kernels;
  if (rt.isa == Isa::kAvx2) return &avx2_int8::kInt8Kernels;
#endif
  return &scalar_int8::kInt8Kernels;
}

// The frozen weight, which is a product's first term; those after it are multiplied as the mode says.
bool BeginsInInt8(const Int8Kernels* int8, const LinearProduct& p) {
  return int8 != nullptr && HasInt8(FormatOf(p.terms[0].w->type));
}

// Scratch of a thread, kept between calls and grown when needed. Contents are undefined.
struct Scratch {
  Buffer buffer;
  uint32_t* Take(int64_t elements) {
    const size_t bytes = static_cast<size_t>(elements) * 4;
    if (buffer.size() < bytes) buffer = Buffer(bytes);
    return buffer.as<uint32_t>();
  }
};
thread_local Scratch activation_scratch;  // packed activations, of the thread that calls
thread_local Scratch panel_scratch;       // one panel, of each thread
thread_local Scratch row_scratch;  // converted rows of terms that are of some rows alone, of the thread that calls

const uint8_t* TileOf(const Weight& w, int64_t tile) { return w.data.as<uint8_t>() + tile * w.tile_bytes; }

// Asks for `count` tiles from `tile` on, but not for more than some thousand bytes.
void Prefetch(const Weight& w, int64_t tile, int64_t count) {
  const uint8_t* begin = TileOf(w, tile);
  const int64_t bytes = std::min<int64_t>((std::min(tile + count, w.tiles()) - tile) * w.tile_bytes, kPrefetchBytes);
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(begin + at, 0, 2);
}

LinearInput InputOf(ConstMatrixView x, int64_t row = 0, int64_t col = 0) {
  const bool bf16 = x.dtype == DType::kBF16;
  return {static_cast<const std::byte*>(x.data) + (row * x.stride + col) * (bf16 ? 2 : 4), bf16, x.stride};
}

LinearOutput OutputOf(MatrixView y, const float* bias, float scale, bool accumulate) {
  return {y.data, y.dtype == DType::kBF16, accumulate, y.stride, bias, scale};
}

LinearOutput At(LinearOutput out, int64_t row, int64_t col) {
  out.y = static_cast<std::byte*>(out.y) + (row * out.stride + col) * (out.bf16 ? 2 : 4);
  if (out.bias != nullptr) out.bias += col;
  return out;
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ---- many rows ----

// A matrix of activations as multiply reads it: strips of packed rows (or of packed columns, for outer products).
struct Operand {
  ConstMatrixView x;
  bool int8 = false;  // its strips are those of linear_int8.h, a step a group
  int64_t rows = 0;   // that come out of it: x's rows, or its columns
  int64_t steps = 0;
  int64_t strip_size = 0;  // 4-byte elements from strip to strip, slack included
  uint32_t* packed = nullptr;

  uint32_t* strip(int64_t s) const { return packed + s * strip_size; }
};

// A term of some rows alone, which comes after the operands: as few rows are multiplied, straight from the tiles.
struct SomeRows {
  const Weight* w = nullptr;
  int64_t first_row = 0, rows = 0;
  const uint32_t* converted = nullptr;  // [rows, stride]
  int64_t stride = 0;
};

// One product: outputs [rows, cols] from its operands, one after the other, and panels of 32 columns of the other side.
struct Product {
  std::vector<size_t> operands;    // indices; their steps follow each other in a panel
  std::optional<TileFormat> int8;  // the first operand is one of int8, with weights of this format
  int64_t int8_words = 0;          // of a panel, for that operand
  int64_t panel_words = 0;         // in all
  std::vector<SomeRows> some_rows;
  bool after = false;  // reads what products before it write
  int64_t cols = 0;
  std::function<void(int64_t panel, uint32_t* out)> pack_panel;
  LinearOutput out;
};

using PackStrip = std::function<void(const Operand& operand, int64_t row, int count, uint32_t* strip)>;

// The operand that reads `x`; each matrix is packed once, however many products and terms read it.
size_t OperandOf(ConstMatrixView x, bool int8, int group, std::vector<Operand>* operands) {
  for (size_t i = 0; i < operands->size(); ++i) {
    if ((*operands)[i].int8 != int8) continue;
    const ConstMatrixView& o = (*operands)[i].x;
    if (o.data == x.data && o.dtype == x.dtype && o.rows == x.rows && o.cols == x.cols && o.stride == x.stride)
      return i;
  }
  operands->push_back({x, int8, x.rows, CeilDiv(x.cols, int8 ? kInt8Group : group)});
  return operands->size() - 1;
}

// What Multiply does with a run of products that do not read each other's outputs.
struct Stage {
  std::span<const Product> products;
  size_t first_operand = 0, end_operand = 0;  // those that no stage before it has packed
  std::vector<int64_t> first_panel = {0};     // of each product, and the end
};

// The part of all rows that is packed at a time, in strips.
struct StripBlock {
  int64_t first, count;
  int64_t strips(int64_t rows, int64_t strip_rows) const {
    return std::clamp<int64_t>(CeilDiv(rows, strip_rows) - first, 0, count);
  }
};

std::vector<Stage> StagesOf(std::span<const Product> products) {
  std::vector<Stage> stages;
  size_t packed = 0;
  for (size_t begin = 0, end; begin < products.size(); begin = end) {
    Stage stage;
    stage.first_operand = packed;
    for (end = begin; end < products.size() && (end == begin || !products[end].after); ++end) {
      for (const size_t i : products[end].operands) packed = std::max(packed, i + 1);
      stage.first_panel.push_back(stage.first_panel.back() + CeilDiv(products[end].cols, kPanelCols));
    }
    stage.products = products.subspan(begin, end - begin);
    stage.end_operand = packed;
    stages.push_back(std::move(stage));
  }
  return stages;
}

// Memory for the strips of `block_strips` strips of every operand.
void PlaceOperands(const LinearKernels& kernels, int64_t block_strips, std::vector<Operand>& operands) {
  int64_t size = 0;
  for (Operand& o : operands) {
    o.strip_size = o.int8 ? o.steps * kInt8RowWords * kernels.strip_rows
                          : CeilDiv(o.steps, kStripSteps) * kStripSteps * kernels.strip_rows + kStripSlack;
    size += o.strip_size * block_strips;
  }
  uint32_t* memory = activation_scratch.Take(size);
  for (Operand& o : operands) {
    o.packed = memory;
    memory += o.strip_size * block_strips;
  }
}

// A strip's outputs where some of its rows have terms of their own: the sums of all rows go on, row by row, from where
// the shared operands left them. `start` as for LinearKernels::multiply.
void MultiplyStrip(const LinearKernels& kernels, const Product& p, std::span<const LinearStrip> pieces,
                   const uint32_t* weights, const float* start, int64_t first_row, int rows, int64_t panel, int cols) {
  HEW_CHECK(rows <= kMostStripRows);
  alignas(64) float sums[kMostStripRows * kPanelCols] = {};
  const int count = static_cast<int>(pieces.size());
  for (const SomeRows& t : p.some_rows) {  // what comes after the shared operands is on its way meanwhile
    if (t.first_row < first_row + rows && t.first_row + t.rows > first_row)
      Prefetch(*t.w, panel * kFewTiles, kFewTiles);
  }
  kernels.multiply(pieces.data(), count, weights, start, rows, cols, {sums, false, false, kPanelCols, nullptr, 1.0f});
  for (const SomeRows& t : p.some_rows) {
    const int64_t end = std::min(first_row + rows, t.first_row + t.rows);
    for (int64_t row = std::max(first_row, t.first_row), next; row < end; row = next) {
      next = std::min(end, row + kFewRows);
      const int64_t distance = (panel + 1) * kFewTiles <= t.w->tiles() ? t.w->tile_bytes : 0;
      kernels.multiply_few(FormatOf(t.w->type), TileOf(*t.w, panel * kFewTiles), distance, t.w->cols,
                           t.converted + (row - t.first_row) * t.stride, t.stride, static_cast<int>(next - row),
                           sums + (row - first_row) * kPanelCols);
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int64_t col = 0; col < cols; col += kTileRows) {
      kernels.store(sums + r * kPanelCols + col, static_cast<int>(std::min(kTileRows, cols - col)),
                    At(p.out, first_row + r, panel * kPanelCols + col));
    }
  }
}

// The strips of a stage's new operands are packed; then each task packs one panel and multiplies it with (a part of)
// the strips. With few panels the strips are cut too, so that every thread has work; a panel is then packed more than
// once.
void RunStage(const Runtime& rt, const LinearKernels& kernels, const Int8Kernels* int8, const Stage& stage,
              const std::vector<Operand>& operands, const StripBlock& block, const PackStrip& pack_strip) {
  const int64_t strip_rows = kernels.strip_rows, panels = stage.first_panel.back(), threads = rt.pool->threads();
  const auto rows_of = [&](const Operand& o, int64_t s) {
    return static_cast<int>(std::min(strip_rows, o.rows - (block.first + s) * strip_rows));
  };
  std::vector<std::pair<const Operand*, int64_t>> to_pack;
  for (size_t i = stage.first_operand; i < stage.end_operand; ++i) {
    for (int64_t s = 0; s < block.strips(operands[i].rows, strip_rows); ++s) to_pack.emplace_back(&operands[i], s);
  }
  rt.pool->ParallelFor(static_cast<int64_t>(to_pack.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& [o, s] = to_pack[static_cast<size_t>(i)];
      pack_strip(*o, (block.first + s) * strip_rows, rows_of(*o, s), o->strip(s));
    }
  });
  const int64_t parts = threads == 1 ? 1 : CeilDiv(threads * 4, panels);
  rt.pool->Run(panels * parts, [&](int64_t task) {
    const auto next = std::upper_bound(stage.first_panel.begin(), stage.first_panel.end(), task / parts);
    const Product& p = stage.products[static_cast<size_t>(next - stage.first_panel.begin() - 1)];
    const int64_t panel = task / parts - *(next - 1), part = task % parts;
    const Operand& first = operands[p.operands[0]];
    const int64_t strips = block.strips(first.rows, strip_rows), begin = strips * part / parts,
                  end = strips * (part + 1) / parts;
    if (begin == end) return;
    uint32_t* weights = panel_scratch.Take(p.panel_words + kPackSlack);
    p.pack_panel(panel, weights);
    const int cols = static_cast<int>(std::min<int64_t>(kPanelCols, p.cols - panel * kPanelCols));
    LinearStrip pieces[kMostOperands];
    alignas(64) float sums[kMostStripRows * kPanelCols];
    for (int64_t s = begin; s < end; ++s) {
      const int64_t row = (block.first + s) * strip_rows;
      const int rows = rows_of(first, s);
      if (p.int8) {
        std::fill_n(sums, strip_rows * kPanelCols, 0.0f);
        int8->multiply(*p.int8, first.strip(s), weights, first.x.cols, rows, sums);
      }
      int count = 0;
      for (size_t i = p.int8 ? 1 : 0; i < p.operands.size(); ++i) {
        pieces[count++] = {operands[p.operands[i]].strip(s), operands[p.operands[i]].steps};
      }
      const uint32_t* rest = weights + p.int8_words;
      const float* start = p.int8 ? sums : nullptr;
      if (p.some_rows.empty()) {
        kernels.multiply(pieces, count, rest, start, rows, cols, At(p.out, row, panel * kPanelCols));
      } else {
        MultiplyStrip(kernels, p, {pieces, static_cast<size_t>(count)}, rest, start, row, rows, panel, cols);
      }
    }
  });
}

// Rows are taken in blocks of at most `block_rows`; a block goes through all stages.
void Multiply(const Runtime& rt, const LinearKernels& kernels, const Int8Kernels* int8, int64_t block_rows,
              std::vector<Operand>& operands, std::span<const Product> products, const PackStrip& pack_strip) {
  int64_t rows = 0;
  for (const Operand& o : operands) rows = std::max(rows, o.rows);
  const int64_t all_strips = CeilDiv(rows, int64_t{kernels.strip_rows});
  const int64_t block_strips = CeilDiv(all_strips, CeilDiv(rows, block_rows));
  PlaceOperands(kernels, block_strips, operands);
  const std::vector<Stage> stages = StagesOf(products);
  for (int64_t first = 0; first < all_strips; first += block_strips) {
    for (const Stage& stage : stages) RunStage(rt, kernels, int8, stage, operands, {first, block_strips}, pack_strip);
  }
}

PackStrip RowPacker(const LinearKernels& kernels, const Int8Kernels* int8) {
  return [&kernels, int8](const Operand& o, int64_t row, int count, uint32_t* strip) {
    (o.int8 ? int8->pack_rows : kernels.pack_rows)(InputOf(o.x, row), count, o.x.cols, strip);
  };
}

// The terms that a product begins with and that are of all its rows; the first one is.
std::span<const LinearTerm> SharedTerms(const LinearProduct& p) {
  size_t count = 0;
  while (count < p.terms.size() && p.terms[count].x.rows == p.y.rows) ++count;
  return p.terms.first(count);
}

// A product of its shared terms, without its pack_panel, which differs between the forward pass and the gradient.
Product ProductOf(const LinearKernels& kernels, const Int8Kernels* int8, const LinearProduct& p,
                  std::vector<Operand>* operands) {
  Product product;
  product.after = p.after;
  product.cols = p.y.cols;
  product.out = OutputOf(p.y, p.bias, 1.0f, p.accumulate);
  if (BeginsInInt8(int8, p)) {
    product.int8 = FormatOf(p.terms[0].w->type);
    product.int8_words = p.terms[0].x.cols / kInt8Group * Int8PanelWords(*product.int8);
  }
  product.panel_words = product.int8_words;
  for (const LinearTerm& t : SharedTerms(p)) {
    const bool quantised = product.int8 && product.operands.empty();
    product.operands.push_back(OperandOf(t.x, quantised, kernels.group, operands));
    if (!quantised) product.panel_words += CeilDiv(t.x.cols, kernels.group) * kPanelCols;
  }
  HEW_CHECK(!product.operands.empty() && product.operands.size() <= kMostOperands);
  return product;
}

// Gives each product its other terms, their rows converted.
void AddSomeRows(const LinearKernels& kernels, std::span<const LinearProduct> products, std::vector<Product>& packed) {
  int64_t size = 0;
  for (const LinearProduct& p : products) {
    for (const LinearTerm& t : p.terms.subspan(SharedTerms(p).size())) {
      size += t.x.rows * CeilDiv(CeilDiv(t.x.cols, kernels.group), kStripSteps) * kStripSteps;
    }
  }
  uint32_t* memory = size > 0 ? row_scratch.Take(size) : nullptr;
  for (size_t i = 0; i < products.size(); ++i) {
    for (const LinearTerm& t : products[i].terms.subspan(SharedTerms(products[i]).size())) {
      const int64_t stride = CeilDiv(CeilDiv(t.x.cols, kernels.group), kStripSteps) * kStripSteps;
      packed[i].some_rows.push_back({t.w, t.first_row, t.x.rows, memory, stride});
      for (int64_t r = 0; r < t.x.rows; ++r, memory += stride) kernels.convert_row(InputOf(t.x, r), t.x.cols, memory);
    }
  }
}

void LinearManyRows(const Runtime& rt, const LinearKernels& kernels, std::span<const LinearProduct> products) {
  const Int8Kernels* int8 = Int8For(rt);
  std::vector<Operand> operands;
  std::vector<Product> packed;
  for (const LinearProduct& p : products) {
    packed.push_back(ProductOf(kernels, int8, p, &operands));
    const bool quantised = packed.back().int8.has_value();
    packed.back().pack_panel = [&kernels, int8, quantised, terms = SharedTerms(p)](int64_t panel, uint32_t* weights) {
      for (const LinearTerm& t : terms) {
        const bool first = quantised && &t == terms.data();
        const TileFormat format = FormatOf(t.w->type);
        for (int half = 0; half < 2; ++half) {
          const int64_t tile = panel * 2 + half;
          if (tile >= t.w->tiles()) continue;
          (first ? int8->pack_tile : kernels.pack_tile)(format, TileOf(*t.w, tile), t.w->cols, half, weights);
        }
        weights +=
            first ? t.w->cols / kInt8Group * Int8PanelWords(format) : CeilDiv(t.w->cols, kernels.group) * kPanelCols;
      }
    };
  }
  AddSomeRows(kernels, products, packed);
  Multiply(rt, kernels, int8, kBlockRows, operands, packed, RowPacker(kernels, int8));
}

// ---- few rows ----

// Converted rows of every term of every product; a matrix that several read is converted once.
class ConvertedRows {
 public:
  ConvertedRows(const LinearKernels& kernels, const Int8Kernels* int8, std::span<const LinearProduct> products) {
    int64_t size = 0;
    for (const LinearProduct& p : products) {
      for (const LinearTerm& t : p.terms) {
        const size_t known = operands_.size();
        terms_.push_back(OperandOf(t.x, &t == p.terms.data() && BeginsInInt8(int8, p), kernels.group, &operands_));
        if (operands_.size() == known) continue;
        Operand& o = operands_.back();
        o.strip_size = o.int8 ? o.steps * kInt8RowWords : CeilDiv(o.steps, kStripSteps) * kStripSteps;
        size += o.strip_size * o.rows;
      }
    }
    uint32_t* memory = activation_scratch.Take(size);
    for (Operand& o : operands_) {
      o.packed = memory;
      memory += o.strip_size * o.rows;
      const auto convert = o.int8 ? int8->quantise_row : kernels.convert_row;
      for (int64_t r = 0; r < o.rows; ++r) convert(InputOf(o.x, r), o.x.cols, o.strip(r));
    }
  }
  const Operand& of_term(size_t term) const { return operands_[terms_[term]]; }  // counted over all products

 private:
  std::vector<Operand> operands_;
  std::vector<size_t> terms_;
};

// Pair `pair` of the tiles [begin, end) of a product, whose first `half` are one stream of memory and the rest another.
void MultiplyTiles(const LinearKernels& kernels, const Int8Kernels* int8, const LinearProduct& p,
                   const ConvertedRows& x, size_t first_term, int64_t begin, int64_t half, int64_t pair, int64_t end) {
  const int64_t rows = p.y.rows, tiles[kFewTiles] = {begin + pair, begin + half + pair};
  const int count = tiles[1] < end ? 2 : 1;
  alignas(64) float sums[kFewRows * kFewTiles * kTileRows] = {};
  for (size_t i = 0; i < p.terms.size(); ++i) {
    const LinearTerm& t = p.terms[i];
    const Operand& o = x.of_term(first_term + i);
    const int64_t distance = count == 1 ? 0 : (tiles[1] - tiles[0]) * t.w->tile_bytes;
    const auto multiply = o.int8 ? int8->multiply_few : kernels.multiply_few;
    multiply(FormatOf(t.w->type), TileOf(*t.w, tiles[0]), distance, t.w->cols, o.packed, o.strip_size,
             static_cast<int>(t.x.rows), sums + t.first_row * kFewTiles * kTileRows);
  }
  const LinearOutput out = OutputOf(p.y, p.bias, 1.0f, p.accumulate);
  for (int64_t r = 0; r < rows; ++r) {
    for (int t = 0; t < count; ++t) {
      const int64_t col = tiles[t] * kTileRows;
      kernels.store(sums + (r * kFewTiles + t) * kTileRows, static_cast<int>(std::min(kTileRows, p.y.cols - col)),
                    At(out, r, col));
    }
  }
}

// Each thread begins with a run of neighbouring tiles of every product, so that it reads memory in long streams, and
// takes from the others' runs when it is through: what a tile gives does not depend on who makes it.
void LinearFewRows(const Runtime& rt, const LinearKernels& kernels, std::span<const LinearProduct> products) {
  const Int8Kernels* int8 = Int8For(rt);
  const ConvertedRows x(kernels, int8, products);
  struct Run {
    const LinearProduct* product;
    size_t first_term;
    int64_t begin, half, end, pieces_before;
  };
  const int threads = rt.pool->threads();
  std::vector<std::vector<Run>> runs(static_cast<size_t>(threads));
  std::vector<std::atomic<int64_t>> next(runs.size());
  std::vector<int64_t> pieces(runs.size());
  size_t term = 0;
  for (const LinearProduct& p : products) {
    const int64_t pairs = CeilDiv(CeilDiv(p.y.cols, kTileRows), kFewTiles), tiles = CeilDiv(p.y.cols, kTileRows);
    for (int64_t t = 0; t < threads; ++t) {
      const int64_t begin = pairs * t / threads * kFewTiles,
                    end = std::min(tiles, pairs * (t + 1) / threads * kFewTiles);
      if (begin >= end) continue;
      const auto at = static_cast<size_t>(t);
      const int64_t half = CeilDiv(end - begin, kFewTiles);
      runs[at].push_back({&p, term, begin, half, end, pieces[at]});
      pieces[at] += half;
    }
    term += p.terms.size();
  }
  rt.pool->Run(threads, [&](int64_t task) {
    for (int64_t i = 0; i < threads; ++i) {
      const auto owner = static_cast<size_t>((task + i) % threads);
      size_t run = 0;
      for (int64_t piece; (piece = next[owner].fetch_add(1, std::memory_order_relaxed)) < pieces[owner];) {
        while (run + 1 < runs[owner].size() && runs[owner][run + 1].pieces_before <= piece) ++run;
        const Run& r = runs[owner][run];
        const bool last = piece + 1 == pieces[owner] ||
                          (run + 1 < runs[owner].size() && runs[owner][run + 1].pieces_before == piece + 1);
        if (last && run + 1 < runs[owner].size())
          Prefetch(*runs[owner][run + 1].product->terms[0].w, runs[owner][run + 1].begin, 1);
        MultiplyTiles(kernels, int8, *r.product, x, r.first_term, r.begin, r.half, piece - r.pieces_before, r.end);
      }
    }
  });
}

}  // namespace

void LinearAll(const Runtime& rt, std::span<const LinearProduct> products) {
  bool alike = true;  // the same rows everywhere
  int64_t least = INT64_MAX, most = 0;
  for (const LinearProduct& p : products) {
    HEW_CHECK(!p.terms.empty() && p.terms[0].x.rows == p.y.rows);
    for (const LinearTerm& t : p.terms) {
      HEW_CHECK(t.first_row >= 0 && t.first_row + t.x.rows <= p.y.rows && t.w->rows == p.y.cols &&
                t.x.cols == t.w->cols);
      alike = alike && t.x.rows == products[0].y.rows;
    }
    least = std::min(least, p.y.rows);
    most = std::max(most, p.y.rows);
  }
  HEW_CHECK(!products.empty() && (least > 0 || most == 0));
  if (most == 0) return;
  const LinearKernels& kernels = KernelsFor(rt);
  if (alike && most > kFewRows) return LinearManyRows(rt, kernels, products);
  for (size_t begin = 0, end; begin < products.size(); begin = end) {
    std::vector<LinearProduct> few, many;
    for (end = begin; end < products.size() && (end == begin || !products[end].after); ++end) {
      (products[end].y.rows <= kFewRows ? few : many).push_back(products[end]);
    }
    if (!few.empty()) LinearFewRows(rt, kernels, few);
    if (!many.empty()) LinearManyRows(rt, kernels, many);
  }
}

void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate) {
  const LinearProduct product = {terms, bias, y, accumulate};
  LinearAll(rt, {&product, 1});
}

void LinearInputGradientAll(const Runtime& rt, std::span<const LinearProduct> products) {
  HEW_CHECK(!products.empty());
  const LinearKernels& kernels = KernelsFor(rt);
  std::vector<Operand> operands;
  std::vector<Product> packed;
  for (const LinearProduct& p : products) {
    HEW_CHECK(!p.terms.empty() && p.y.rows == products[0].y.rows && p.bias == nullptr);
    for (const LinearTerm& t : p.terms)
      HEW_CHECK(t.x.rows == p.y.rows && t.w->cols == p.y.cols && t.x.cols == t.w->rows);
    packed.push_back(ProductOf(kernels, nullptr, p, &operands));
    packed.back().pack_panel = [&kernels, terms = p.terms](int64_t panel, uint32_t* weights) {
      for (const LinearTerm& t : terms) {
        for (int64_t tile = 0; tile < t.w->tiles(); ++tile) {
          kernels.pack_tile_across(FormatOf(t.w->type), TileOf(*t.w, tile), t.w->cols, panel,
                                   weights + tile * (kTileRows / kernels.group) * kPanelCols);
        }
        weights += CeilDiv(t.w->rows, kernels.group) * kPanelCols;
      }
    };
  }
  if (products[0].y.rows > 0) Multiply(rt, kernels, nullptr, kBlockRows, operands, packed, RowPacker(kernels, nullptr));
}

void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate) {
  const LinearProduct product = {terms, nullptr, d_x, accumulate};
  LinearInputGradientAll(rt, {&product, 1});
}

void OuterProductGradientAll(const Runtime& rt, std::span<const OuterProduct> products) {
  const LinearKernels& kernels = KernelsFor(rt);
  std::vector<Operand> operands;
  std::vector<Product> packed;
  int64_t rows = 0;
  for (const OuterProduct& p : products) {
    HEW_CHECK(p.a.rows == p.b.rows && p.c.rows == p.a.cols && p.c.cols == p.b.cols && p.c.dtype == DType::kF32);
    if (p.c.rows == 0 || p.c.cols == 0) continue;
    rows = std::max(rows, p.a.cols);
    Product product;
    product.operands = {operands.size()};
    product.panel_words = CeilDiv(p.a.rows, kernels.group) * kPanelCols;
    product.cols = p.b.cols;
    product.out = OutputOf(p.c, nullptr, p.scale, p.accumulate);
    product.pack_panel = [&kernels, b = p.b](int64_t panel, uint32_t* out) {
      const int64_t col = panel * kPanelCols;
      kernels.pack_columns(InputOf(b, 0, col), b.rows, b.cols - col, kPanelCols, out);
    };
    packed.push_back(std::move(product));
    operands.push_back({p.a, false, p.a.cols, CeilDiv(p.a.rows, kernels.group)});
  }
  if (packed.empty()) return;
  Multiply(rt, kernels, nullptr, rows, operands, packed, [&](const Operand& o, int64_t row, int, uint32_t* strip) {
    kernels.pack_columns(InputOf(o.x, 0, row), o.x.rows, o.x.cols - row, kernels.strip_rows, strip);
  });
}

void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c,
                          bool accumulate) {
  const OuterProduct product = {a, b, scale, c, accumulate};
  OuterProductGradientAll(rt, {&product, 1});
}

}  // namespace hew
