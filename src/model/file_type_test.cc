#include "model/file_type.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

TEST(FileType, NamesComeBack) {
  for (const char* name :
       {"F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0"}) {
    const auto type = FileTypeFromName(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(NameOf(*type), name);
    EXPECT_TRUE(GgufFileTypeNumber(*type)) << name;
    EXPECT_NE(KnownFileTypes().find(name), std::string::npos);
  }
  EXPECT_EQ(FileTypeFromName("q4_k"), FileTypeFromName("Q4_K_M"));
  EXPECT_EQ(FileTypeFromName("q5_k"), FileTypeFromName("Q5_K_M"));
  for (const char* name : {"", "Q4", "Q2_K", "I8", "Q4_K_L"}) EXPECT_FALSE(FileTypeFromName(name)) << name;
}

// The layers whose attn_v and ffn_down `type` writes in `better`.
std::vector<int64_t> Better(FileType type, Projection p, DType better, int64_t layers) {
  std::vector<int64_t> list;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const DType found = ProjectionType(type, p, layer, layers);
    if (found == better)
      list.push_back(layer);
    else
      EXPECT_EQ(found, type.main);
  }
  return list;
}

// What llama-quantize wrote for models of 24 and 30 layers.
TEST(FileType, MixesAreLlamaQuantizes) {
  const FileType q4_m(DType::kQ4_K, TypeMix::kMedium), q5_m(DType::kQ5_K, TypeMix::kMedium);
  const FileType q4_s(DType::kQ4_K, TypeMix::kSmall), q5_s(DType::kQ5_K, TypeMix::kSmall);
  const std::vector<int64_t> of_24 = {0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23};
  const std::vector<int64_t> of_30 = {0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29};
  for (Projection p : {Projection::kV, Projection::kDown}) {
    for (const FileType& type : {q4_m, q5_m}) {
      EXPECT_EQ(Better(type, p, DType::kQ6_K, 24), of_24);
      EXPECT_EQ(Better(type, p, DType::kQ6_K, 30), of_30);
    }
    EXPECT_TRUE(Better(q5_s, p, DType::kQ6_K, 24).empty());
  }
  EXPECT_EQ(Better(q4_s, Projection::kV, DType::kQ5_K, 24), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(Better(q4_s, Projection::kDown, DType::kQ5_K, 24), (std::vector<int64_t>{0, 1, 2}));
  for (Projection p : {Projection::kQ, Projection::kK, Projection::kO, Projection::kGate, Projection::kUp}) {
    EXPECT_TRUE(Better(q4_m, p, DType::kQ6_K, 24).empty());
    EXPECT_TRUE(Better(q4_s, p, DType::kQ5_K, 24).empty());
  }
}

TEST(FileType, HeadsAndRowsThatDoNotFit) {
  EXPECT_EQ(HeadType(FileType(DType::kQ4_K, TypeMix::kSmall)), DType::kQ6_K);
  EXPECT_EQ(HeadType(DType::kQ4_0), DType::kQ6_K);
  EXPECT_EQ(HeadType(DType::kQ8_0), DType::kQ8_0);
  EXPECT_EQ(HeadType(DType::kBF16), DType::kBF16);
  EXPECT_EQ(TypeForRow(DType::kQ4_K, 512), DType::kQ4_K);
  EXPECT_EQ(TypeForRow(DType::kQ4_K, 576), DType::kQ5_0);
  EXPECT_EQ(TypeForRow(DType::kQ5_K, 576), DType::kQ5_1);
  EXPECT_EQ(TypeForRow(DType::kQ6_K, 576), DType::kQ8_0);
  EXPECT_EQ(TypeForRow(DType::kQ4_0, 576), DType::kQ4_0);
  EXPECT_EQ(TypeForRow(DType::kQ6_K, 70), DType::kF16);
  EXPECT_EQ(TypeForRow(DType::kQ8_0, 70), DType::kF16);
  EXPECT_EQ(TypeForRow(DType::kF32, 70), DType::kF32);
}

}  // namespace
}  // namespace hew
