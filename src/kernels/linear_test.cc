#include "kernels/linear.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "kernels/linear_test_util.h"
#include "kernels/ref/linear.h"
#include "tensor/codec.h"

namespace hew {
namespace {

using test::Describe;
using test::FlipUnit;
using test::kTypes;
using test::LargestOf;
using test::Modes;
using test::Padded;
using test::RandomWeight;

// Within rounding of the reference: fp32 sums of `terms` products of size about `unit`, and the rounding of bf16 outputs.
void ExpectNear(const Padded& found, const Padded& expected, double unit, const std::string& what) {
  for (int64_t r = 0; r < found.view.rows; ++r) {
    for (int64_t c = 0; c < found.view.stride; ++c) {
      const double a = found.At(r, c), b = expected.At(r, c);
      const double tolerance = unit + (found.view.dtype == DType::kBF16 ? std::abs(b) / 100 : 0);
      if (c < found.view.cols) {
        ASSERT_NEAR(a, b, tolerance) << what << " at " << r << ", " << c;
      } else {
        ASSERT_EQ(a, b) << what << " wrote past column " << found.view.cols;
      }
    }
  }
}

bool SameBits(const Padded& a, const Padded& b) {
  return std::memcmp(a.f32.data(), b.f32.data(), a.f32.size() * 4) == 0 && std::memcmp(a.bf16.data(), b.bf16.data(), a.bf16.size() * 2) == 0;
}

int64_t Any(int64_t low, int64_t high) { return *rc::gen::inRange<int64_t>(low, high + 1); }
DType AnyActivation() { return *rc::gen::element(DType::kF32, DType::kBF16); }
int64_t AnyCols(DType type) {
  const int64_t block = InfoOf(type).block_elements;
  return block == 1 ? Any(1, 100) : block * Any(1, block == 32 ? 5 : 2);
}

struct Case {
  std::deque<Weight> weights;
  std::deque<Padded> inputs;
  std::vector<LinearTerm> terms;
  double unit = 0, largest = 0;  // of the first weight
};

// One to three terms: `of_rows` gives x the width of the weight's rows (gradient) instead of its columns.
Case AnyCase(const ThreadPool& pool, DType type, int64_t m, int64_t fixed, bool gradient, Random& random) {
  Case c;
  const int64_t count = Any(1, 3);
  for (int64_t i = 0; i < count; ++i) {
    const DType t = i == 0 ? type : *rc::gen::element(DType::kF32, DType::kBF16);
    const int64_t rows = gradient ? Any(1, 80) : fixed;
    const int64_t cols = gradient ? fixed : AnyCols(t);
    c.weights.push_back(RandomWeight(pool, t, rows, cols, random));
    c.inputs.emplace_back(AnyActivation(), m, gradient ? rows : cols, random);
    c.terms.push_back({c.inputs.back().view, &c.weights.back()});
    const double largest = LargestOf(c.weights.back());
    if (i == 0) c.largest = largest;
    c.unit += 4e-6 * largest * static_cast<double>(gradient ? rows : cols) + 1e-5;
  }
  return c;
}

RC_GTEST_PROP(Linear, EveryTypeAndInstructionSetAgreesWithTheReference, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 1, 0};
  const ThreadPool pool(static_cast<int>(Any(1, 3)));
  for (DType type : kTypes) {
    const int64_t m = Any(1, 40), n = Any(1, 100);
    const Case c = AnyCase(pool, type, m, n, false, random);
    const bool accumulate = *rc::gen::arbitrary<bool>();
    std::vector<float> bias;
    if (*rc::gen::arbitrary<bool>()) {
      for (int64_t i = 0; i < n; ++i) bias.push_back(random.Normal());
    }
    const Padded y(AnyActivation(), m, n, random);
    for (const Runtime& rt : Modes(pool)) {
      Padded found = y, expected = y;
      Linear(rt, c.terms, bias.empty() ? nullptr : bias.data(), found.view, accumulate);
      ref::Linear(rt, c.terms, bias.empty() ? nullptr : bias.data(), expected.view, accumulate);
      ExpectNear(found, expected, c.unit + FlipUnit(rt, type, c.largest, false), Describe(rt) + " " + std::string(NameOf(type)));
    }
  }
}

RC_GTEST_PROP(LinearInputGradient, EveryTypeAndInstructionSetAgreesWithTheReference, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 2, 0};
  const ThreadPool pool(static_cast<int>(Any(1, 3)));
  for (DType type : kTypes) {
    const int64_t m = Any(1, 40), k = AnyCols(type);
    const Case c = AnyCase(pool, type, m, k, true, random);
    const bool accumulate = *rc::gen::arbitrary<bool>();
    const Padded d_x(AnyActivation(), m, k, random);
    for (const Runtime& rt : Modes(pool)) {
      Padded found = d_x, expected = d_x;
      LinearInputGradient(rt, c.terms, found.view, accumulate);
      ref::LinearInputGradient(rt, c.terms, expected.view, accumulate);
      ExpectNear(found, expected, c.unit + FlipUnit(rt, type, c.largest, true), Describe(rt) + " " + std::string(NameOf(type)));
    }
  }
}

// Several products at once, some of the same input, give what each gives alone.
RC_GTEST_PROP(Linear, SeveralAtOnceHaveTheBitsOfEachAlone, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 7, 0};
  const ThreadPool pool(static_cast<int>(Any(1, 3)));
  const int64_t m = Any(1, 40), k = 32 * Any(1, 4);
  const Padded x(AnyActivation(), m, k, random), h(AnyActivation(), m, 16, random), d_y(AnyActivation(), m, 33, random);
  std::deque<Weight> weights;
  for (const int64_t n : {Any(1, 100), Any(1, 40), int64_t{16}}) weights.push_back(RandomWeight(pool, DType::kQ4_1, n, k, random));
  const Weight b = RandomWeight(pool, DType::kBF16, weights[1].rows, 16, random);
  const Weight back = RandomWeight(pool, DType::kQ5_0, 33, k, random), low = RandomWeight(pool, DType::kBF16, 33, 16, random);
  const LinearTerm first[] = {{x.view, &weights[0]}}, second[] = {{x.view, &weights[1]}, {h.view, &b}}, third[] = {{x.view, &weights[2]}};
  const LinearTerm gradient[] = {{d_y.view, &back}}, low_gradient[] = {{d_y.view, &low}};
  std::deque<Padded> outputs;
  for (const Weight& w : weights) outputs.emplace_back(AnyActivation(), m, w.rows, random);
  outputs.emplace_back(AnyActivation(), m, k, random);
  outputs.emplace_back(AnyActivation(), m, 16, random);
  for (const Runtime& rt : Modes(pool)) {
    std::deque<Padded> alone = outputs, together = outputs;
    Linear(rt, first, nullptr, alone[0].view);
    Linear(rt, second, nullptr, alone[1].view, true);
    Linear(rt, third, nullptr, alone[2].view);
    LinearInputGradient(rt, gradient, alone[3].view, true);
    LinearInputGradient(rt, low_gradient, alone[4].view);
    const LinearProduct products[] = {{first, nullptr, together[0].view}, {second, nullptr, together[1].view, true}, {third, nullptr, together[2].view}};
    LinearAll(rt, products);
    const LinearProduct gradients[] = {{gradient, nullptr, together[3].view, true}, {low_gradient, nullptr, together[4].view}};
    LinearInputGradientAll(rt, gradients);
    for (size_t i = 0; i < outputs.size(); ++i) ASSERT_TRUE(SameBits(alone[i], together[i])) << Describe(rt) << " " << i;
  }
}

// Terms of some rows alone, and products of different numbers of rows: each row has the bits of a product of its own.
RC_GTEST_PROP(Linear, TermsOfSomeRowsHaveTheBitsOfThoseRowsAlone, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 8, 0};
  const ThreadPool pool(static_cast<int>(Any(1, 3)));
  const int64_t m = Any(1, 40), n = Any(1, 100), k = 32 * Any(1, 4);
  const DType type = AnyActivation();
  const Weight w = RandomWeight(pool, *rc::gen::element(DType::kQ4_1, DType::kBF16), n, k, random);
  const Padded x(type, m, k, random), y(AnyActivation(), m, n, random);
  struct Part {
    int64_t first, rows;
    Weight a, b;
    Padded h;
  };
  std::deque<Part> parts;
  for (int64_t row = Any(0, 3); row < m;) {
    const int64_t rows = std::min(m - row, Any(1, 14)), rank = Any(1, 20);
    parts.push_back({row, rows, RandomWeight(pool, DType::kBF16, rank, k, random),
                     RandomWeight(pool, DType::kBF16, n, rank, random), Padded(type, rows, rank, random)});
    row += rows + Any(0, 2);
  }
  std::vector<float> bias;
  for (int64_t i = 0; i < n; ++i) bias.push_back(random.Normal());
  const auto rows_of = [&](const Padded& from, int64_t row, int64_t rows) {
    return MatrixView(from.view).Rows(row, rows);
  };
  for (const Runtime& rt : Modes(pool)) {
    Padded alone = y, together = y;
    std::vector<LinearTerm> low(parts.size()), sum = {{x.view, &w}};
    std::vector<LinearProduct> products;
    std::vector<bool> has_part(static_cast<size_t>(m));
    for (size_t i = 0; i < parts.size(); ++i) {
      Part& part = parts[i];
      part.h.Rebind();
      low[i] = {rows_of(x, part.first, part.rows), &part.a};
      products.push_back({{&low[i], 1}, nullptr, part.h.view});
      sum.push_back({part.h.view, &part.b, part.first});
      Padded h = part.h;
      Linear(rt, {&low[i], 1}, nullptr, h.view);
      const LinearTerm terms[] = {{rows_of(x, part.first, part.rows), &w}, {h.view, &part.b}};
      Linear(rt, terms, bias.data(), alone.view.Rows(part.first, part.rows), true);
      for (int64_t r = 0; r < part.rows; ++r) has_part[static_cast<size_t>(part.first + r)] = true;
    }
    for (int64_t r = 0; r < m; ++r) {
      const LinearTerm term = {rows_of(x, r, 1), &w};
      if (!has_part[static_cast<size_t>(r)]) Linear(rt, {&term, 1}, bias.data(), alone.view.Rows(r, 1), true);
    }
    products.push_back({sum, bias.data(), together.view, true, !parts.empty()});
    LinearAll(rt, products);
    RC_ASSERT(SameBits(alone, together));
  }
}

RC_GTEST_PROP(OuterProductGradient, EveryInstructionSetAgreesWithTheReference, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 3, 0};
  const ThreadPool pool(static_cast<int>(Any(1, 3)));
  const int64_t t = Any(1, 70), p = Any(1, 100), q = Any(1, 100);
  const Padded a(AnyActivation(), t, p, random), b(AnyActivation(), t, q, random), c(DType::kF32, p, q, random);
  const bool accumulate = *rc::gen::arbitrary<bool>();
  for (const Runtime& rt : Modes(pool)) {
    Padded found = c, expected = c;
    OuterProductGradient(rt, a.view, b.view, 0.5f, found.view, accumulate);
    ref::OuterProductGradient(rt, a.view, b.view, 0.5f, expected.view, accumulate);
    ExpectNear(found, expected, 2e-5 * static_cast<double>(t), Describe(rt));
  }
}

// A row with something that is not a number gives nothing that looks like one; a row of nearly nothing gives nothing.
TEST(Linear, Int8KeepsWhatIsNotFiniteAndWhatIsTiny) {
  Random random{8, 8, 0};
  const ThreadPool pool(1);
  const Weight w = RandomWeight(pool, DType::kQ4_1, 16, 64, random);
  for (const Runtime& rt : Modes(pool)) {
    if (rt.precision != Precision::kInt8) continue;
    for (const int64_t rows : {1, 20}) {
      for (const float value : {NAN, INFINITY, -INFINITY, 1e-38f, 0.0f}) {
        Padded x(DType::kF32, rows, 64, random), y(DType::kF32, rows, 16, random);
        x.Rebind(), y.Rebind();
        for (int64_t c = 0; c < 64; ++c) x.view.f32(rows - 1)[c] = std::isfinite(value) || c == 40 ? value : 1.0f;
        const LinearTerm term = {x.view, &w};
        Linear(rt, {&term, 1}, nullptr, y.view);
        for (int64_t n = 0; n < 16; ++n) {
          const float found = y.At(rows - 1, n);
          if (rows > 1) {
            EXPECT_TRUE(std::isfinite(y.At(0, n)));
          }
          if (std::isfinite(value)) {
            EXPECT_NEAR(found, 0, 1e-30) << Describe(rt);
          } else {
            EXPECT_FALSE(std::isfinite(found)) << Describe(rt) << " " << value << " gave " << found;
          }
        }
      }
    }
  }
}

// What a row gives must depend neither on the rows around it nor on the threads.
RC_GTEST_PROP(Linear, ARowHasTheSameBitsAloneAndAmongOthers, ()) {
  Random random{*rc::gen::arbitrary<uint64_t>(), 4, 0};
  const ThreadPool one(1), two(2), three(3);
  for (DType type : kTypes) {
    const int64_t m = Any(9, 40), n = Any(1, 100);
    const Case c = AnyCase(one, type, m, n, false, random);
    const Padded y(AnyActivation(), m, n, random);
    for (Runtime rt : Modes(one)) {
      Padded all = y;
      Linear(rt, c.terms, nullptr, all.view, true);
      for (const ThreadPool* pool : {&two, &three}) {
        rt.pool = pool;
        Padded again = y;
        Linear(rt, c.terms, nullptr, again.view, true);
        ASSERT_TRUE(SameBits(all, again)) << Describe(rt) << " " << NameOf(type) << ", " << pool->threads() << " threads";
      }
      Padded parts = y;
      for (int64_t row = 0, count; row < m; row += count) {
        count = std::min(m - row, Any(1, 12));
        std::vector<LinearTerm> terms = c.terms;
        for (LinearTerm& t : terms) {
          const MatrixView x = {const_cast<void*>(t.x.data), t.x.dtype, t.x.rows, t.x.cols, t.x.stride};
          t.x = x.Rows(row, count);
        }
        Linear(rt, terms, nullptr, parts.view.Rows(row, count), true);
      }
      ASSERT_TRUE(SameBits(all, parts)) << Describe(rt) << " " << NameOf(type);
    }
  }
}

TEST(Linear, ManyRowsInSeveralBlocks) {
  Random random{5, 5, 0};
  const ThreadPool one(1), three(3);
  const Weight w = RandomWeight(one, DType::kQ4_1, 48, 64, random);
  const Padded x(DType::kBF16, 1601, 64, random), y(DType::kF32, 1601, 48, random);
  const LinearTerm term = {x.view, &w};
  for (Runtime rt : Modes(one)) {
    Padded expected = y, alone = y, threaded = y;
    ref::Linear(rt, {&term, 1}, nullptr, expected.view);
    Linear(rt, {&term, 1}, nullptr, alone.view);
    rt.pool = &three;
    Linear(rt, {&term, 1}, nullptr, threaded.view);
    ExpectNear(alone, expected, 1e-4, Describe(rt));
    EXPECT_TRUE(SameBits(alone, threaded));
  }
}

TEST(OuterProductGradient, SameBitsForAnyThreads) {
  Random random{6, 6, 0};
  const ThreadPool one(1), three(3);
  const Padded a(DType::kBF16, 65, 130, random), b(DType::kF32, 65, 16, random), c(DType::kF32, 130, 16, random);
  for (Runtime rt : Modes(one)) {
    Padded alone = c, threaded = c;
    OuterProductGradient(rt, a.view, b.view, 2.0f, alone.view);
    rt.pool = &three;
    OuterProductGradient(rt, a.view, b.view, 2.0f, threaded.view);
    EXPECT_TRUE(SameBits(alone, threaded)) << Describe(rt);
  }
}

}  // namespace
}  // namespace hew
