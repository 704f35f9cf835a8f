// The statistics behind "better", "worse" and "too few cases to tell".
#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace hew {

struct Interval {
  double low = 0, high = 0;
};

// Wilson's interval (1927) for a share, 95%.
std::pair<double, double> WilsonInterval(int64_t passed, int64_t total);

// Exact McNemar test: the chance that `broken` and `fixed` differ at least so much when either way is equally likely;
// two-sided binomial test of the smaller against one half.
double McNemarExact(int64_t broken, int64_t fixed);

// Tango's score interval (1998), 95%, for the difference of two shares of the same n cases, (fixed - broken) / n. It
// keeps its width where no case turned.
Interval PairedShareInterval(int64_t broken, int64_t fixed, int64_t n);

// Mean and 95% interval of paired differences, by Student's t. Fewer than two: all numbers are possible.
struct PairedMean {
  double mean = 0;
  Interval interval;
};
PairedMean PairedDifference(std::span<const double> before, std::span<const double> after);

// Cases missing until the lower bound of the paired difference lies above `margin` (negative: how much worse is borne),
// if further cases turn as those seen did. 0: it does already; -1: it never would.
int64_t CasesMissing(int64_t broken, int64_t fixed, int64_t n, double margin);

double StudentQuantile(double p, double degrees);                                  // p in (0, 1)
double SpearmanCorrelation(std::span<const double> x, std::span<const double> y);  // ties share the mean rank

}  // namespace hew
