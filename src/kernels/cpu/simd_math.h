// Functions of vectors: the same bits in every lane, whatever stands in the others.
#pragma once

#include "kernels/cpu/simd.h"

namespace hew::HEW_SIMD {

// e^x within 2 units of the last place; 0 below -87.33 (where fp32 loses normal numbers), infinity above 88.72.
// x = n ln 2 + r with |r| <= ln 2 / 2, then a polynomial of degree 6 in r (Cephes' expf coefficients).
HEW_INLINE F32x Exp(F32x x) {
  const F32x low = Set(-87.33654f), high = Set(88.72283f);
  const F32x inside = Min(high, Max(low, x));  // in this order both keep a NaN of x
  const F32x n = Round(inside * Set(1.44269504f));
  F32x r = Fma(n, Set(-0.693359375f), inside);
  r = Fma(n, Set(2.12194440e-4f), r);
  F32x p = Set(1.9875691500e-4f);
  p = Fma(p, r, Set(1.3981999507e-3f));
  p = Fma(p, r, Set(8.3334519073e-3f));
  p = Fma(p, r, Set(4.1665795894e-2f));
  p = Fma(p, r, Set(1.6666665459e-1f));
  p = Fma(p, r, Set(5.0000001201e-1f));
  p = Fma(p, r * r, r) + Set(1.0f);
  const F32x y = ScaleByPowerOf2(p, n);
  return Select(Less(x, low), Set(0.0f), Select(Less(high, x), Set(__builtin_inff()), y));
}

HEW_INLINE F32x Sigmoid(F32x x) { return Set(1.0f) / (Set(1.0f) + Exp(Set(0.0f) - x)); }

// 2 sigmoid(2x) - 1; near 0, where that cancels, an odd polynomial (Cephes' tanhf).
HEW_INLINE F32x Tanh(F32x x) {
  const F32x z = x * x;
  F32x p = Set(-5.70498872745e-3f);
  p = Fma(p, z, Set(2.06390887954e-2f));
  p = Fma(p, z, Set(-5.37397155531e-2f));
  p = Fma(p, z, Set(1.33314422036e-1f));
  p = Fma(p, z, Set(-3.33332819422e-1f));
  const F32x small = Fma(p * z, x, x);
  const F32x large = Fma(Set(2.0f), Sigmoid(x + x), Set(-1.0f));
  return Select(Less(z, Set(0.390625f)), small, large);
}

// The standard normal's distribution function: 0.5 erfc(-x / sqrt 2), absolute error 1.5e-7
// (Abramowitz & Stegun 7.1.26). `density` is e^(-x^2 / 2).
HEW_INLINE F32x NormalCdf(F32x x, F32x density) {
  const F32x zero = Set(0.0f), one = Set(1.0f);
  const F32x a = Max(x, zero - x) * Set(0.70710678f);
  const F32x t = one / Fma(a, Set(0.3275911f), one);
  F32x p = Set(1.061405429f);
  p = Fma(p, t, Set(-1.453152027f));
  p = Fma(p, t, Set(1.421413741f));
  p = Fma(p, t, Set(-0.284496736f));
  p = Fma(p, t, Set(0.254829592f));
  const F32x upper = Set(0.5f) * p * t * density;  // the tail beyond |x|
  return Select(Less(x, zero), upper, one - upper);
}

}  // namespace hew::HEW_SIMD
