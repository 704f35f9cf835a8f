#include "studio/attribution/gradients.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "train/packer.h"

namespace hew {
namespace {

constexpr double kDamping = 0.1;
constexpr uint64_t kHashSeed = 0x5107;

// Solves (K + shift I) x = b in place of b by Cholesky; K [n, n] is overwritten.
void SolveShifted(std::vector<double>& k, int64_t n, double shift, std::vector<double>& b) {
  for (int64_t i = 0; i < n; ++i) k[static_cast<size_t>(i * n + i)] += shift;
  for (int64_t j = 0; j < n; ++j) {
    double* column = &k[static_cast<size_t>(j * n)];
    for (int64_t i = 0; i <= j; ++i) {
      const double* row = &k[static_cast<size_t>(i * n)];
      double sums[4] = {};
      int64_t p = 0;
      for (; p + 4 <= i; p += 4) {
        for (int q = 0; q < 4; ++q) sums[q] += column[p + q] * row[p + q];
      }
      for (; p < i; ++p) sums[0] += column[p] * row[p];
      const double rest = column[i] - (sums[0] + sums[1] + sums[2] + sums[3]);
      column[i] = i == j ? std::sqrt(std::max(rest, shift * 1e-9)) : rest / row[i];
    }
  }
  for (int64_t i = 0; i < n; ++i) {  // L y = b
    double sum = b[static_cast<size_t>(i)];
    for (int64_t p = 0; p < i; ++p) sum -= k[static_cast<size_t>(i * n + p)] * b[static_cast<size_t>(p)];
    b[static_cast<size_t>(i)] = sum / k[static_cast<size_t>(i * n + i)];
  }
  for (int64_t i = n; i-- > 0;) {  // L' x = y
    double sum = b[static_cast<size_t>(i)];
    for (int64_t p = i + 1; p < n; ++p) sum -= k[static_cast<size_t>(p * n + i)] * b[static_cast<size_t>(p)];
    b[static_cast<size_t>(i)] = sum / k[static_cast<size_t>(i * n + i)];
  }
}

double Dot(const float* a, const float* b, size_t size) {
  float sums[16] = {};
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    for (size_t q = 0; q < 16; ++q) sums[q] += a[i + q] * b[i + q];
  }
  double sum = 0;
  for (; i < size; ++i) sum += double{a[i]} * b[i];
  for (const float s : sums) sum += s;
  return sum;
}

}  // namespace

int64_t GradientStore::WidthFor(int64_t rows, size_t matrices, int64_t bytes) {
  const int64_t most = bytes / std::max<int64_t>(1, rows * static_cast<int64_t>(matrices) * 4);
  return std::clamp<int64_t>(most / 16 * 16, 64, 4096);
}

GradientStore::GradientStore(const LoraAdapter& adapter, int64_t rows, int64_t width) : rows_(rows) {
  const auto add = [&](size_t begin, int64_t size) {
    const size_t kept = static_cast<size_t>(std::min(size, width));
    parts_.push_back({begin, static_cast<size_t>(size), stride_, kept});
    stride_ += kept;
  };
  for (const auto& module : adapter.modules) {
    add(module.a_offset, module.rank * module.in);
    add(module.b_offset, module.out * module.rank);
    if (adapter.config.dora) add(module.magnitude_offset, module.out);
  }
  values_.resize(static_cast<size_t>(rows) * stride_);
}

void GradientStore::ProjectInto(std::span<const float> gradient, float* out) const {
  for (const Part& part : parts_) {
    float* to = out + part.at;
    const float* from = gradient.data() + part.begin;
    if (part.width == part.size) {
      std::copy(from, from + part.size, to);
      continue;
    }
    std::fill(to, to + part.width, 0.0f);
    // Four entries a draw: where each goes, and with which sign.
    for (size_t i = 0; i < part.size; i += 4) {
      const auto random = Philox(kHashSeed, part.begin, i / 4);
      for (size_t q = 0; q < std::min<size_t>(4, part.size - i); ++q) {
        const size_t place = (uint64_t{random[q] >> 1} * part.width) >> 31;
        to[place] += (random[q] & 1) != 0 ? from[i + q] : -from[i + q];
      }
    }
  }
}

void GradientStore::Put(int64_t row, std::span<const float> gradient) {
  ProjectInto(gradient, values_.data() + static_cast<size_t>(row) * stride_);
}

std::vector<float> GradientStore::Project(std::span<const float> gradient) const {
  std::vector<float> out(stride_);
  ProjectInto(gradient, out.data());
  return out;
}

std::vector<double> GradientStore::Influence(const Runtime& rt, std::span<const float> projected,
                                             const std::atomic<bool>* cancelled) const {
  std::vector<double> total(static_cast<size_t>(rows_));
  const auto n = static_cast<size_t>(rows_);
  std::vector<double> products(n * n);
  for (const Part& part : parts_) {
    if (cancelled && cancelled->load()) break;
    rt.pool->ParallelFor(rows_, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j <= i; ++j)
          products[static_cast<size_t>(i) * n + static_cast<size_t>(j)] =
              Dot(Row(i) + part.at, Row(j) + part.at, part.width);
      }
    });
    double trace = 0;
    std::vector<double> solution(n);
    for (size_t i = 0; i < n; ++i) {
      trace += products[i * n + i];
      solution[i] = Dot(Row(static_cast<int64_t>(i)) + part.at, projected.data() + part.at, part.width);
    }
    if (!(trace > 0)) continue;                                               // a matrix that no row moves
    const double shift = kDamping * trace / static_cast<double>(part.width);  // n lambda
    SolveShifted(products, rows_, shift, solution);
    for (size_t i = 0; i < n; ++i) total[i] += static_cast<double>(n) * solution[i];
  }
  return total;
}

std::vector<double> GradientStore::Products(std::span<const float> projected) const {
  std::vector<double> out(static_cast<size_t>(rows_));
  for (int64_t i = 0; i < rows_; ++i) out[static_cast<size_t>(i)] = Dot(Row(i), projected.data(), stride_);
  return out;
}

void ExampleGradient(const Runtime& rt, const Model& model, const LoraAdapter& adapter, const TrainingExample& example,
                     std::span<float> gradient, TrainingWorkspace* workspace) {
  std::fill(gradient.begin(), gradient.end(), 0.0f);
  const std::vector<int64_t> chosen = {0};
  const auto batches =
      Pack({&example, 1}, chosen, {.micro_tokens = std::max<int64_t>(1, example.size()), .share_prefix = false});
  const float scale = static_cast<float>(1.0 / std::max(1e-9, example.weight()));
  for (const auto& batch : batches) LossAndGradients(rt, model, adapter, batch, {}, scale, gradient, workspace);
}

}  // namespace hew
