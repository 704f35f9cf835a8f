#include "kernels/linear.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "kernels/cpu/linear_kernels.h"

namespace hew {
namespace {

// Rows of one block of packed activations: high enough that packing a weight panel is cheap beside using it.
constexpr int64_t kBlockRows = 768;
// Below this many bytes of weights a task of the few-row kernel is not worth handing out.
constexpr int64_t kFewTaskBytes = 16384;

TileFormat FormatOf(DType type) {
  switch (type) {
    case DType::kF32: return kTileF32;
    case DType::kF16: return kTileF16;
    case DType::kBF16: return kTileBF16;
    case DType::kQ4_0: return kTileFormatQ4_0;
    case DType::kQ4_1: return kTileFormatQ4_1;
    case DType::kQ5_0: return kTileFormatQ5_0;
    case DType::kQ5_1: return kTileFormatQ5_1;
    case DType::kQ8_0: return kTileFormatQ8_0;
    case DType::kQ2_K: return kTileFormatQ2_K;
    case DType::kQ3_K: return kTileFormatQ3_K;
    case DType::kQ4_K: return kTileFormatQ4_K;
    case DType::kQ5_K: return kTileFormatQ5_K;
    default: HEW_CHECK(type == DType::kQ6_K); return kTileFormatQ6_K;
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

const uint8_t* TileOf(const Weight& w, int64_t tile) { return w.data.as<uint8_t>() + tile * w.tile_bytes; }

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

// Outputs [rows, cols] over `steps` of the contracted index.
struct Product {
  int64_t rows, cols, steps;
  // Packs rows [row, row + count) into a strip; packs panel `panel` (columns from 32 * panel on).
  std::function<void(int64_t row, int count, uint32_t* strip)> pack_strip;
  std::function<void(int64_t panel, uint32_t* out)> pack_panel;
};

// Blocks of rows are packed first; then each task packs one panel and multiplies it with (a part of) the block.
void Multiply(const Runtime& rt, const LinearKernels& kernels, const Product& product, const LinearOutput& out) {
  const int64_t strip_rows = kernels.strip_rows, panels = CeilDiv(product.cols, kPanelCols);
  const int64_t strip_size = product.steps * strip_rows + kPackSlack, panel_size = product.steps * kPanelCols + kPackSlack;
  const int64_t all_strips = CeilDiv(product.rows, strip_rows);
  const int64_t block_strips = CeilDiv(all_strips, CeilDiv(product.rows, kBlockRows));
  uint32_t* packed = activation_scratch.Take(block_strips * strip_size);
  const auto rows_of = [&](int64_t strip) { return static_cast<int>(std::min(strip_rows, product.rows - strip * strip_rows)); };

  for (int64_t first = 0; first < all_strips; first += block_strips) {
    const int64_t strips = std::min(block_strips, all_strips - first);
    rt.pool->ParallelFor(strips, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) product.pack_strip((first + s) * strip_rows, rows_of(first + s), packed + s * strip_size);
    });
    // With few panels the rows are cut too, so that every thread has work; a panel is then packed more than once.
    const int64_t threads = rt.pool->threads();
    const int64_t parts = threads == 1 ? 1 : std::clamp<int64_t>(CeilDiv(threads * 4, panels), 1, strips);
    rt.pool->Run(panels * parts, [&](int64_t task) {
      const int64_t panel = task / parts, part = task % parts;
      uint32_t* weights = panel_scratch.Take(panel_size);
      product.pack_panel(panel, weights);
      const int cols = static_cast<int>(std::min<int64_t>(kPanelCols, product.cols - panel * kPanelCols));
      for (int64_t s = strips * part / parts; s < strips * (part + 1) / parts; ++s) {
        kernels.multiply(packed + s * strip_size, weights, product.steps, rows_of(first + s), cols,
                         At(out, (first + s) * strip_rows, panel * kPanelCols));
      }
    });
  }
}

void LinearFewRows(const Runtime& rt, const LinearKernels& kernels, std::span<const LinearTerm> terms, const LinearOutput& out,
                   int64_t rows, int64_t cols) {
  // Rows of converted activations, term after term in each.
  int64_t x_stride = kPackSlack;
  for (const LinearTerm& t : terms) x_stride += CeilDiv(t.x.cols, kernels.group);
  uint32_t* x = activation_scratch.Take(rows * x_stride);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t step = 0;
    for (const LinearTerm& t : terms) {
      kernels.convert_row(InputOf(t.x, r), t.x.cols, x + r * x_stride + step);
      step += CeilDiv(t.x.cols, kernels.group);
    }
  }

  // A task takes `run` pairs of tiles: its first `run` tiles are one stream of memory, the `run` after them another.
  int64_t pair_bytes = 0;
  for (const LinearTerm& t : terms) pair_bytes += kFewTiles * t.w->tile_bytes;
  const int64_t tiles = terms[0].w->tiles(), pairs = CeilDiv(tiles, kFewTiles);
  const int64_t run = std::max(CeilDiv(kFewTaskBytes, pair_bytes), pairs / (int64_t{rt.pool->threads()} * 16));
  rt.pool->Run(CeilDiv(pairs, run), [&](int64_t task) {
    const int64_t begin = task * run * kFewTiles, count = std::min(run * kFewTiles, tiles - begin);
    const int64_t half = CeilDiv(count, kFewTiles);
    for (int64_t i = 0; i < half; ++i) {
      const int64_t pair[kFewTiles] = {begin + i, begin + (i + half < count ? i + half : i)};
      alignas(64) float sums[kFewRows * kFewTiles * kTileRows] = {};
      int64_t step = 0;
      for (const LinearTerm& t : terms) {
        kernels.multiply_few(FormatOf(t.w->type), TileOf(*t.w, pair[0]), (pair[1] - pair[0]) * t.w->tile_bytes, t.w->cols, x + step,
                             x_stride, static_cast<int>(rows), sums);
        step += CeilDiv(t.x.cols, kernels.group);
      }
      for (int64_t r = 0; r < rows; ++r) {
        for (int t = 0; t < (pair[0] == pair[1] ? 1 : 2); ++t) {
          const int64_t col = pair[t] * kTileRows;
          kernels.store(sums + (r * kFewTiles + t) * kTileRows, static_cast<int>(std::min(kTileRows, cols - col)), At(out, r, col));
        }
      }
    }
  });
}

// A product of `terms` without its pack_panel, which differs between the forward pass and the gradient. The terms
// must outlive it.
Product ProductOf(const LinearKernels& kernels, std::span<const LinearTerm> terms, int64_t rows, int64_t cols) {
  Product product = {.rows = rows, .cols = cols, .steps = 0, .pack_strip = {}, .pack_panel = {}};
  for (const LinearTerm& t : terms) product.steps += CeilDiv(t.x.cols, kernels.group);
  product.pack_strip = [&kernels, terms](int64_t row, int count, uint32_t* strip) {
    for (const LinearTerm& t : terms) {
      kernels.pack_rows(InputOf(t.x, row), count, t.x.cols, strip);
      strip += CeilDiv(t.x.cols, kernels.group) * kernels.strip_rows;
    }
  };
  return product;
}

}  // namespace

void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate) {
  HEW_CHECK(!terms.empty());
  for (const LinearTerm& t : terms) HEW_CHECK(t.x.rows == y.rows && t.w->rows == y.cols && t.x.cols == t.w->cols);
  if (y.rows == 0) return;
  const LinearKernels& kernels = KernelsFor(rt);
  const LinearOutput out = OutputOf(y, bias, 1.0f, accumulate);
  if (y.rows <= kFewRows) return LinearFewRows(rt, kernels, terms, out, y.rows, y.cols);

  Product product = ProductOf(kernels, terms, y.rows, y.cols);
  product.pack_panel = [&](int64_t panel, uint32_t* weights) {
    for (const LinearTerm& t : terms) {
      const int64_t steps = CeilDiv(t.w->cols, kernels.group);
      for (int half = 0; half < 2; ++half) {
        const int64_t tile = panel * 2 + half;
        if (tile < t.w->tiles()) kernels.pack_tile(FormatOf(t.w->type), TileOf(*t.w, tile), t.w->cols, half, weights);
      }
      weights += steps * kPanelCols;
    }
  };
  Multiply(rt, kernels, product, out);
}

void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate) {
  HEW_CHECK(!terms.empty());
  for (const LinearTerm& t : terms) HEW_CHECK(t.x.rows == d_x.rows && t.w->cols == d_x.cols && t.x.cols == t.w->rows);
  if (d_x.rows == 0) return;
  const LinearKernels& kernels = KernelsFor(rt);
  Product product = ProductOf(kernels, terms, d_x.rows, d_x.cols);
  product.pack_panel = [&](int64_t panel, uint32_t* weights) {
    for (const LinearTerm& t : terms) {
      for (int64_t tile = 0; tile < t.w->tiles(); ++tile) {
        kernels.pack_tile_across(FormatOf(t.w->type), TileOf(*t.w, tile), t.w->cols, panel,
                                 weights + tile * (kTileRows / kernels.group) * kPanelCols);
      }
      weights += CeilDiv(t.w->rows, kernels.group) * kPanelCols;
    }
  };
  Multiply(rt, kernels, product, OutputOf(d_x, nullptr, 1.0f, accumulate));
}

namespace {

// c = scale * a' b with the rows of the product from a's columns and its panels from b's.
void Outer(const Runtime& rt, const LinearKernels& kernels, ConstMatrixView a, ConstMatrixView b, const LinearOutput& out) {
  const Product product = {
      .rows = a.cols,
      .cols = b.cols,
      .steps = CeilDiv(a.rows, kernels.group),
      .pack_strip = [&](int64_t row, int,
                        uint32_t* strip) { kernels.pack_columns(InputOf(a, 0, row), a.rows, a.cols - row, kernels.strip_rows, strip); },
      .pack_panel =
          [&](int64_t panel, uint32_t* out_panel) {
            const int64_t col = panel * kPanelCols;
            kernels.pack_columns(InputOf(b, 0, col), b.rows, b.cols - col, kPanelCols, out_panel);
          },
  };
  Multiply(rt, kernels, product, out);
}

}  // namespace

void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c, bool accumulate) {
  HEW_CHECK(a.rows == b.rows && c.rows == a.cols && c.cols == b.cols && c.dtype == DType::kF32);
  if (c.rows == 0 || c.cols == 0) return;
  const LinearKernels& kernels = KernelsFor(rt);
  if (c.cols >= 2 * kPanelCols || c.rows <= c.cols) return Outer(rt, kernels, a, b, OutputOf(c, nullptr, scale, accumulate));

  // A narrow c (the gradient of LoRA's B) as its transpose: long panels, and b's few columns as rows.
  const int64_t size = c.rows * c.cols;
  static thread_local Scratch transposed_scratch;
  float* transposed = reinterpret_cast<float*>(transposed_scratch.Take(size));
  Outer(rt, kernels, b, a, OutputOf(F32View(transposed, c.cols, c.rows), nullptr, scale, false));
  for (int64_t p = 0; p < c.rows; ++p) {
    float* row = c.f32(p);
    for (int64_t q = 0; q < c.cols; ++q) row[q] = transposed[q * c.rows + p] + (accumulate ? row[q] : 0.0f);
  }
}

}  // namespace hew
