#include "model/projection.h"

#include <algorithm>

#include "base/float16.h"
#include "kernels/linear.h"
#include "kernels/ops.h"
#include "model/trainable.h"

namespace hew {
namespace {

const LoraAdapter& OnlyAdapter(const DecoderContext& context) {
  HEW_CHECK(context.adapters.size() == 1);
  return *context.adapters[0];
}

bool Drops(const DecoderContext& context, const LoraAdapter& adapter) {
  return context.dropout != nullptr && adapter.config.dropout > 0;
}

// Every module of every step has its own random mask.
void DropInput(const DecoderContext& context, const LoraAdapter& adapter, const LoraModule& m, ConstMatrixView x,
               MatrixView y, bool accumulate) {
  const auto layers = static_cast<uint64_t>(context.model.config.num_hidden_layers);
  const uint64_t stream = (context.dropout->step * layers + static_cast<uint64_t>(m.layer)) * kProjectionCount +
                          static_cast<uint64_t>(m.projection);
  Dropout(context.rt, x, static_cast<float>(adapter.config.dropout), context.dropout->seed, stream, y, accumulate);
}

ConstMatrixView InputOf(const DecoderContext& context, const LoraAdapter& adapter, const LoraModule& m,
                        ConstMatrixView x, Scratch& dropped) {
  if (!Drops(context, adapter)) return x;
  const MatrixView y = dropped.View(context.activation_type(), x.rows, x.cols);
  DropInput(context, adapter, m, x, y, false);
  return y;
}

void LinearOne(const Runtime& rt, ConstMatrixView x, const Weight& w, MatrixView y) {
  const LinearTerm term{x, &w};
  Linear(rt, {&term, 1}, nullptr, y);
}

MatrixView LowRank(const DecoderContext& context, const LoraModule& m, ConstMatrixView x, Scratch& scratch) {
  const MatrixView h = scratch.View(context.activation_type(), x.rows, m.rank);
  LinearOne(context.rt, x, m.a, h);
  return h;
}

// y[i, :] += bias.
void AddBias(const Runtime& rt, const std::vector<float>& bias, MatrixView y) {
  if (bias.empty()) return;
  rt.pool->ParallelFor(y.rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < y.cols; ++j) {
        const float b = bias[static_cast<size_t>(j)];
        if (y.dtype == DType::kF32) {
          y.f32(i)[j] += b;
        } else {
          y.bf16(i)[j] = FloatToBF16(BF16ToFloat(y.bf16(i)[j]) + b);
        }
      }
    }
  });
}

const float* BiasOf(const DecoderContext& context, int64_t layer, Projection p) {
  const std::vector<float>& bias = context.model.layers[static_cast<size_t>(layer)].biases[static_cast<size_t>(p)];
  return bias.empty() ? nullptr : bias.data();
}

// product = x W' + h (sB)', fp32.
MatrixView DoraProduct(const DecoderContext& context, const Weight& w, const LoraModule& m, ConstMatrixView x,
                       ConstMatrixView h, ProjectionScratch& scratch) {
  const MatrixView product = scratch.product.View(DType::kF32, x.rows, m.out);
  const LinearTerm terms[] = {{x, &w}, {h, &m.b}};
  Linear(context.rt, terms, nullptr, product);
  return product;
}

// DoRA beside dropout or other adapters: y += column_scale * (x W' + h (sB)') - x W', x already dropped.
void AddDoraDifference(const DecoderContext& context, const Weight& w, const LoraModule& m, ConstMatrixView x,
                       ConstMatrixView h, MatrixView y, ProjectionScratch& scratch) {
  ScaleColumns(context.rt, DoraProduct(context, w, m, x, h, scratch), m.column_scale.data(), y, true);
  const MatrixView base = scratch.product.View(DType::kF32, x.rows, m.out);
  LinearOne(context.rt, x, w, base);
  const std::vector<float> minus_one(static_cast<size_t>(m.out), -1.0f);
  ScaleColumns(context.rt, base, minus_one.data(), y, true);
}

float Value(ConstMatrixView x, int64_t row, int64_t col) {
  return x.dtype == DType::kF32 ? x.f32(row)[col] : BF16ToFloat(x.bf16(row)[col]);
}

// out[j] += factor[j] * sum over rows, in order, of a[i, j] b[i, j]. Threads split the columns.
void AddColumnDots(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, const float* factor, float* out) {
  rt.pool->ParallelFor(a.cols, 64, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      float sum = 0;
      for (int64_t i = 0; i < a.rows; ++i) sum += Value(a, i, j) * Value(b, i, j);
      out[j] += factor[j] * sum;
    }
  });
}

}  // namespace

size_t ProjectionScratch::bytes() const {
  size_t sum = dropped.bytes() + product.bytes() + masked.bytes() + experts.bytes();
  for (const auto* list : {&h, &d_h, &d_product}) {
    for (const Scratch& s : *list) sum += s.bytes();
  }
  return sum;
}

namespace {

ConstMatrixView RowsOf(ConstMatrixView x, int64_t begin, int64_t rows) {
  return {static_cast<const std::byte*>(x.data) + begin * x.stride * (x.dtype == DType::kBF16 ? 2 : 4), x.dtype, rows,
          x.cols, x.stride};
}

// How the adapters of a run act on one projection: as sums of products; as one DoRA, whose product is scaled column by
// column; or otherwise (dropout, DoRA among others).
enum class Kind { kPlain, kScaled, kOther };

Kind KindOf(const DecoderContext& context, std::span<const LoraAdapter* const> adapters, int64_t layer, Projection p) {
  size_t modules = 0, dora = 0;
  bool drops = false;
  for (const LoraAdapter* adapter : adapters) {
    if (!adapter->Find(layer, p)) continue;
    ++modules;
    dora += adapter->config.dora;
    drops = drops || Drops(context, *adapter);
  }
  if (dora == 0 && !drops) return Kind::kPlain;
  return modules == 1 && !drops ? Kind::kScaled : Kind::kOther;
}

// The products of one pass over projections and runs: their terms and low-rank halves h = x A'.
class Products {
 public:
  Products(const DecoderContext& context, int64_t layer, std::span<const AdapterRun> runs, size_t projections,
           ProjectionScratch& scratch)
      : context_(context), layer_(layer), scratch_(scratch) {
    size_t adapters = 0;
    for (const AdapterRun& run : runs) adapters += run.adapters.size();
    if (scratch.h.size() < projections * adapters) scratch.h.resize(projections * adapters);
    terms_.resize(projections * (2 * adapters + runs.size()));  // never grows: products look into it
  }

  // y (+)= x W' + bias + the low-rank parts of the runs, which are all the rows of x.
  void Add(Projection p, std::span<const AdapterRun> runs, ConstMatrixView x, const float* bias, MatrixView y,
           bool accumulate) {
    std::vector<LinearTerm> sum = {{x, &context_.model.layers[static_cast<size_t>(layer_)][p]}};
    int64_t begin = 0;
    for (const AdapterRun& run : runs) {
      for (const LoraAdapter* adapter : run.adapters) {
        const LoraModule* m = adapter->Find(layer_, p);
        if (!m) continue;
        const MatrixView h = scratch_.h[halves_++].View(context_.activation_type(), run.rows, m->rank);
        terms_[used_] = {RowsOf(x, begin, run.rows), &m->a};
        low_rank_.push_back({{&terms_[used_++], 1}, nullptr, h});
        sum.push_back({h, &m->b, begin});
      }
      begin += run.rows;
    }
    HEW_CHECK(begin == x.rows && used_ + sum.size() <= terms_.size());
    std::copy(sum.begin(), sum.end(), terms_.begin() + static_cast<int64_t>(used_));
    full_.push_back({{&terms_[used_], sum.size()}, bias, y, accumulate});
    used_ += sum.size();
  }

  // All at once: the low-rank halves first, then y from x and h.
  void Run() {
    if (full_.empty()) return;
    full_[0].after = !low_rank_.empty();
    low_rank_.insert(low_rank_.end(), full_.begin(), full_.end());
    LinearAll(context_.rt, low_rank_);
  }

 private:
  const DecoderContext& context_;
  int64_t layer_;
  ProjectionScratch& scratch_;
  size_t halves_ = 0, used_ = 0;
  std::vector<LinearTerm> terms_;
  std::vector<LinearProduct> low_rank_, full_;
};

// One projection of one run with dropout, or with DoRA among others.
void OtherForward(const DecoderContext& context, int64_t layer, Projection p,
                  std::span<const LoraAdapter* const> adapters, ConstMatrixView x, const float* bias, MatrixView y,
                  bool accumulate, ProjectionScratch& scratch) {
  const Weight& w = context.model.layers[static_cast<size_t>(layer)][p];
  std::vector<LinearTerm> terms = {{x, &w}};
  std::vector<std::pair<const LoraAdapter*, const LoraModule*>> dora;
  if (scratch.h.size() < adapters.size()) scratch.h.resize(adapters.size());
  for (size_t i = 0; i < adapters.size(); ++i) {
    const LoraAdapter& adapter = *adapters[i];
    const LoraModule* m = adapter.Find(layer, p);
    if (!m) continue;
    if (adapter.config.dora) {
      dora.emplace_back(&adapter, m);
    } else {
      terms.push_back({LowRank(context, *m, InputOf(context, adapter, *m, x, scratch.dropped), scratch.h[i]), &m->b});
    }
  }
  Linear(context.rt, terms, bias, y, accumulate);
  for (const auto& [adapter, m] : dora) {
    const ConstMatrixView input = InputOf(context, *adapter, *m, x, scratch.dropped);
    AddDoraDifference(context, w, *m, input, LowRank(context, *m, input, scratch.h[0]), y, scratch);
  }
}

// One projection of neighbouring runs with one DoRA each: y (+)= column_scale * (x W' + h (sB)') + bias.
void ScaledForward(const DecoderContext& context, int64_t layer, Projection p, std::span<const AdapterRun> runs,
                   ConstMatrixView x, MatrixView y, bool accumulate, ProjectionScratch& scratch) {
  const MatrixView product = scratch.product.View(DType::kF32, x.rows, y.cols);
  Products products(context, layer, runs, 1, scratch);
  products.Add(p, runs, x, nullptr, product, false);
  products.Run();
  int64_t begin = 0;
  for (const AdapterRun& run : runs) {
    for (const LoraAdapter* adapter : run.adapters) {
      const LoraModule* m = adapter->Find(layer, p);
      if (m)
        ScaleColumns(context.rt, product.Rows(begin, run.rows), m->column_scale.data(), y.Rows(begin, run.rows),
                     accumulate);
    }
    begin += run.rows;
  }
  AddBias(context.rt, context.model.layers[static_cast<size_t>(layer)].biases[static_cast<size_t>(p)], y);
}

// All at once, as PlainForward: h again; gradients of h, then of x; gradients of A and B.
void PlainBackward(const DecoderContext& context, int64_t layer, std::span<const OutputGradient> group,
                   ConstMatrixView x, MatrixView* d_x, bool accumulate, std::span<float> gradients,
                   ProjectionScratch& scratch) {
  const DType type = context.activation_type();
  const LoraAdapter& adapter = OnlyAdapter(context);
  std::vector<LinearTerm> terms(2 * group.size());  // never grow: products look into them
  std::vector<LinearTerm> into_x;
  std::vector<LinearProduct> low_rank, backward;
  std::vector<OuterProduct> outer;
  for (size_t g = 0; g < group.size(); ++g) {
    const auto& [p, d_y] = group[g];
    into_x.push_back({d_y, &context.model.layers[static_cast<size_t>(layer)][p]});
    const LoraModule* m = adapter.Find(layer, p);
    if (!m) continue;
    const MatrixView h = scratch.h[g].View(type, x.rows, m->rank), d_h = scratch.d_h[g].View(type, x.rows, m->rank);
    terms[2 * g] = {x, &m->a};
    terms[2 * g + 1] = {d_y, &m->b};
    low_rank.push_back({{&terms[2 * g], 1}, nullptr, h});
    backward.push_back({{&terms[2 * g + 1], 1}, nullptr, d_h});
    into_x.push_back({d_h, &m->a});
    const float scale = m->scale * adapter.user_scale;
    outer.push_back({d_y, h, scale, F32View(gradients.data() + m->b_offset, m->out, m->rank)});
    outer.push_back({d_h, x, 1, F32View(gradients.data() + m->a_offset, m->rank, m->in)});
  }
  if (d_x) backward.push_back({into_x, nullptr, *d_x, accumulate, !backward.empty()});
  if (!low_rank.empty()) LinearAll(context.rt, low_rank);
  if (!backward.empty()) LinearInputGradientAll(context.rt, backward);
  OuterProductGradientAll(context.rt, outer);
}

// All weights learn: d_W = d_y' x and d_bias, the sum of d_y.
void FullBackward(const DecoderContext& context, int64_t layer, std::span<const OutputGradient> group,
                  ConstMatrixView x, MatrixView* d_x, bool accumulate, std::span<float> gradients) {
  std::vector<LinearTerm> into_x;
  std::vector<OuterProduct> outer;
  for (const auto& [p, d_y] : group) {
    into_x.push_back({d_y, &context.model.layers[static_cast<size_t>(layer)][p]});
    outer.push_back({d_y, x, 1, F32View(gradients.data() + context.all->At(p, layer), d_y.cols, x.cols)});
    if (context.model.config.HasBias(p)) AddRows(context.rt, d_y, gradients.data() + context.all->At(p, layer, true));
  }
  if (d_x) LinearInputGradient(context.rt, into_x, *d_x, accumulate);
  OuterProductGradientAll(context.rt, outer);
}

}  // namespace

void ProjectionForward(const DecoderContext& context, int64_t layer, std::span<const ProjectionOutput> group,
                       ConstMatrixView x, bool accumulate, ProjectionScratch& scratch) {
  const AdapterRun all = {context.adapters, x.rows};
  const std::span<const AdapterRun> runs = context.runs.empty() ? std::span(&all, 1) : context.runs;
  Products products(context, layer, runs, group.size(), scratch);
  struct Rest {
    Kind kind;
    const ProjectionOutput* output;
    std::span<const AdapterRun> runs;
    int64_t begin, rows;
  };
  std::vector<Rest> rest;
  for (const ProjectionOutput& output : group) {
    const auto kind_of = [&](size_t run) { return KindOf(context, runs[run].adapters, layer, output.projection); };
    int64_t begin = 0, rows = 0;
    for (size_t first = 0, end; first < runs.size(); first = end, begin += rows) {  // neighbours of a kind go together
      const Kind kind = kind_of(first);
      rows = runs[first].rows;
      for (end = first + 1; kind != Kind::kOther && end < runs.size() && kind_of(end) == kind; ++end)
        rows += runs[end].rows;
      const auto alike = runs.subspan(first, end - first);
      if (kind == Kind::kPlain) {
        products.Add(output.projection, alike, RowsOf(x, begin, rows), BiasOf(context, layer, output.projection),
                     output.y.Rows(begin, rows), accumulate);
      } else {
        rest.push_back({kind, &output, alike, begin, rows});
      }
    }
  }
  products.Run();
  for (const Rest& r : rest) {  // after the others, whose memory they take
    const ConstMatrixView input = RowsOf(x, r.begin, r.rows);
    const MatrixView y = r.output->y.Rows(r.begin, r.rows);
    if (r.kind == Kind::kScaled) {
      ScaledForward(context, layer, r.output->projection, r.runs, input, y, accumulate, scratch);
    } else {
      OtherForward(context, layer, r.output->projection, r.runs[0].adapters, input,
                   BiasOf(context, layer, r.output->projection), y, accumulate, scratch);
    }
  }
}

void ProjectionBackward(const DecoderContext& context, int64_t layer, std::span<const OutputGradient> group,
                        ConstMatrixView x, MatrixView* d_x, bool accumulate, std::span<float> gradients,
                        ProjectionScratch& scratch) {
  if (context.all) return FullBackward(context, layer, group, x, d_x, accumulate, gradients);
  const Runtime& rt = context.rt;
  const DType type = context.activation_type();
  const LoraAdapter& adapter = OnlyAdapter(context);
  const bool drops = Drops(context, adapter);
  for (auto* list : {&scratch.h, &scratch.d_h, &scratch.d_product}) {
    if (list->size() < group.size()) list->resize(group.size());
  }
  const bool plain = std::all_of(group.begin(), group.end(), [&](const OutputGradient& g) {
    return KindOf(context, context.adapters, layer, g.projection) == Kind::kPlain;
  });
  if (plain) {
    return PlainBackward(context, layer, group, x, d_x, accumulate, gradients, scratch);
  }
  std::vector<LinearTerm> direct;                                             // straight into d_x
  std::vector<std::pair<const LoraModule*, std::vector<LinearTerm>>> masked;  // through the input's dropout
  for (size_t g = 0; g < group.size(); ++g) {
    const auto [p, d_y] = group[g];
    const Weight& w = context.model.layers[static_cast<size_t>(layer)][p];
    const LoraModule* m = adapter.Find(layer, p);
    if (!m) {
      direct.push_back({d_y, &w});
      continue;
    }
    const ConstMatrixView input = InputOf(context, adapter, *m, x, scratch.dropped);
    const MatrixView h = LowRank(context, *m, input, scratch.h[g]);
    ConstMatrixView d_product = d_y;
    if (adapter.config.dora) {
      const MatrixView product = DoraProduct(context, w, *m, input, h, scratch);
      AddColumnDots(rt, d_y, product, m->inverse_norm.data(), gradients.data() + m->magnitude_offset);
      const MatrixView scaled = scratch.d_product[g].View(type, d_y.rows, m->out);
      ScaleColumns(rt, d_y, m->column_scale.data(), scaled, false);
      d_product = scaled;
    }
    const MatrixView d_h = scratch.d_h[g].View(type, x.rows, m->rank);
    const LinearTerm to_h{d_product, &m->b};
    LinearInputGradient(rt, {&to_h, 1}, d_h);
    const float scale = m->scale * adapter.user_scale;
    OuterProductGradient(rt, d_product, h, scale, F32View(gradients.data() + m->b_offset, m->out, m->rank));
    OuterProductGradient(rt, d_h, input, 1, F32View(gradients.data() + m->a_offset, m->rank, m->in));
    if (!d_x) continue;
    if (!drops) {
      direct.push_back({d_product, &w});
      direct.push_back({d_h, &m->a});
      continue;
    }
    direct.push_back({d_y, &w});
    masked.push_back({m, {{d_h, &m->a}}});
    if (adapter.config.dora) {  // d(dropped x) = (column_scale - 1) d_y W + d_h A
      std::vector<float> less_one = m->column_scale;
      for (float& s : less_one) s -= 1;
      const MatrixView scaled = scratch.d_product[g].View(type, d_y.rows, m->out);
      ScaleColumns(rt, d_y, less_one.data(), scaled, false);
      masked.back().second.push_back({scaled, &w});
    }
  }
  if (!d_x) return;
  LinearInputGradient(rt, direct, *d_x, accumulate);
  for (const auto& [m, terms] : masked) {
    const MatrixView d_input = scratch.masked.View(DType::kF32, x.rows, x.cols);
    LinearInputGradient(rt, terms, d_input);
    DropInput(context, adapter, *m, d_input, *d_x, true);
  }
}

}  // namespace hew
