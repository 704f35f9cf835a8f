#include <algorithm>
#include <cmath>

#include "model/test_util.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

using test::AllRuntimes;
using test::Describe;
using test::PackDocuments;
using test::RandomAdapter;
using test::RandomIds;
using test::TinyModel;

// A shared prefix of 5 rows, two followers, and a document on its own; weights that differ.
PackedBatch SharedPrefixBatch() {
  const std::vector<int32_t> prefix = RandomIds(20, 5, 70);
  PackedBatch batch = PackDocuments({prefix, RandomIds(21, 6, 70), RandomIds(22, 9, 70), RandomIds(23, 7, 70)});
  for (size_t s : {1, 2}) {
    PackedSegment& segment = batch.segments[s];
    segment.prefix_begin = 0;
    segment.prefix_rows = 5;
    for (int64_t i = 0; i < segment.rows; ++i) batch.positions[static_cast<size_t>(segment.begin + i)] += 5;
  }
  for (size_t i = 0; i < batch.weights.size(); ++i) batch.weights[i] = i % 3 == 0 ? 0.5f : 1.0f;
  return batch;
}

struct Range {
  std::string name;
  size_t offset, count;
};
std::vector<Range> RangesOf(const LoraAdapter& adapter) {
  std::vector<Range> ranges;
  for (const LoraModule& m : adapter.modules) {
    const std::string name = std::to_string(m.layer) + "." + std::string(ModuleName(m.projection));
    ranges.push_back({name + ".A", m.a_offset, static_cast<size_t>(m.rank * m.in)});
    ranges.push_back({name + ".B", m.b_offset, static_cast<size_t>(m.out * m.rank)});
    if (adapter.config.dora) ranges.push_back({name + ".m", m.magnitude_offset, static_cast<size_t>(m.out)});
  }
  return ranges;
}

double NormOf(std::span<const float> x) {
  double sum = 0;
  for (float v : x) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}

// The loss with the parameters of `range` moved by `step` along `direction`. DoRA's norms stay those of the start,
// since the gradient counts them as constants.
double LossAlong(const Runtime& rt, const Model& model, const LoraAdapter& start, const PackedBatch& batch,
                 DropoutState dropout, const Range& range, std::span<const float> direction, double step) {
  LoraAdapter moved = RandomAdapter(rt, start.config, model, 1);
  moved.parameters = start.parameters;
  std::erase_if(moved.modules, [&](const LoraModule& m) { return start.Find(m.layer, m.projection) == nullptr; });
  for (size_t i = 0; i < range.count; ++i)
    moved.parameters[range.offset + i] += static_cast<float>(step * direction[i]);
  moved.Pack(rt, model);
  for (size_t k = 0; start.config.dora && k < moved.modules.size(); ++k) {
    LoraModule& m = moved.modules[k];
    m.inverse_norm = start.modules[k].inverse_norm;
    for (size_t j = 0; j < m.column_scale.size(); ++j) {
      m.column_scale[j] = moved.parameters[m.magnitude_offset + j] * m.inverse_norm[j];
    }
  }
  std::vector<float> unused(moved.parameters.size());
  return LossAndGradients(rt, model, moved, batch, dropout, 1, unused).loss;
}

// For every A, B and m: the slope along the gradient itself is its length, and along a random direction their product.
void CheckFiniteDifferences(const Runtime& rt, const Model& model, const LoraAdapter& adapter,
                            const PackedBatch& batch) {
  const DropoutState dropout{9, 4};
  std::vector<float> gradients(adapter.parameters.size());
  LossAndGradients(rt, model, adapter, batch, dropout, 1, gradients);
  Random random{5, 0, 0};
  for (const Range& range : RangesOf(adapter)) {
    const std::span<const float> gradient = std::span(gradients).subspan(range.offset, range.count);
    const double norm = NormOf(gradient);
    ASSERT_GT(norm, 1e-3) << range.name;
    std::vector<float> direction(range.count);
    for (size_t i = 0; i < range.count; ++i) {
      direction[i] =
          static_cast<float>(gradient[i] / norm) + 0.3f * random.Normal() / std::sqrt(static_cast<float>(range.count));
    }
    double expected = 0;
    for (size_t i = 0; i < range.count; ++i) expected += static_cast<double>(gradient[i]) * direction[i];
    // Fourth-order central difference: the step may be wide enough for fp32's noise, and moves the loss by some 0.2.
    const double h = std::min(0.02, 0.2 / norm);
    const auto at = [&](double step) { return LossAlong(rt, model, adapter, batch, dropout, range, direction, step); };
    const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    EXPECT_NEAR(slope, expected, 5e-3 * norm + 2e-3) << range.name << " of length " << norm;
  }
}

struct Variant {
  const char* name;
  bool rslora, dora;
  double dropout;
  std::vector<Projection> targets;
};

class TrainingGradient : public testing::TestWithParam<Variant> {};

TEST_P(TrainingGradient, IsTheSlopeOfTheLoss) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32, DType::kQ8_0});
  LoraConfig config;
  config.rank = 3;
  config.alpha = 4;
  config.rslora = GetParam().rslora;
  config.dora = GetParam().dora;
  config.dropout = GetParam().dropout;
  config.targets = GetParam().targets;
  const LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
  CheckFiniteDifferences(rt, model, adapter, SharedPrefixBatch());
}

// The arithmetic that other families have, under a prefix that is shared.
TEST(Training, GradientIsTheSlopeOfTheLossInEveryFamily) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  for (const test::Variation& variation : test::Variations()) {
    SCOPED_TRACE(variation.name);
    const Model model = TinyModel(pool, {DType::kF32, DType::kQ8_0}, 3, [&](ModelConfig& c) {
      if (variation.change) variation.change(c);
      if (c.num_experts > 0) c.num_experts_per_tok = c.num_experts;  // the choice of some has no slope
    });
    LoraConfig config;
    config.rank = 3;
    config.alpha = 4;
    CheckFiniteDifferences(rt, model, RandomAdapter(rt, config, model, 6), SharedPrefixBatch());
  }
}

const std::vector<Projection> kAll = {kProjections.begin(), kProjections.end()};
INSTANTIATE_TEST_SUITE_P(Variants, TrainingGradient,
                         testing::Values(Variant{"lora", false, false, 0, kAll},
                                         Variant{"rslora", true, false, 0, kAll}, Variant{"dora", false, true, 0, kAll},
                                         Variant{"dropout", false, false, 0.3, kAll},
                                         Variant{"dora_dropout", false, true, 0.3, kAll},
                                         Variant{"down_only", false, false, 0, {Projection::kDown}},
                                         Variant{"up_only", false, false, 0, {Projection::kUp}},
                                         Variant{"o_and_k", false, false, 0, {Projection::kO, Projection::kK}}),
                         [](const auto& info) { return std::string(info.param.name); });

// Nothing is computed below the lowest adapted layer, and what is above is the same without it.
TEST(Training, OnlyTheUpperLayerAdapted) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32});
  LoraConfig config;
  config.rank = 2;
  config.alpha = 2;
  LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
  std::erase_if(adapter.modules, [](const LoraModule& m) { return m.layer == 0; });
  EXPECT_EQ(adapter.lowest_layer(), 1);
  CheckFiniteDifferences(rt, model, adapter, SharedPrefixBatch());
}

// Some rows of each document are learned, with gaps between them, and none of the prefix or of the last document.
PackedBatch FewLearnedBatch() {
  const PackedBatch all = SharedPrefixBatch();
  PackedBatch batch = all;
  batch.learned_rows.clear(), batch.targets.clear(), batch.weights.clear();
  for (size_t i = 0; i < all.learned_rows.size(); ++i) {
    const int32_t row = all.learned_rows[i];
    if (row < all.segments[1].begin || row >= all.segments[3].begin || row % 4 == 3) continue;
    batch.learned_rows.push_back(row);
    batch.targets.push_back(all.targets[i]);
    batch.weights.push_back(all.weights[i]);
  }
  return batch;
}

TEST(Training, GradientIsTheSlopeOfTheLossWhereFewRowsAreLearned) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32, DType::kQ8_0});
  LoraConfig config;
  config.rank = 3;
  config.alpha = 4;
  CheckFiniteDifferences(rt, model, RandomAdapter(rt, config, model, 6), FewLearnedBatch());
}

double RelativeDistance(std::span<const float> a, std::span<const float> b) {
  std::vector<float> difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(a[i] - b[i]);
  return NormOf(difference) / NormOf(b);
}

// Each technique only saves: without it the loss has the same bits, and the gradients too, but where fewer rows are summed.
TEST(Training, TechniquesChangeNothing) {
  const ThreadPool pool(2);
  for (const test::Variation& variation : test::Variations()) {
    const Model model = TinyModel(pool, {DType::kQ4_1, DType::kQ8_0}, 3, variation.change);
    for (const Runtime& rt : AllRuntimes(pool)) {
      for (const bool upper_only : {false, true}) {
        LoraConfig config;
        config.rank = 3;
        LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
        if (upper_only) std::erase_if(adapter.modules, [](const LoraModule& m) { return m.layer == 0; });
        const PackedBatch batch = FewLearnedBatch();
        const auto run = [&](const TrainingTechniques& techniques, std::vector<float>* gradients) {
          TrainingWorkspace workspace;
          workspace.techniques = techniques;
          gradients->assign(adapter.parameters.size(), 0);
          const LossSum loss = LossAndGradients(rt, model, adapter, batch, {}, 1, *gradients, &workspace);
          EXPECT_EQ(Loss(rt, model, &adapter, batch, nullptr, &workspace).loss, loss.loss);
          return loss.loss;
        };
        std::vector<float> expected, found;
        const double loss = run({}, &expected);
        const std::string where = variation.name + std::string(" ") + Describe(rt) + (upper_only ? " upper" : " all");
        TrainingTechniques without;
        without.chunked_loss = false;
        EXPECT_EQ(run(without, &found), loss) << where;
        EXPECT_EQ(found, expected) << "chunked loss, " << where;
        without = {};
        without.stored_activations = false;
        EXPECT_EQ(run(without, &found), loss) << where;
        EXPECT_EQ(found, expected) << "stored activations, " << where;
        without = {};
        without.lowest_layer = false;
        EXPECT_EQ(run(without, &found), loss) << where;
        EXPECT_EQ(found, expected) << "lowest layer, " << where;
        without = {};
        without.learned_rows = false;
        EXPECT_EQ(run(without, &found), loss) << where;
        EXPECT_LT(RelativeDistance(found, expected), rt.bf16() ? 2e-2 : 1e-5) << "learned rows, " << where;
      }
    }
  }
}

TEST(Training, SharedPrefixIsTheSameAsRepeatingIt) {
  const ThreadPool pool(2);
  const Model model = TinyModel(pool, {DType::kQ8_0});
  const std::vector<int32_t> prefix = RandomIds(20, 5, 70), a = RandomIds(21, 6, 70), b = RandomIds(22, 9, 70);
  std::vector<int32_t> whole_a = prefix, whole_b = prefix;
  whole_a.insert(whole_a.end(), a.begin(), a.end());
  whole_b.insert(whole_b.end(), b.begin(), b.end());
  PackedBatch repeated = PackDocuments({whole_a, whole_b}), shared = PackDocuments({prefix, a, b});
  for (size_t s : {1, 2}) {
    shared.segments[s].prefix_rows = 5;
    for (int64_t i = 0; i < shared.segments[s].rows; ++i)
      shared.positions[static_cast<size_t>(shared.segments[s].begin + i)] += 5;
  }
  const auto keep_own = [](PackedBatch* batch, const std::vector<std::pair<int, int>>& ranges) {
    PackedBatch kept = *batch;
    kept.learned_rows.clear(), kept.targets.clear(), kept.weights.clear();
    for (const auto& [begin, end] : ranges) {
      for (int32_t row = begin; row < end; ++row) {
        kept.learned_rows.push_back(row);
        kept.targets.push_back(batch->ids[static_cast<size_t>(row) + 1]);
        kept.weights.push_back(1);
      }
    }
    *batch = kept;
  };
  keep_own(&repeated, {{5, 10}, {16, 24}});
  keep_own(&shared, {{5, 10}, {11, 19}});
  LoraConfig config;
  config.rank = 4;
  for (const Runtime& rt : AllRuntimes(pool)) {
    if (rt.bf16()) continue;
    const LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
    std::vector<float> one(adapter.parameters.size()), two(adapter.parameters.size());
    const LossSum x = LossAndGradients(rt, model, adapter, repeated, {}, 1, one);
    const LossSum y = LossAndGradients(rt, model, adapter, shared, {}, 1, two);
    EXPECT_EQ(x.loss, y.loss) << Describe(rt);
    std::vector<float> difference(one.size());
    for (size_t i = 0; i < one.size(); ++i) difference[i] = one[i] - two[i];
    EXPECT_LT(NormOf(difference), 1e-5 * NormOf(one)) << Describe(rt);
  }
}

TEST(Training, SameBitsForAnyThreadsAndAReusedWorkspace) {
  const ThreadPool one(1), three(3);
  const Model model = TinyModel(one, {DType::kQ4_1, DType::kQ8_0});
  LoraConfig config;
  config.rank = 5;
  config.dropout = 0.1;
  TrainingWorkspace workspace;
  for (Runtime rt : AllRuntimes(one)) {
    const LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
    std::vector<float> reference(adapter.parameters.size());
    const LossSum expected = LossAndGradients(rt, model, adapter, SharedPrefixBatch(), {1, 2}, 0.25f, reference);
    for (const ThreadPool* pool : {&one, &three}) {
      rt.pool = pool;
      std::vector<float> other(adapter.parameters.size());
      LossAndGradients(rt, model, adapter, PackDocuments({RandomIds(1, 60, 70)}), {1, 2}, 1, other, &workspace);
      std::vector<float> found(adapter.parameters.size());
      const LossSum loss = LossAndGradients(rt, model, adapter, SharedPrefixBatch(), {1, 2}, 0.25f, found, &workspace);
      EXPECT_EQ(loss.loss, expected.loss) << Describe(rt);
      EXPECT_TRUE(found == reference) << Describe(rt);
    }
  }
}

TEST(Training, GradientsAreAddedAndScaled) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32});
  const LoraAdapter adapter = RandomAdapter(rt, {}, model, 6);
  const PackedBatch batch = SharedPrefixBatch();
  std::vector<float> once(adapter.parameters.size()), twice(adapter.parameters.size());
  LossAndGradients(rt, model, adapter, batch, {}, 1, once);
  LossAndGradients(rt, model, adapter, batch, {}, 0.5f, twice);
  LossAndGradients(rt, model, adapter, batch, {}, 1.5f, twice);
  for (size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(twice[i], 2 * once[i], 1e-4 * (1 + std::abs(once[i])));
}

// bf16's gradients point where fp32's do.
TEST(Training, Bf16GradientsAreClose) {
  const ThreadPool pool(2);
  const Runtime bf16{&pool, BestIsa(), Precision::kDefault};
  if (!bf16.bf16()) GTEST_SKIP() << "no bf16 on this machine";
  Runtime fp32 = bf16;
  fp32.precision = Precision::kFp32;
  const Model model = TinyModel(pool, {DType::kQ8_0});
  for (bool dora : {false, true}) {
    LoraConfig config;
    config.dora = dora;
    std::vector<float> reference, found;
    for (const Runtime& rt : {fp32, bf16}) {
      const LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
      std::vector<float>& gradients = rt.bf16() ? found : reference;
      gradients.resize(adapter.parameters.size());
      LossAndGradients(rt, model, adapter, SharedPrefixBatch(), {}, 1, gradients);
    }
    double product = 0;
    for (size_t i = 0; i < found.size(); ++i) product += static_cast<double>(found[i]) * reference[i];
    EXPECT_GT(product / (NormOf(found) * NormOf(reference)), 0.999);
    EXPECT_NEAR(NormOf(found) / NormOf(reference), 1, 0.02);
  }
}

TEST(Training, NothingLearnedNothingDone) {
  const ThreadPool pool(1);
  const Runtime rt{&pool, Isa::kScalar, Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32});
  const LoraAdapter adapter = RandomAdapter(rt, {}, model, 6);
  PackedBatch batch = PackDocuments({RandomIds(1, 5, 70)});
  batch.learned_rows.clear(), batch.targets.clear(), batch.weights.clear();
  std::vector<float> gradients(adapter.parameters.size());
  const LossSum loss = LossAndGradients(rt, model, adapter, batch, {}, 1, gradients);
  EXPECT_EQ(loss.loss, 0);
  EXPECT_EQ(loss.weight, 0);
  EXPECT_EQ(NormOf(gradients), 0);
}

// The plan says what the workspace then holds.
void CheckPlannedBytes(const ThreadPool& pool, const Model& model) {
  for (const Runtime& rt : AllRuntimes(pool)) {
    for (const auto& [dora, dropout] : {std::pair{false, 0.0}, {false, 0.1}, {true, 0.0}, {true, 0.1}}) {
      LoraConfig config;
      config.dora = dora;
      config.dropout = dropout;
      const LoraAdapter adapter = RandomAdapter(rt, config, model, 6);
      const std::vector<int32_t> ids = RandomIds(1, 400, 70);
      std::vector<float> gradients(adapter.parameters.size());
      TrainingWorkspace workspace;
      LossAndGradients(rt, model, adapter, PackDocuments({ids}), {}, 1, gradients, &workspace);
      const auto planned = static_cast<double>(TrainingBytes(model.config, config, rt.bf16(), 400));
      const auto taken = static_cast<double>(workspace.bytes());
      EXPECT_LE(taken, planned) << Describe(rt) << dora << dropout;
      EXPECT_GE(taken, 0.8 * planned) << Describe(rt) << dora << dropout;
    }
  }
}

TEST(Training, PlannedBytesAreTaken) {
  const ThreadPool pool(2);
  for (const test::Variation& variation : test::Variations()) {
    SCOPED_TRACE(variation.name);
    CheckPlannedBytes(pool, TinyModel(pool, {DType::kF32}, 3, variation.change));
  }
}

}  // namespace
}  // namespace hew
