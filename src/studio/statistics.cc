#include "studio/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace hew {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5% point of the normal distribution

// The regularised incomplete beta function by its continued fraction (Lentz), Abramowitz and Stegun 26.5.8.
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double value = d;
  for (int m = 1; m < 1000; ++m) {
    const double k = m;
    for (const double term : {k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)),
                              -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))}) {
      d = 1 + term * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + term / c;
      if (std::abs(c) < kTiny) c = kTiny;
      value *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return value;
}

double IncompleteBeta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * BetaFraction(a, b, x) / a : 1 - front * BetaFraction(b, a, 1 - x) / b;
}

double StudentCdf(double t, double degrees) {
  const double tail = 0.5 * IncompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t));
  return t > 0 ? 1 - tail : tail;
}

// Tango's statistic for the hypothesis that the difference is `delta`: its constrained estimate of the share of broken
// cases solves a quadratic equation.
double TangoScore(double broken, double fixed, double n, double delta) {
  const double a = 2 * n, b = -broken - fixed + (2 * n - fixed + broken) * delta, c = -broken * delta * (1 - delta);
  const double q = (std::sqrt(std::max(0.0, b * b - 4 * a * c)) - b) / (2 * a);
  const double variance = n * (2 * q + delta * (1 - delta));
  const double difference = fixed - broken - n * delta;
  if (variance <= 0) return difference == 0 ? 0 : std::copysign(std::numeric_limits<double>::infinity(), difference);
  return difference / std::sqrt(variance);
}

Interval TangoInterval(double broken, double fixed, double n) {
  const double estimate = (fixed - broken) / n;
  // The score falls as delta rises: the lower bound is where it comes down to +z, the upper where it reaches -z.
  const auto solve = [&](double low, double high, double wanted) {
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      (TangoScore(broken, fixed, n, middle) > wanted ? low : high) = middle;
    }
    return (low + high) / 2;
  };
  return {solve(-1, estimate, kZ), solve(estimate, 1, -kZ)};
}

std::vector<double> Ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end + 1) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

std::pair<double, double> WilsonInterval(int64_t passed, int64_t total) {
  if (total == 0) return {0, 1};
  const double n = static_cast<double>(total), p = static_cast<double>(passed) / n;
  const double center = (p + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
  const double half = kZ / (1 + kZ * kZ / n) * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

double McNemarExact(int64_t broken, int64_t fixed) {
  const int64_t turned = broken + fixed, fewer = std::min(broken, fixed);
  if (turned == 0) return 1;
  const double n = static_cast<double>(turned);
  double tail = 0;
  for (int64_t k = 0; k <= fewer; ++k) {
    const double x = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) - n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Interval PairedShareInterval(int64_t broken, int64_t fixed, int64_t n) {
  if (n == 0) return {-1, 1};
  return TangoInterval(static_cast<double>(broken), static_cast<double>(fixed), static_cast<double>(n));
}

PairedMean PairedDifference(std::span<const double> before, std::span<const double> after) {
  PairedMean out;
  const double infinity = std::numeric_limits<double>::infinity();
  const double n = static_cast<double>(before.size());
  for (size_t i = 0; i < before.size(); ++i) out.mean += (after[i] - before[i]) / n;
  out.interval = {-infinity, infinity};
  if (before.size() < 2) return out;
  double squares = 0;
  for (size_t i = 0; i < before.size(); ++i) squares += std::pow(after[i] - before[i] - out.mean, 2);
  const double half = StudentQuantile(0.975, n - 1) * std::sqrt(squares / (n - 1) / n);
  out.interval = {out.mean - half, out.mean + half};
  return out;
}

int64_t CasesMissing(int64_t broken, int64_t fixed, int64_t n, double margin) {
  const auto enough = [&](double times) {
    return TangoInterval(static_cast<double>(broken) * times, static_cast<double>(fixed) * times,
                         static_cast<double>(n) * times)
               .low > margin;
  };
  if (n > 0 && enough(1)) return 0;
  if (n == 0) broken = fixed = 0, n = 1;
  if (static_cast<double>(fixed - broken) / static_cast<double>(n) <= margin) return -1;
  double low = 1, high = 2;
  while (!enough(high)) {
    if (high * static_cast<double>(n) > 1e9) return -1;
    low = high, high *= 2;
  }
  while ((high - low) * static_cast<double>(n) > 0.5) {
    const double middle = (low + high) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(high * static_cast<double>(n))) - n);
}

double StudentQuantile(double p, double degrees) {
  double low = -1e6, high = 1e6;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (StudentCdf(middle, degrees) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double SpearmanCorrelation(std::span<const double> x, std::span<const double> y) {
  const auto a = Ranks(x), b = Ranks(y);
  const double n = static_cast<double>(a.size()), mean = (n + 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

}  // namespace hew
