#include "model/lora.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/random.h"
#include "kernels/linear.h"

namespace hew {
namespace {

constexpr int64_t kMaxRank = 4096;

auto OrderOf(const LoraModule& m) { return std::pair(m.layer, m.projection); }

Status CheckConfig(const LoraConfig& config) {
  if (config.rank < 1 || config.rank > kMaxRank) {
    return BadInput("LoRA rank: expected a number from 1 to {}, found {}", kMaxRank, config.rank);
  }
  if (!std::isfinite(config.alpha) || config.alpha <= 0) {
    return BadInput("LoRA alpha: expected a positive number, found {}", config.alpha);
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    return BadInput("LoRA dropout: expected a number from 0 to below 1, found {}", config.dropout);
  }
  if (config.targets.empty()) return BadInput("LoRA targets: expected at least one of the linear layers, found none");
  return {};
}

// ||W_j||^2 of every row j of the base weight, in double.
std::vector<double> SquaredRowNorms(const ThreadPool& pool, const Weight& w) {
  std::vector<double> result(static_cast<size_t>(w.rows));
  pool.ParallelFor(w.rows, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(w.cols));
    for (int64_t j = begin; j < end; ++j) {
      ReadWeightRow(w, j, row.data());
      double sum = 0;
      for (float v : row) sum += static_cast<double>(v) * v;
      result[static_cast<size_t>(j)] = sum;
    }
  });
  return result;
}

// DoRA's ||W + s B A|| per row, without making the sum: ||W_j||^2 + 2 s B_j (A W_j') + s^2 B_j (A A') B_j'.
// The two inner products with A are one GEMM and one small matrix, always in fp32.
void SetColumnScales(const Runtime& rt, const Weight& w, const float* parameters, float scale, LoraModule* m) {
  if (m->base_norm_squared.empty()) m->base_norm_squared = SquaredRowNorms(*rt.pool, w);
  const int64_t r = m->rank;
  const float* a = parameters + m->a_offset;
  const float* b = parameters + m->b_offset;
  const float* magnitude = parameters + m->magnitude_offset;
  Runtime fp32 = rt;
  fp32.precision = Precision::kFp32;
  Matrix aw(DType::kF32, r, m->out);  // A W'
  const LinearTerm term{F32View(a, r, m->in), &w};
  Linear(fp32, {&term, 1}, nullptr, aw.view());
  std::vector<double> aa(static_cast<size_t>(r * r));  // A A'
  rt.pool->ParallelFor(r, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < r; ++k) {
        double sum = 0;
        for (int64_t c = 0; c < m->in; ++c) sum += static_cast<double>(a[i * m->in + c]) * a[k * m->in + c];
        aa[static_cast<size_t>(i * r + k)] = sum;
      }
    }
  });
  m->column_scale.resize(static_cast<size_t>(m->out));
  m->inverse_norm.resize(m->column_scale.size());
  rt.pool->ParallelFor(m->out, 64, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      double cross = 0, own = 0;
      for (int64_t i = 0; i < r; ++i) {
        const double bi = b[j * r + i];
        cross += bi * aw.view().f32(i)[j];
        for (int64_t k = 0; k < r; ++k) own += bi * b[j * r + k] * aa[static_cast<size_t>(i * r + k)];
      }
      const auto at = static_cast<size_t>(j);
      const double s = scale, squared = m->base_norm_squared[at] + 2 * s * cross + s * s * own;
      // A row of zeros has no direction: nothing may be divided by its length.
      m->inverse_norm[at] = squared > 0 ? static_cast<float>(1 / std::sqrt(squared)) : 0.0f;
      m->column_scale[at] = magnitude[j] * m->inverse_norm[at];
    }
  });
}

}  // namespace

double LoraConfig::Scale(int64_t module_rank, double module_alpha) const {
  const auto r = static_cast<double>(module_rank);
  return module_alpha / (rslora ? std::sqrt(r) : r);
}

Result<LoraAdapter> LoraAdapter::Create(const Runtime& rt, const LoraConfig& config, const Model& base, uint64_t seed) {
  HEW_RETURN_IF_ERROR(CheckConfig(config));
  LoraAdapter adapter;
  adapter.config = config;
  size_t size = 0;
  const auto take = [&](int64_t count) {
    const size_t at = size;
    size += static_cast<size_t>(count);
    return at;
  };
  const int64_t end = config.end_layer < 0 ? base.config.num_hidden_layers : config.end_layer;
  HEW_CHECK(config.first_layer >= 0 && config.first_layer < end && end <= base.config.num_hidden_layers);
  for (int64_t layer = config.first_layer; layer < end; ++layer) {
    for (Projection p : kProjections) {
      if (!base.config.Has(p, layer) || !base.config.Adapts(p)) continue;
      if (std::find(config.targets.begin(), config.targets.end(), p) == config.targets.end()) continue;
      LoraModule m;
      m.layer = layer;
      m.projection = p;
      m.rank = config.rank;
      std::tie(m.out, m.in) = ProjectionShape(base.config, p);
      m.scale = static_cast<float>(config.Scale(config.rank, config.alpha));
      m.a_offset = take(m.rank * m.in);
      m.b_offset = take(m.out * m.rank);
      if (config.dora) m.magnitude_offset = take(m.out);
      adapter.modules.push_back(std::move(m));
    }
  }
  if (adapter.modules.empty()) {
    return BadInput("LoRA targets: expected at least one that the base has{}, found none",
                    base.config.num_experts > 0 ? " (beside experts q_proj, k_proj, v_proj and o_proj)" : "");
  }
  adapter.parameters.resize(size);
  for (size_t i = 0; i < adapter.modules.size(); ++i) {
    LoraModule& m = adapter.modules[i];
    const Weight& w = base.layers[static_cast<size_t>(m.layer)][m.projection];
    // kaiming_uniform_(a = sqrt(5)) over `in` inputs has the bound sqrt(6 / ((1 + 5) in)).
    const float bound = 1 / std::sqrt(static_cast<float>(m.in));
    Random random{seed, i, 0};
    float* a = adapter.parameters.data() + m.a_offset;
    for (int64_t k = 0; k < m.rank * m.in; ++k) a[k] = bound * (2 * random.Uniform() - 1);
    if (!config.dora) continue;
    m.base_norm_squared = SquaredRowNorms(*rt.pool, w);
    float* magnitude = adapter.parameters.data() + m.magnitude_offset;
    for (int64_t j = 0; j < m.out; ++j) {
      magnitude[j] = static_cast<float>(std::sqrt(m.base_norm_squared[static_cast<size_t>(j)]));
    }
  }
  adapter.Pack(rt, base);
  return adapter;
}

const LoraModule* LoraAdapter::Find(int64_t layer, Projection p) const {
  const std::pair key(layer, p);
  const auto it = std::lower_bound(modules.begin(), modules.end(), key,
                                   [](const LoraModule& m, const auto& k) { return OrderOf(m) < k; });
  return it != modules.end() && OrderOf(*it) == key ? &*it : nullptr;
}

void LoraAdapter::Pack(const Runtime& rt, const Model& base) {
  const auto before = [](const LoraModule& x, const LoraModule& y) { return OrderOf(x) < OrderOf(y); };
  if (!std::is_sorted(modules.begin(), modules.end(), before)) std::sort(modules.begin(), modules.end(), before);
  const DType type = rt.bf16() ? DType::kBF16 : DType::kF32;
  for (LoraModule& m : modules) {
    const float scale = m.scale * user_scale;
    SetWeightFromF32(*rt.pool, type, m.rank, m.in, parameters.data() + m.a_offset, 1, &m.a);
    SetWeightFromF32(*rt.pool, type, m.out, m.rank, parameters.data() + m.b_offset, scale, &m.b);
    if (!config.dora) continue;
    SetColumnScales(rt, base.layers[static_cast<size_t>(m.layer)][m.projection], parameters.data(), scale, &m);
  }
}

int64_t LoraAdapter::lowest_layer() const { return modules.empty() ? 0 : modules.front().layer; }

}  // namespace hew
