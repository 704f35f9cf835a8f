#include "kernels/ref/attention.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "kernels/ref/elements.h"

namespace hew::ref {
namespace {

// One query row of one head: which keys it sees and where everything lies.
struct Query {
  const AttentionShape& shape;
  const AttentionSegment& segment;
  int64_t row, position, q_col, kv_col;

  Query(const AttentionShape& s, const AttentionSegment& g, int64_t i, int64_t head)
      : shape(s),
        segment(g),
        row(g.query_begin + i),
        position(g.position + i),
        q_col(head * s.head_dim),
        kv_col(head / (s.heads / s.kv_heads) * s.head_dim) {}

  int64_t first_key() const { return shape.window > 0 ? std::max<int64_t>(0, position - shape.window + 1) : 0; }

  // The score of key j after the cap, before the softmax.
  double Score(ConstMatrixView q, int64_t j) const {
    double sum = 0;
    for (int64_t d = 0; d < shape.head_dim; ++d) {
      sum += Get(q, row, q_col + d) * Get(segment.k, segment.key_row(j), kv_col + d);
    }
    sum *= shape.scale;
    return shape.softcap > 0 ? shape.softcap * std::tanh(sum / shape.softcap) : sum;
  }
};

}  // namespace

void AttentionForward(const AttentionShape& shape, ConstMatrixView q, std::span<const AttentionSegment> segments,
                      MatrixView out, float* log_sum_exp) {
  for (const AttentionSegment& segment : segments) {
    for (int64_t i = 0; i < segment.query_rows; ++i) {
      for (int64_t head = 0; head < shape.heads; ++head) {
        const Query query(shape, segment, i, head);
        std::vector<double> p;
        for (int64_t j = query.first_key(); j <= query.position; ++j) p.push_back(query.Score(q, j));
        const double top = *std::max_element(p.begin(), p.end());
        double sum = 0;
        for (double& x : p) sum += x = std::exp(x - top);
        for (int64_t d = 0; d < shape.head_dim; ++d) {
          double value = 0;
          for (size_t n = 0; n < p.size(); ++n) {
            const int64_t j = query.first_key() + static_cast<int64_t>(n);
            value += p[n] / sum * Get(segment.v, segment.key_row(j), query.kv_col + d);
          }
          Set(out, query.row, query.q_col + d, value);
        }
        if (log_sum_exp) log_sum_exp[query.row * shape.heads + head] = static_cast<float>(top + std::log(sum));
      }
    }
  }
}

void AttentionBackward(const AttentionShape& shape, ConstMatrixView q, std::span<const AttentionSegment> segments,
                       ConstMatrixView out, const float* log_sum_exp, ConstMatrixView d_out, MatrixView d_q,
                       MatrixView d_k, MatrixView d_v) {
  const int64_t kv_cols = shape.kv_heads * shape.head_dim;
  std::map<int64_t, std::vector<double>> sum_k, sum_v;  // by row of k and v
  for (const AttentionSegment& segment : segments) {
    for (int64_t j = 0; j < segment.position + segment.query_rows; ++j) {
      sum_k[segment.key_row(j)].resize(static_cast<size_t>(kv_cols));
      sum_v[segment.key_row(j)].resize(static_cast<size_t>(kv_cols));
    }
  }
  for (const AttentionSegment& segment : segments) {
    for (int64_t i = 0; i < segment.query_rows; ++i) {
      for (int64_t head = 0; head < shape.heads; ++head) {
        const Query query(shape, segment, i, head);
        const double lse = log_sum_exp[query.row * shape.heads + head];
        double delta = 0;  // sum over d of d_out * out
        for (int64_t d = 0; d < shape.head_dim; ++d) {
          delta += Get(d_out, query.row, query.q_col + d) * Get(out, query.row, query.q_col + d);
        }
        std::vector<double> dq(static_cast<size_t>(shape.head_dim));
        for (int64_t j = query.first_key(); j <= query.position; ++j) {
          const int64_t key = segment.key_row(j);
          const double score = query.Score(q, j), p = std::exp(score - lse);
          double dp = 0;
          for (int64_t d = 0; d < shape.head_dim; ++d) {
            dp += Get(d_out, query.row, query.q_col + d) * Get(segment.v, key, query.kv_col + d);
          }
          const double cap = shape.softcap > 0 ? score / shape.softcap : 0;
          const double ds = p * (dp - delta) * (1 - cap * cap) * shape.scale;
          for (int64_t d = 0; d < shape.head_dim; ++d) {
            const size_t n = static_cast<size_t>(query.kv_col + d);
            sum_v[key][n] += p * Get(d_out, query.row, query.q_col + d);
            sum_k[key][n] += ds * Get(q, query.row, query.q_col + d);
            dq[static_cast<size_t>(d)] += ds * Get(segment.k, key, query.kv_col + d);
          }
        }
        for (int64_t d = 0; d < shape.head_dim; ++d) {
          Set(d_q, query.row, query.q_col + d, dq[static_cast<size_t>(d)]);
        }
      }
    }
  }
  for (int64_t c = 0; c < kv_cols; ++c) {
    for (const auto& [row, sums] : sum_k) Set(d_k, row, c, sums[static_cast<size_t>(c)]);
    for (const auto& [row, sums] : sum_v) Set(d_v, row, c, sums[static_cast<size_t>(c)]);
  }
}

}  // namespace hew::ref
