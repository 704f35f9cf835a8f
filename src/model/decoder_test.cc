#include "model/decoder.h"

#include <cmath>
#include <cstring>

#include "kernels/ops.h"
#include "model/test_util.h"

namespace hew {
namespace {

using test::AllRuntimes;
using test::Describe;
using test::LogitsOf;
using test::RandomAdapter;
using test::RandomIds;
using test::TinyModel;

const std::vector<DType> kMixed = {DType::kQ8_0, DType::kQ4_1, DType::kBF16, DType::kF32,
                                   DType::kQ5_0, DType::kQ4_0, DType::kF16};

bool SameBits(ConstMatrixView a, ConstMatrixView b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  for (int64_t i = 0; i < a.rows; ++i) {
    if (std::memcmp(a.f32(i), b.f32(i), static_cast<size_t>(a.cols) * sizeof(float)) != 0) return false;
  }
  return true;
}

double LargestDifference(ConstMatrixView a, ConstMatrixView b) {
  double largest = 0;
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.cols; ++j)
      largest = std::max(largest, std::abs(static_cast<double>(a.f32(i)[j]) - b.f32(i)[j]));
  }
  return largest;
}

// The hidden states of `ids` given to the decoder in slices of `slice`, among `others` that run along.
Matrix Sliced(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters,
              std::span<const int32_t> ids, size_t slice, size_t others) {
  const auto count = static_cast<int64_t>(ids.size());
  KvCache cache(rt, model.config, count);
  std::vector<KvCache> other_caches;
  std::vector<std::vector<int32_t>> other_ids;
  for (size_t i = 0; i < others; ++i) {
    other_caches.emplace_back(rt, model.config, 512);
    other_ids.push_back(RandomIds(100 + i, static_cast<int64_t>(1 + 3 * i), model.config.vocab_size));
  }
  Matrix result(DType::kF32, count, model.config.hidden_size);
  for (size_t at = 0; at < ids.size(); at += slice) {
    const size_t rows = std::min(slice, ids.size() - at);
    std::vector<SequenceRows> batch;
    for (size_t i = 0; i < others; ++i) {
      if (other_caches[i].length() + static_cast<int64_t>(other_ids[i].size()) <= 512) {
        batch.push_back({other_ids[i], &other_caches[i]});
      }
    }
    int64_t before = 0;
    for (const SequenceRows& s : batch) before += static_cast<int64_t>(s.ids.size());
    batch.push_back({ids.subspan(at, rows), &cache});
    Matrix hidden = DecoderForward(rt, model, adapters, batch);
    CopyOrAdd(rt, hidden.rows(before, static_cast<int64_t>(rows)),
              result.rows(static_cast<int64_t>(at), static_cast<int64_t>(rows)), false);
  }
  EXPECT_EQ(cache.length(), count);
  return result;
}

// One row or many, cached or not, alone or among others, with any number of threads: the same bits.
TEST(Decoder, BitsDependOnTheSequenceAlone) {
  const ThreadPool one(1), three(3);
  for (const test::Variation& variation : test::Variations()) {
    const Model model = TinyModel(one, kMixed, 3, variation.change);
    const std::vector<int32_t> ids = RandomIds(1, 300, model.config.vocab_size);  // past one block of 256 keys
    LoraConfig lora;
    lora.rank = 5;
    for (Runtime rt : AllRuntimes(one)) {
      const LoraAdapter adapter = RandomAdapter(rt, lora, model, 2);
      const LoraAdapter* const adapters[] = {&adapter};
      const Matrix reference = Sliced(rt, model, adapters, ids, ids.size(), 0);
      for (const ThreadPool* pool : {&one, &three}) {
        rt.pool = pool;
        std::vector<std::pair<size_t, size_t>> ways = {{1, 0}, {50, 5}};
        if (!variation.change) ways.insert(ways.end(), {{300, 0}, {7, 0}, {128, 0}, {300, 3}, {1, 2}});
        for (const auto& [slice, others] : ways) {
          EXPECT_TRUE(SameBits(reference.view(), Sliced(rt, model, adapters, ids, slice, others).view()))
              << variation.name << ", " << Describe(rt) << ", slices of " << slice << ", " << others << " others";
        }
      }
    }
  }
}

// Sequences of many adapters in one batch: each has the bits that it has alone, whatever kind the others are of.
TEST(Decoder, MixedAdaptersGiveTheBitsOfEachAlone) {
  const ThreadPool one(1), three(3);
  LoraConfig lora, few, dora;
  lora.rank = 5;
  few.rank = 8;
  few.targets = {Projection::kV, Projection::kDown, Projection::kQ};
  dora.rank = 4;
  dora.dora = true;
  for (const test::Variation& variation : test::Variations()) {
    const Model model = TinyModel(one, kMixed, 3, variation.change);
    for (Runtime rt : AllRuntimes(one)) {
      const LoraAdapter a = RandomAdapter(rt, lora, model, 1), b = RandomAdapter(rt, few, model, 2),
                        c = RandomAdapter(rt, lora, model, 3);
      const LoraAdapter d = RandomAdapter(rt, dora, model, 4), e = RandomAdapter(rt, dora, model, 5);
      using Adapters = std::vector<const LoraAdapter*>;
      const std::vector<Adapters> versions = {{},   {&a}, {&a}, {&b},     {&c}, {&a, &b},
                                              {&d}, {&e}, {&e}, {&d, &a}, {&c}, {}};
      for (const size_t slice : {size_t{1}, size_t{3}, size_t{30}}) {
        if (variation.change && slice != 3) continue;
        const size_t count = slice == 1 ? 5 : versions.size();  // the few-row kernels, and the others
        rt.pool = slice == 3 ? &three : &one;
        std::vector<std::vector<int32_t>> ids;
        std::vector<Matrix> expected;
        std::vector<KvCache> caches;
        for (size_t i = 0; i < count; ++i) {
          ids.push_back(RandomIds(50 + i, static_cast<int64_t>(slice * 2 + i % 3), model.config.vocab_size));
          expected.push_back(Sliced(rt, model, versions[i], ids[i], ids[i].size(), 0));
          caches.emplace_back(rt, model.config, 100);
        }
        for (const OutputRows wanted : {OutputRows::kAll, OutputRows::kLast}) {
          for (KvCache& cache : caches) cache.Truncate(0);
          for (bool going = true; going;) {
            std::vector<SequenceRows> batch;
            std::vector<std::pair<size_t, size_t>> of;  // sequence, its first row
            for (size_t i = 0; i < count; ++i) {
              const auto at = static_cast<size_t>(caches[i].length());
              if (at == ids[i].size()) continue;
              const size_t rows = std::min(slice + i % 2, ids[i].size() - at);
              batch.push_back({std::span(ids[i]).subspan(at, rows), &caches[i], versions[i]});
              of.emplace_back(i, at);
            }
            if (!(going = !batch.empty())) break;
            Matrix hidden = DecoderForward(rt, model, batch, wanted);
            int64_t row = 0;
            for (size_t k = 0; k < batch.size(); ++k) {
              const auto rows = static_cast<int64_t>(batch[k].ids.size()), first = static_cast<int64_t>(of[k].second);
              const int64_t given = wanted == OutputRows::kAll ? rows : 1;
              EXPECT_TRUE(SameBits(hidden.rows(row, given), expected[of[k].first].rows(first + rows - given, given)))
                  << variation.name << ", " << Describe(rt) << ", slices of " << slice << ", version " << of[k].first;
              row += given;
            }
          }
        }
      }
    }
  }
}

TEST(Decoder, TruncatedCacheGoesOnAsIfTheRestHadNeverBeen) {
  const ThreadPool pool(2);
  const Model model = TinyModel(pool, kMixed);
  for (const Runtime& rt : AllRuntimes(pool)) {
    const std::vector<int32_t> ids = RandomIds(1, 40, model.config.vocab_size),
                               wrong = RandomIds(2, 25, model.config.vocab_size);
    KvCache cache(rt, model.config, 60);
    const SequenceRows first{std::span(ids).first(20), &cache}, second{wrong, &cache},
        third{std::span(ids).subspan(20), &cache};
    DecoderForward(rt, model, {}, {&first, 1});
    DecoderForward(rt, model, {}, {&second, 1});
    cache.Truncate(20);
    const Matrix hidden = DecoderForward(rt, model, {}, {&third, 1});
    Matrix expected = Sliced(rt, model, {}, ids, ids.size(), 0);
    EXPECT_TRUE(SameBits(hidden.view(), expected.rows(20, 20))) << Describe(rt);
  }
}

// W + s B A, or DoRA's column_scale * (W + s B A), made dense: the decoder without the adapter must then give the same.
Model Merged(const ThreadPool& pool, const Model& base, std::span<const LoraAdapter* const> adapters) {
  Model merged = TinyModel(pool, {DType::kF32});  // the same seed as `base`
  for (Projection p : kProjections) {
    for (int64_t l = 0; l < 2; ++l) {
      const Weight& w = base.layers[static_cast<size_t>(l)][p];
      std::vector<float> plain(static_cast<size_t>(w.rows * w.cols));
      for (int64_t j = 0; j < w.rows; ++j) ReadWeightRow(w, j, plain.data() + j * w.cols);
      std::vector<float> sum = plain;
      for (const LoraAdapter* adapter : adapters) {
        const LoraModule* m = adapter->Find(l, p);
        if (!m) continue;
        for (int64_t j = 0; j < m->out; ++j) {
          std::vector<double> row(static_cast<size_t>(m->in));
          double norm = 0;
          for (int64_t c = 0; c < m->in; ++c) {
            double& value = row[static_cast<size_t>(c)];
            value = plain[static_cast<size_t>(j * m->in + c)];
            for (int64_t r = 0; r < m->rank; ++r) {
              value += static_cast<double>(m->scale) * adapter->user_scale *
                       adapter->parameters[m->b_offset + static_cast<size_t>(j * m->rank + r)] *
                       adapter->parameters[m->a_offset + static_cast<size_t>(r * m->in + c)];
            }
            norm += value * value;
          }
          const double magnitude =
              adapter->config.dora ? adapter->parameters[m->magnitude_offset + static_cast<size_t>(j)] / std::sqrt(norm)
                                   : 1;
          for (int64_t c = 0; c < m->in; ++c) {
            const auto at = static_cast<size_t>(j * m->in + c);
            sum[at] += static_cast<float>(magnitude * row[static_cast<size_t>(c)] - plain[at]);
          }
        }
      }
      SetWeightFromF32(pool, DType::kF32, w.rows, w.cols, sum.data(), 1,
                       &merged.layers[static_cast<size_t>(l)].projections[static_cast<size_t>(p)]);
    }
  }
  return merged;
}

TEST(Decoder, AdaptersAreTheirDenseSum) {
  const ThreadPool pool(2);
  const Model model = TinyModel(pool, {DType::kF32});
  const std::vector<int32_t> ids = RandomIds(4, 20, model.config.vocab_size);
  LoraConfig lora, few, dora;
  lora.rank = 3;
  few.rank = 7;
  few.rslora = true;
  few.targets = {Projection::kV, Projection::kDown};
  dora.rank = 4;
  dora.dora = true;
  for (const Runtime& rt : AllRuntimes(pool)) {
    if (rt.bf16()) continue;
    const LoraAdapter a = RandomAdapter(rt, lora, model, 1), b = RandomAdapter(rt, few, model, 2);
    const LoraAdapter c = RandomAdapter(rt, dora, model, 3), d = RandomAdapter(rt, dora, model, 4);
    LoraAdapter half = RandomAdapter(rt, lora, model, 5);
    half.user_scale = 0.5f;
    half.Pack(rt, model);
    const std::vector<std::vector<const LoraAdapter*>> cases = {{&a}, {&a, &b}, {&half, &b},
                                                                {&c}, {&c, &b}, {&a, &c, &d}};
    for (const auto& adapters : cases) {
      const Model merged = Merged(pool, model, adapters);
      const Matrix expected = LogitsOf(rt, merged, {}, ids), base = LogitsOf(rt, model, {}, ids);
      const Matrix found = LogitsOf(rt, model, adapters, ids);
      EXPECT_LT(LargestDifference(found.view(), expected.view()), 2e-3) << Describe(rt) << ", " << adapters.size();
      EXPECT_GT(LargestDifference(found.view(), base.view()), 0.1);
    }
  }
}

TEST(Decoder, FreshAdapterChangesNothing) {
  const ThreadPool pool(2);
  const Model model = TinyModel(pool, kMixed);
  const std::vector<int32_t> ids = RandomIds(4, 20, model.config.vocab_size);
  for (const Runtime& rt : AllRuntimes(pool)) {
    auto adapter = LoraAdapter::Create(rt, {}, model, 1);
    ASSERT_TRUE(adapter);
    const LoraAdapter* const adapters[] = {&*adapter};
    EXPECT_TRUE(SameBits(LogitsOf(rt, model, adapters, ids).view(), LogitsOf(rt, model, {}, ids).view()))
        << Describe(rt);
  }
}

void CheckTrainingForward(const ThreadPool& pool, const Model& model) {
  const std::vector<std::vector<int32_t>> documents = {RandomIds(1, 9, 70), RandomIds(2, 290, 70), RandomIds(3, 2, 70)};
  const PackedBatch batch = test::PackDocuments(documents);
  for (const Runtime& rt : AllRuntimes(pool)) {
    std::vector<float> losses;
    const LossSum sum = Loss(rt, model, nullptr, batch, &losses);
    EXPECT_EQ(sum.weight, 8 + 289 + 1);
    size_t at = 0;
    double total = 0;
    for (const auto& ids : documents) {
      const Matrix logits = LogitsOf(rt, model, {}, ids);
      std::vector<float> sums(ids.size());
      LogSumExp(rt, logits.view(), sums.data());
      for (size_t i = 0; i + 1 < ids.size(); ++i, ++at) {
        const float expected = sums[i] - logits.view().f32(static_cast<int64_t>(i))[ids[i + 1]];
        ASSERT_NEAR(losses[at], expected, 2e-6 * (1 + std::abs(sums[i]))) << Describe(rt);
        total += expected;
      }
    }
    EXPECT_NEAR(sum.loss, total, 1e-3);
  }
}

// What is trained is what is served: the losses of a packed batch are those of the same documents served alone.
TEST(Decoder, TrainingForwardIsServing) {
  const ThreadPool pool(2);
  for (const test::Variation& variation : test::Variations()) {
    SCOPED_TRACE(variation.name);
    CheckTrainingForward(pool, TinyModel(pool, kMixed, 3, variation.change));
  }
}

}  // namespace
}  // namespace hew
