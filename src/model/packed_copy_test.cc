#include "model/packed_copy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/random.h"
#include "base/test_folder.h"
#include "model/tensors.h"

namespace hew {
namespace {

namespace fs = std::filesystem;
constexpr size_t kHeaderAt = 80;

class PackedCopyTest : public testing::Test {
 protected:
  void SetUp() override {
    source_ = Source("model");
    plain_ = Load(source_, {});
    ASSERT_FALSE(plain_->packed);
    ASSERT_TRUE(KeepPacked(cache_, *Load(source_, cache_)));
    copy_ = Copies().at(0);
    bytes_ = folder_.Get(copy_);
  }

  std::string Source(const std::string& name) {
    fs::copy(HEW_SOURCE_DIR "/tests/golden/tiny_llama", folder_.Path(name), fs::copy_options::recursive);
    return folder_.Path(name);
  }
  std::shared_ptr<const Model> Load(const std::string& path, const PackedCache& cache) {
    auto model = LoadModel(rt_, path, cache);
    HEW_CHECK(model.has_value());
    return *model;
  }
  std::vector<std::string> Copies() {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(cache_.folder))
      names.push_back("packed/" + item.path().filename().string());
    return names;
  }
  void ExpectSame(const Model& model) {
    for (const StoredTensor& tensor : TensorsOf(model.config)) {
      for (const ModelPart& part : tensor.parts) {
        if (!tensor.matrix()) {
          EXPECT_EQ(VectorOf(model, part), VectorOf(*plain_, part)) << tensor.gguf_name;
          continue;
        }
        const Weight &a = MatrixOf(model, part), &b = MatrixOf(*plain_, part);
        ASSERT_EQ(a.data.size(), b.data.size());
        EXPECT_EQ(std::memcmp(a.data.data(), b.data.data(), a.data.size()), 0) << tensor.gguf_name;
      }
    }
  }
  // The copy with another header, whose digest is right.
  void PutHeader(const std::string& header) {
    const uint64_t size = header.size();
    std::string out = "HEWPACK1" + Sha256Hex(header) + std::string(8, '\0');
    std::memcpy(out.data() + kHeaderAt - 8, &size, 8);
    folder_.Put(copy_, out + header + bytes_.substr(kHeaderAt + HeaderSize()));
  }
  uint64_t HeaderSize() const {
    uint64_t size = 0;
    std::memcpy(&size, bytes_.data() + kHeaderAt - 8, 8);
    return size;
  }
  nlohmann::ordered_json Header() const {
    return nlohmann::ordered_json::parse(bytes_.substr(kHeaderAt, HeaderSize()));
  }

  TestFolder folder_;
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  PackedCache cache_{folder_.Path("packed"), uint64_t{1} << 30};
  std::string source_, copy_, bytes_;
  std::shared_ptr<const Model> plain_;
};

TEST_F(PackedCopyTest, TheSecondStartMapsWhatTheFirstMade) {
  const auto model = Load(source_, cache_);
  EXPECT_TRUE(model->packed);
  ExpectSame(*model);
  ASSERT_TRUE(KeepPacked(cache_, *model));  // is one already
  EXPECT_EQ(Copies().size(), 1u);
  fs::remove_all(cache_.folder);  // a mapped file lives on
  ExpectSame(*model);
}

TEST_F(PackedCopyTest, AnotherFileOfThisNameMakesItAnew) {
  fs::last_write_time(source_ + "/model.safetensors", fs::file_time_type::clock::now() + std::chrono::seconds(5));
  const auto model = Load(source_, cache_);
  EXPECT_FALSE(model->packed);
  ASSERT_TRUE(KeepPacked(cache_, *model));
  EXPECT_EQ(Copies().size(), 1u);
  EXPECT_TRUE(Load(source_, cache_)->packed);
  // One that changed after it was loaded leaves no copy.
  fs::last_write_time(source_ + "/model.safetensors", fs::file_time_type::clock::now() + std::chrono::seconds(9));
  const auto late = Load(source_, cache_);
  fs::last_write_time(source_ + "/model.safetensors", fs::file_time_type::clock::now() + std::chrono::seconds(15));
  ASSERT_TRUE(KeepPacked(cache_, *late));
  EXPECT_FALSE(Load(source_, cache_)->packed);
}

TEST_F(PackedCopyTest, WhatIsDamagedIsIgnored) {
  Random random{1, 0, 0};
  for (int i = 0; i < 200; ++i) {
    std::string bytes = bytes_;
    if (i % 2 == 0) {
      bytes.resize(random.Below(bytes.size()));
    } else {
      bytes[random.Below(kHeaderAt + HeaderSize())] ^= static_cast<char>(1 << random.Below(8));
    }
    folder_.Put(copy_, bytes);
    const auto model = Load(source_, cache_);
    EXPECT_FALSE(model->packed) << i;
    ExpectSame(*model);
  }
  ASSERT_TRUE(KeepPacked(cache_, *Load(source_, cache_)));
  EXPECT_TRUE(Load(source_, cache_)->packed);
}

TEST_F(PackedCopyTest, AHeaderThatLiesIsIgnored) {
  const auto expect_ignored = [&](const std::string& header) {
    PutHeader(header);
    const auto model = Load(source_, cache_);
    EXPECT_FALSE(model->packed) << header.substr(0, 200);
    ExpectSame(*model);
  };
  for (const char* text :
       {"", "{}", "[]", "null", "{\"identity\": 1}", "{\"identity\": \"\", \"weights\": 5}", "{\"weights\": [[]]}"})
    expect_ignored(text);
  const uint64_t wild[] = {0, 1, 63, 64, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 63};
  for (const char* key : {"rows", "cols", "offset", "bytes"}) {
    for (const uint64_t value : wild) {
      auto header = Header();
      if (header["weights"][3][key] == value) continue;
      header["weights"][3][key] = value;
      expect_ignored(header.dump());
    }
  }
  auto header = Header();
  header["weights"][0]["type"] = "Q4_K";
  expect_ignored(header.dump());
  header = Header();
  header["weights"].erase(0);
  expect_ignored(header.dump());
  header = Header();
  header["weights"].push_back(header["weights"][0]);  // more than the model has: taken or not, the model is right
  PutHeader(header.dump());
  ExpectSame(*Load(source_, cache_));
}

TEST_F(PackedCopyTest, ThoseNotUsedForLongestGiveWay) {
  cache_.most_bytes = bytes_.size() * 5 / 2;  // two of them
  const std::string second = Source("second"), third = Source("third");
  ASSERT_TRUE(KeepPacked(cache_, *Load(second, cache_)));
  const auto now = fs::file_time_type::clock::now();
  for (const auto& name : Copies())
    fs::last_write_time(folder_.Path(name), now - std::chrono::seconds(name == copy_ ? 100 : 50));
  ASSERT_TRUE(Load(source_, cache_)->packed);  // used now: the second is the oldest
  ASSERT_TRUE(KeepPacked(cache_, *Load(third, cache_)));
  EXPECT_EQ(Copies().size(), 2u);
  EXPECT_TRUE(Load(source_, cache_)->packed);
  EXPECT_TRUE(Load(third, cache_)->packed);
  EXPECT_FALSE(Load(second, cache_)->packed);
  // One that is larger than the bound is not written.
  cache_.most_bytes = bytes_.size() / 2;
  ASSERT_TRUE(KeepPacked(cache_, *Load(second, cache_)));
  EXPECT_FALSE(Load(second, cache_)->packed);
}

}  // namespace
}  // namespace hew
