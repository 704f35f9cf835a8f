#include "kernels/attention.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "kernels/ref/attention.h"
#include "kernels/test_util.h"

namespace hew {
namespace {

// A batch of documents, the first of which may be a prefix that the others share.
struct Batch {
  AttentionShape shape;
  Matrix q, k, v, d_out;
  std::vector<AttentionSegment> segments;

  Batch(AttentionShape s, const std::vector<int64_t>& lengths, bool shared, DType type, uint64_t seed) : shape(s) {
    int64_t rows = 0;
    for (int64_t n : lengths) rows += n;
    for (auto [m, heads] : {std::pair{&q, s.heads}, {&k, s.kv_heads}, {&v, s.kv_heads}, {&d_out, s.heads}}) {
      *m = RandomMatrix(type, rows, heads * s.head_dim, seed++);
    }
    int64_t begin = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      AttentionSegment segment;
      segment.query_begin = segment.own_begin = begin;
      segment.query_rows = lengths[i];
      segment.k = std::as_const(k).view();
      segment.v = std::as_const(v).view();
      if (shared && i > 0) segment.position = segment.prefix_rows = lengths[0];
      segments.push_back(segment);
      begin += lengths[i];
    }
  }
  int64_t rows() const { return q.row_count(); }
};

struct Forward {
  Matrix out;
  std::vector<float> lse;

  explicit Forward(const Batch& b, DType type)
      : out(type, b.rows(), b.shape.heads * b.shape.head_dim), lse(static_cast<size_t>(b.rows() * b.shape.heads)) {}
};

struct Backward {
  Matrix d_q, d_k, d_v;

  Backward(const Batch& b, DType type)
      : d_q(type, b.rows(), b.shape.heads * b.shape.head_dim),
        d_k(type, b.rows(), b.shape.kv_heads * b.shape.head_dim),
        d_v(type, b.rows(), b.shape.kv_heads * b.shape.head_dim) {}
};

AttentionShape RandomShape() {
  AttentionShape shape;
  shape.kv_heads = *rc::gen::inRange<int64_t>(1, 4);
  shape.heads = shape.kv_heads * *rc::gen::inRange<int64_t>(1, 5);
  shape.head_dim = *rc::gen::element<int64_t>(8, 20, 32, 64, 80, 128, 256);
  shape.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
  shape.window = *rc::gen::element<int64_t>(0, 0, 1, 7, 300);
  shape.softcap = *rc::gen::element(0.0f, 0.0f, 3.0f);
  return shape;
}

Batch RandomBatch() {
  const AttentionShape shape = RandomShape();
  auto lengths = *rc::gen::container<std::vector<int64_t>>(*rc::gen::inRange(1, 5), rc::gen::inRange<int64_t>(1, 70));
  if (*rc::gen::inRange(0, 4) == 0) lengths[0] = *rc::gen::inRange<int64_t>(250, 540);
  const DType type = *rc::gen::element(DType::kF32, DType::kBF16);
  return Batch(shape, lengths, *rc::gen::arbitrary<bool>(), type, *rc::gen::inRange<uint64_t>(0, 1000));
}

RC_GTEST_PROP(Attention, EverySetAgreesWithTheReference, ()) {
  const Batch b = RandomBatch();
  Forward want(b, DType::kF32);
  ref::AttentionForward(b.shape, b.q.view(), b.segments, want.out.view(), want.lse.data());
  Backward want_d(b, DType::kF32);
  ref::AttentionBackward(b.shape, b.q.view(), b.segments, want.out.view(), want.lse.data(), b.d_out.view(),
                         want_d.d_q.view(), want_d.d_k.view(), want_d.d_v.view());
  const ThreadPool pool(2);
  for (const Mode& mode : Modes()) {
    const Runtime rt{&pool, mode.isa, mode.precision};
    const double tolerance = rt.bf16() ? 8e-3 : 2e-5;
    Forward got(b, DType::kF32);
    AttentionForward(rt, b.shape, b.q.view(), b.segments, got.out.view(), got.lse.data());
    RC_LOG() << mode.name;
    RC_ASSERT(Difference(got.out.view(), want.out.view()) < tolerance);
    for (size_t i = 0; i < got.lse.size(); ++i) RC_ASSERT(std::abs(got.lse[i] - want.lse[i]) < 1e-4);
    Backward d(b, DType::kF32);
    AttentionBackward(rt, b.shape, b.q.view(), b.segments, got.out.view(), got.lse.data(), b.d_out.view(), d.d_q.view(),
                      d.d_k.view(), d.d_v.view());
    RC_ASSERT(Difference(d.d_v.view(), want_d.d_v.view()) < tolerance);
    RC_ASSERT(Difference(d.d_q.view(), want_d.d_q.view(), 0.1) < 2 * tolerance);
    RC_ASSERT(Difference(d.d_k.view(), want_d.d_k.view(), 0.1) < 2 * tolerance);
  }
}

// The same rows asked all at once, one by one (as generation does), and in other numbers of threads.
RC_GTEST_PROP(Attention, ARowHasTheSameBitsAloneAndAmongOthers, ()) {
  const Batch b = RandomBatch();
  const ThreadPool one(1), three(3);
  for (const Mode& mode : Modes()) {
    RC_LOG() << mode.name;
    const DType type = Runtime{&one, mode.isa, mode.precision}.bf16() ? DType::kBF16 : DType::kF32;
    Forward whole(b, type), single(b, type), threaded(b, type);
    AttentionForward({&one, mode.isa, mode.precision}, b.shape, b.q.view(), b.segments, whole.out.view(),
                     whole.lse.data());
    AttentionForward({&three, mode.isa, mode.precision}, b.shape, b.q.view(), b.segments, threaded.out.view(),
                     threaded.lse.data());
    for (const AttentionSegment& segment : b.segments) {
      for (int64_t i = 0; i < segment.query_rows; ++i) {
        AttentionSegment row = segment;
        row.query_begin += i;
        row.position += i;
        row.query_rows = 1;
        AttentionForward({&three, mode.isa, mode.precision}, b.shape, b.q.view(), {&row, 1}, single.out.view(),
                         single.lse.data());
      }
    }
    RC_ASSERT(SameBits(whole.out.view(), single.out.view()));
    RC_ASSERT(SameBits(whole.out.view(), threaded.out.view()));
    RC_ASSERT(whole.lse == single.lse);
    RC_ASSERT(whole.lse == threaded.lse);
    Backward first(b, type), second(b, type);
    for (auto [pool, d] : {std::pair{&one, &first}, {&three, &second}}) {
      AttentionBackward({pool, mode.isa, mode.precision}, b.shape, b.q.view(), b.segments, whole.out.view(),
                        whole.lse.data(), b.d_out.view(), d->d_q.view(), d->d_k.view(), d->d_v.view());
    }
    RC_ASSERT(SameBits(first.d_q.view(), second.d_q.view()));
    RC_ASSERT(SameBits(first.d_k.view(), second.d_k.view()));
    RC_ASSERT(SameBits(first.d_v.view(), second.d_v.view()));
  }
}

}  // namespace
}  // namespace hew
