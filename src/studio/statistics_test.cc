// Against SciPy: tools/golden/statistics.py.
#include "studio/statistics.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"

namespace hew {
namespace {

class StatisticsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto bytes = ReadFile(std::string(HEW_SOURCE_DIR) + "/tests/golden/studio/statistics.json");
    ASSERT_TRUE(bytes) << bytes.error().message;
    golden_ = *ParseJson(*bytes, "statistics.json");
  }
  static void ExpectNear(const Interval& found, const Json& expected, double tolerance) {
    EXPECT_NEAR(found.low, expected[0], tolerance);
    EXPECT_NEAR(found.high, expected[1], tolerance);
  }
  Json golden_;
};

TEST_F(StatisticsTest, Wilson) {
  for (const auto& c : golden_["wilson"]) {
    const auto [low, high] = WilsonInterval(c["passed"], c["total"]);
    ExpectNear({low, high}, c["interval"], 1e-12);
  }
  EXPECT_EQ(WilsonInterval(0, 0), (std::pair<double, double>{0, 1}));
}

TEST_F(StatisticsTest, McNemar) {
  for (const auto& c : golden_["mcnemar"]) {
    const double p = c["p"];
    EXPECT_NEAR(McNemarExact(c["broken"], c["fixed"]), p, 1e-9 * p + 1e-300) << c;
    EXPECT_EQ(McNemarExact(c["broken"], c["fixed"]), McNemarExact(c["fixed"], c["broken"]));
  }
}

TEST_F(StatisticsTest, PairedShares) {
  for (const auto& c : golden_["tango"])
    ExpectNear(PairedShareInterval(c["broken"], c["fixed"], c["n"]), c["interval"], 1e-7);
}

TEST_F(StatisticsTest, PairedMeans) {
  for (const auto& c : golden_["paired"]) {
    const auto found = PairedDifference(c["before"].get<std::vector<double>>(), c["after"].get<std::vector<double>>());
    EXPECT_NEAR(found.mean, c["mean"], 1e-12);
    ExpectNear(found.interval, c["interval"], 1e-9);
  }
}

TEST_F(StatisticsTest, StudentAndSpearman) {
  for (const auto& c : golden_["student"]) EXPECT_NEAR(StudentQuantile(c["p"], c["degrees"]), c["t"], 1e-9);
  for (const auto& c : golden_["spearman"]) {
    EXPECT_NEAR(SpearmanCorrelation(c["x"].get<std::vector<double>>(), c["y"].get<std::vector<double>>()), c["rho"],
                1e-12);
  }
}

TEST(CasesMissing, AreWhatTurnsTheAnswer) {
  EXPECT_EQ(CasesMissing(0, 0, 400, -0.01), 0) << "0.95 points of doubt are less than one";
  const int64_t missing = CasesMissing(0, 0, 105, -0.01);
  ASSERT_GT(missing, 0);
  EXPECT_GT(PairedShareInterval(0, 0, 105 + missing).low, -0.01);
  EXPECT_LE(PairedShareInterval(0, 0, 105 + missing - 2).low, -0.01);
  EXPECT_EQ(CasesMissing(9, 0, 50, -0.01), -1) << "worse by more than is borne: no number of cases shows the opposite";
  EXPECT_GT(CasesMissing(0, 0, 0, -0.01), 300);
}

}  // namespace
}  // namespace hew
