#include "model/experts.h"

#include <numeric>

#include "model/test_util.h"

namespace hew {
namespace {

using test::TinyModel;

Model SparseModel(const ThreadPool& pool, bool norm_topk_prob) {
  return TinyModel(pool, {DType::kF32}, 3, [&](ModelConfig& c) {
    c.model_type = "mixtral";
    c.num_experts = 6;
    c.num_experts_per_tok = 2;
    c.moe_intermediate_size = 40;
    c.norm_topk_prob = norm_topk_prob;
    c.layers = {{.sparse = true}, {.sparse = true}};
  });
}

class ExpertsTest : public testing::Test {
 protected:
  // The router's logits of row r for expert e become logits[r][e]: it reads one number of the row for each.
  Routing RouteOf(Model* model, const std::vector<std::vector<float>>& logits, Matrix* shares) {
    const int64_t experts = model->config.num_experts, hidden = model->config.hidden_size;
    std::vector<float> router(static_cast<size_t>(experts * hidden));
    for (int64_t e = 0; e < experts; ++e) router[static_cast<size_t>(e * hidden + e)] = 1;
    SetWeightFromF32(pool_, DType::kF32, experts, hidden, router.data(), 1, &model->layers[0].router);
    const auto rows = static_cast<int64_t>(logits.size());
    Matrix x(DType::kF32, rows, hidden);
    for (int64_t r = 0; r < rows; ++r)
      std::copy(logits[static_cast<size_t>(r)].begin(), logits[static_cast<size_t>(r)].end(), x.view().f32(r));
    *shares = Matrix(DType::kF32, rows, experts);
    return Route({rt_, *model, {}}, 0, x.view(), shares->view());
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
};

TEST_F(ExpertsTest, TheLikeliestAreTakenAndOfEqualOnesTheFirst) {
  Model model = SparseModel(pool_, true);
  Matrix shares;
  const Routing routing = RouteOf(&model, {{0, 1, 5, 2, 5, 3}, {1, 1, 1, 1, 1, 1}, {-9, -8, -7, -6, -5, -4}}, &shares);
  EXPECT_EQ(routing.begin, (std::vector<int64_t>{0, 1, 2, 3, 3, 5, 6}));
  EXPECT_EQ(routing.rows, (std::vector<int32_t>{1, 1, 0, 0, 2, 2}));
  EXPECT_EQ(routing.row_slots, (std::vector<int32_t>{2, 3, 0, 1, 4, 5}));
  EXPECT_FLOAT_EQ(routing.weights[2], 0.5f);
  EXPECT_FLOAT_EQ(routing.weights[0], 0.5f);
  EXPECT_FLOAT_EQ(routing.weights[4], 1 / (1 + std::exp(1.0f)));
  EXPECT_FLOAT_EQ(routing.weights[5], 1 / (1 + std::exp(-1.0f)));
}

TEST_F(ExpertsTest, WeightsAreSharesAmongAllWhereTheyAreNotNormed) {
  Model model = SparseModel(pool_, false);
  Matrix shares;
  const Routing routing = RouteOf(&model, {{1, 1, 1, 1, 1, 1}}, &shares);
  EXPECT_EQ(routing.slots(), 2);
  for (const float weight : routing.weights) EXPECT_FLOAT_EQ(weight, 1.0f / 6);
  for (int e = 0; e < 6; ++e) EXPECT_FLOAT_EQ(shares.view().f32()[e], 1.0f / 6);
}

// An adapter for a model with experts changes attention, and says so when it is asked for something else alone.
TEST_F(ExpertsTest, AdaptersChangeAttentionAlone) {
  const Model model = SparseModel(pool_, true);
  const auto all = LoraAdapter::Create(rt_, {}, model, 1);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->modules.size(), 8u);
  for (const LoraModule& m : all->modules) EXPECT_LT(m.projection, Projection::kGate);
  EXPECT_EQ(static_cast<int64_t>(all->parameters.size()), LoraParameterCount(model.config, all->config));
  LoraConfig gate;
  gate.targets = {Projection::kGate};
  const auto refused = LoraAdapter::Create(rt_, gate, model, 1);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("beside experts"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace hew
