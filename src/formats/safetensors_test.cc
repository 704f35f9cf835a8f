#include "formats/safetensors.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "base/test_folder.h"
#include "formats/test_bytes.h"

namespace hew {
namespace {

std::string RawFile(const std::string& header, const std::string& data) {
  return Raw<uint64_t>(header.size()) + header + data;
}

std::string OneTensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"t\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

SafetensorsSource Source(const std::string& name, DType dtype, const Shape& shape, const std::string& bytes) {
  return {name, dtype, shape, [bytes](const std::function<Status(std::string_view)>& write) { return write(bytes); }};
}

TEST(Safetensors, WhatIsWrittenComesBack) {
  const TestFolder folder;
  const std::string path = folder.Path("a.safetensors");
  rc::check("write, read", [&] {
    const auto metadata = *rc::gen::container<std::map<std::string, std::string>>(
        rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)),
        rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)));
    std::vector<SafetensorsSource> sources;
    std::vector<std::string> contents;
    const auto count = *rc::gen::inRange<size_t>(0, 6);
    for (size_t i = 0; i < count; ++i) {
      const DType dtype = *rc::gen::element(DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kU8,
                                            DType::kBool, DType::kI64, DType::kU16);
      const auto shape = *rc::gen::container<Shape>(rc::gen::inRange<int64_t>(0, 4));
      if (shape.size() > 8) continue;
      const auto size = static_cast<size_t>(RowBytes(dtype, ElementCount(shape)));
      contents.push_back(*rc::gen::container<std::string>(size, rc::gen::arbitrary<char>()));
      sources.push_back(Source(fmt::format("tensor \"{}\"\n", i), dtype, shape, contents.back()));
    }
    RC_ASSERT(WriteSafetensors(path, metadata, sources).has_value());
    const auto file = SafetensorsFile::Open(path);
    RC_ASSERT(file.has_value());
    RC_ASSERT(file->metadata() == metadata);
    RC_ASSERT(file->tensors().size() == sources.size());
    for (size_t i = 0; i < sources.size(); ++i) {
      const TensorEntry* entry = file->Find(sources[i].name);
      RC_ASSERT(entry != nullptr);
      RC_ASSERT(entry->dtype == sources[i].dtype && entry->shape == sources[i].shape);
      RC_ASSERT(entry->bytes == contents[i]);
      const auto address = reinterpret_cast<uintptr_t>(entry->bytes.data());
      RC_ASSERT(entry->bytes.empty() || address % static_cast<uintptr_t>(InfoOf(entry->dtype).block_bytes) == 0);
    }
  });
}

struct Malformed {
  const char* name;
  std::string bytes;
  std::string mentions;
};

std::vector<Malformed> HeaderCases() {
  const std::string good = OneTensor("\"F32\"", "[2]", "[0,8]"), data(8, '\0');
  return {
      {"Empty", "", "header length"},
      {"SevenBytes", "1234567", "found 7"},
      {"HeaderOver100MB", Raw<uint64_t>(100'000'001) + "{}", "found 100000001"},
      {"HeaderLengthAll", Raw(UINT64_MAX) + "{}", "header length"},
      {"HeaderPastTheEnd", Raw<uint64_t>(500) + good, "found 500"},
      {"EmptyHeader", RawFile("", ""), "byte 8"},
      {"NotUtf8", RawFile("{\"\xff\":1}", ""), "UTF-8"},
      {"NotJson", RawFile("{nonsense", ""), "header: line 1"},
      {"NotBrace", RawFile(" {}", ""), "'{'"},
      {"AList", RawFile("[]", ""), "'{'"},
      {"Cut", RawFile(good.substr(0, good.size() - 1), data), "header: line 1"},
      {"TwoDocuments", RawFile(good + "{}", data), "header: line 1"},
      {"ZeroByte", RawFile(good + std::string(1, '\0'), data), "zero byte"},
      {"Deep", RawFile("{\"t\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", ""), "levels"},
      {"RepeatedName",
       RawFile("{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
               "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
               "x"),
       "twice"},
      {"MetadataNumber", RawFile("{\"__metadata__\":{\"a\":1}}", ""), "__metadata__"},
      {"MetadataText", RawFile("{\"__metadata__\":\"a\"}", ""), "__metadata__"},
      {"Trailing", RawFile(good, data + "x"), "expected 8 bytes, found 9"},
      {"DataWithoutTensors", RawFile("{}", "x"), "expected 0 bytes"},
      {"TensorIsANumber", RawFile("{\"t\":5}", ""), "tensor t"},
      {"HugeName", RawFile("{\"" + std::string(100'000, 'n') + "\":5}", ""), "nnn..."},
      {"NameWithLineBreak", RawFile("{\"a\\nb\":5}", ""), "a\\x0ab"},
  };
}

std::vector<Malformed> TensorCases() {
  const std::string f32 = "\"F32\"", data(8, '\0');
  const auto one = [&](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return RawFile(OneTensor(dtype, shape, offsets), data);
  };
  const auto two = [&](const std::string& first, const std::string& second) {
    const auto tensor = [](const std::string& name, const std::string& offsets) {
      return "\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + offsets + "}";
    };
    return RawFile("{" + tensor("a", first) + "," + tensor("b", second) + "}", data);
  };
  return {
      {"UnknownDType", one("\"F8_E4M3\"", "[8]", "[0,8]"), "F8_E4M3"},
      {"LowerCaseDType", one("\"f32\"", "[2]", "[0,8]"), "f32"},
      {"QuantisedDType", one("\"Q8_0\"", "[2]", "[0,8]"), "Q8_0"},
      {"DTypeNumber", one("4", "[2]", "[0,8]"), "dtype"},
      {"NoDType", RawFile("{\"t\":{\"shape\":[2],\"data_offsets\":[0,8]}}", data), "dtype"},
      {"NoShape", RawFile("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", data), "shape"},
      {"NoOffsets", RawFile("{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", data), "data_offsets"},
      {"ShapeText", one(f32, "\"2\"", "[0,8]"), "shape"},
      {"NegativeShape", one(f32, "[-2]", "[0,8]"), "found -2"},
      {"FractionalShape", one(f32, "[2.5]", "[0,8]"), "found 2.5"},
      {"ShapeOverflow", one(f32, "[4611686018427387904,4611686018427387904]", "[0,8]"), "shape"},
      {"ShapeOverflowToFit", one(f32, "[4611686018427387904,4,2]", "[0,8]"), "shape"},
      {"ByteOverflow", one(f32, "[4611686018427387906]", "[0,8]"), "tensor t"},
      {"DimBeyond64Bits", one(f32, "[99999999999999999999]", "[0,8]"), "shape"},
      {"ManyDimensions", one(f32, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), "found 17"},
      {"BeginAfterEnd", one(f32, "[2]", "[8,0]"), "begin before"},
      {"NegativeOffset", one(f32, "[2]", "[-1,7]"), "found -1"},
      {"FractionalOffset", one(f32, "[2]", "[0,8.0]"), "found 8.0"},
      {"ThreeOffsets", one(f32, "[2]", "[0,4,8]"), "data_offsets"},
      {"EndPastTheFile", one(f32, "[4]", "[0,16]"), "found end 16"},
      {"RangeTooShort", one(f32, "[2]", "[0,4]"), "expected 8 bytes"},
      {"RangeTooLong", one(f32, "[1]", "[0,8]"), "expected 4 bytes"},
      {"HoleAtTheStart", one("\"U8\"", "[4]", "[4,8]"), "a hole"},
      {"Overlap", two("[0,4]", "[2,6]"), "an overlap"},
      {"SameRange", two("[0,4]", "[0,4]"), "an overlap"},
      {"Hole", two("[0,4]", "[5,9]"), "tensor b"},
  };
}

class SafetensorsMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(SafetensorsMalformed, IsRefusedInOneLine) {
  const TestFolder folder;
  const std::string path = folder.Put("bad.safetensors", GetParam().bytes);
  const auto file = SafetensorsFile::Open(path);
  ASSERT_FALSE(file);
  ExpectGoodError(file.error(), path, GetParam().mentions);
}

std::string CaseName(const testing::TestParamInfo<Malformed>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, SafetensorsMalformed, testing::ValuesIn(HeaderCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Tensors, SafetensorsMalformed, testing::ValuesIn(TensorCases()), CaseName);

TEST(SafetensorsMalformedFile, CutAtAnyByteIsRefused) {
  const TestFolder folder;
  const std::string whole = RawFile(OneTensor("\"F32\"", "[2]", "[0,8]"), "12345678");
  const auto good = SafetensorsFile::Open(folder.Put("good.safetensors", whole));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->Find("t")->bytes, "12345678");
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string path = folder.Put("cut.safetensors", whole.substr(0, length));
    const auto file = SafetensorsFile::Open(path);
    ASSERT_FALSE(file) << "cut to " << length << " of " << whole.size() << " bytes";
    ExpectGoodError(file.error(), path, "");
  }
}

TEST(SafetensorsMalformedFile, ChangedBytesAreRefusedOrStayInside) {
  const TestFolder folder;
  const std::string whole = RawFile(
      "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[8,12]}}",
      "123456789012");
  rc::check("any few bytes changed", [&] {
    std::string bytes = whole;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
      bytes[*rc::gen::inRange<size_t>(0, bytes.size())] = *rc::gen::element('0', '9', '[', '"', '}', '\xff', '\0', ' ');
    }
    const std::string path = folder.Put("changed.safetensors", bytes);
    const auto file = SafetensorsFile::Open(path);
    if (!file) {
      RC_ASSERT(file.error().message.starts_with(path));
      return;
    }
    uint64_t data = 0;
    for (const TensorEntry& entry : file->tensors()) data += entry.bytes.size();
    RC_ASSERT(data <= 12u);
  });
}

TEST(Safetensors, TheWriterRefusesWhatCannotBeRead) {
  const TestFolder folder;
  const std::string path = folder.Path("bad.safetensors");
  const auto refused = [&](const std::vector<SafetensorsSource>& sources, const std::string& mentions) {
    const auto status = WriteSafetensors(path, {}, sources);
    ASSERT_FALSE(status);
    ExpectGoodError(status.error(), path, mentions);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "nothing is left behind";
  };
  refused({Source("t", DType::kF32, {2}, "1234567")}, "found 7");
  refused({Source("t", DType::kF32, {1}, "12345")}, "found more");
  refused({Source("t", DType::kU8, {1}, "1"), Source("t", DType::kU8, {1}, "1")}, "twice");
  refused({Source("__metadata__", DType::kU8, {1}, "1")}, "twice");
  refused({Source("t", DType::kQ4_0, {32}, "")}, "Q4_0");
  refused({Source("t", DType::kU8, {-1}, "")}, "dimensions");
  refused({Source("\xff", DType::kU8, {1}, "1")}, "UTF-8");
}

class SafetensorsShards : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteSafetensors(folder_.Path("one.safetensors"), {}, {Source("a", DType::kU8, {2}, "12")}));
    ASSERT_TRUE(WriteSafetensors(folder_.Path("two.safetensors"), {}, {Source("b", DType::kU8, {3}, "345")}));
  }
  Result<SafetensorsFolder> Open(const std::string& index) {
    folder_.Put("model.safetensors.index.json", index);
    return SafetensorsFolder::Open(folder_.path());
  }
  void ExpectRefused(const std::string& index, const std::string& mentions) {
    const auto opened = Open(index);
    ASSERT_FALSE(opened);
    ExpectGoodError(opened.error(), folder_.path(), mentions);
  }
  TestFolder folder_;
};

TEST_F(SafetensorsShards, AreOneModel) {
  const auto model =
      Open(R"({"metadata":{"total_size":5},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->Find("a")->bytes, "12");
  EXPECT_EQ(model->Find("b")->bytes, "345");
  EXPECT_EQ(model->Find("c"), nullptr);
  EXPECT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->file_bytes(), folder_.Get("one.safetensors").size() + folder_.Get("two.safetensors").size());
}

TEST_F(SafetensorsShards, ASingleFileNeedsNoIndex) {
  ASSERT_TRUE(WriteSafetensors(folder_.Path("model.safetensors"), {}, {Source("x", DType::kU8, {1}, "1")}));
  const auto model = SafetensorsFolder::Open(folder_.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->Find("x")->bytes, "1");
  EXPECT_EQ(model->Find("a"), nullptr);
}

TEST_F(SafetensorsShards, BadIndexesAreRefused) {
  ExpectRefused("[]", "weight_map");
  ExpectRefused("{}", "weight_map");
  ExpectRefused(R"({"weight_map":["one.safetensors"]})", "weight_map");
  ExpectRefused(R"({"weight_map":{"a":1}})", "weight_map a");
  ExpectRefused(R"({"weight_map":{"a":"../one.safetensors"}})", "../one.safetensors");
  ExpectRefused(R"({"weight_map":{"a":"/etc/passwd"}})", "/etc/passwd");
  ExpectRefused(R"({"weight_map":{"a":".."}})", "weight_map a");
  ExpectRefused(R"({"weight_map":{"a":""}})", "weight_map a");
  ExpectRefused(R"({"weight_map":{"a":"x\u0000y"}})", "weight_map a");
  ExpectRefused(R"({"weight_map":{"a":"two.safetensors","b":"two.safetensors"}})", "no such tensor");
  ExpectRefused(R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})", "twice");
}

TEST_F(SafetensorsShards, AMissingShardIsNamed) {
  const auto model = Open(R"({"weight_map":{"a":"one.safetensors","b":"three.safetensors"}})");
  ASSERT_FALSE(model);
  EXPECT_TRUE(model.error().message.starts_with(folder_.Path("three.safetensors"))) << model.error().message;
}

TEST_F(SafetensorsShards, ATensorInTwoShardsIsRefused) {
  ASSERT_TRUE(WriteSafetensors(folder_.Path("two.safetensors"), {},
                               {Source("a", DType::kU8, {1}, "9"), Source("b", DType::kU8, {1}, "9")}));
  ExpectRefused(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})", "found in two");
}

TEST(SafetensorsWrittenFolder, IsCutWhereAShardWouldBeTooLarge) {
  const TestFolder folder;
  const std::vector<SafetensorsSource> tensors = {
      Source("a", DType::kU8, {4}, "1234"), Source("b", DType::kU8, {4}, "5678"),
      Source("large", DType::kU8, {12}, "large tensor"), Source("c", DType::kU8, {2}, "90")};
  ASSERT_TRUE(WriteSafetensorsFolder(folder.path(), {{"format", "pt"}}, tensors, 8));
  const auto model = SafetensorsFolder::Open(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 4u);
  EXPECT_EQ(model->Find("large")->bytes, "large tensor");
  EXPECT_EQ(model->Find("c")->bytes, "90");
  const auto index = ParseJson(folder.Get("model.safetensors.index.json"), "index");
  ASSERT_TRUE(index);
  EXPECT_EQ((*index)["metadata"]["total_size"], 22);
  EXPECT_EQ((*index)["weight_map"]["b"], "model-00001-of-00003.safetensors");
  EXPECT_EQ((*index)["weight_map"]["large"], "model-00002-of-00003.safetensors");
  EXPECT_EQ((*index)["weight_map"]["c"], "model-00003-of-00003.safetensors");
  std::filesystem::remove(folder.Path("model-00002-of-00003.safetensors"));
  const auto missing = SafetensorsFolder::Open(folder.path());
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("model-00002-of-00003.safetensors"), std::string::npos);
}

TEST(SafetensorsWrittenFolder, IsOneFileWhereThatIsEnough) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSafetensorsFolder(folder.path(), {}, {Source("a", DType::kU8, {4}, "1234")}, 4));
  EXPECT_TRUE(std::filesystem::exists(folder.Path("model.safetensors")));
  EXPECT_FALSE(std::filesystem::exists(folder.Path("model.safetensors.index.json")));
}

TEST(Safetensors, OpensARealAdapter) {
  const std::string folder = HEW_SOURCE_DIR "/../shared/vectors/peft_adapter";
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  }
  if (paths.empty()) GTEST_SKIP() << "no real adapter here";
  for (const std::string& path : paths) {
    const auto file = SafetensorsFile::Open(path);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_FALSE(file->tensors().empty());
    for (const TensorEntry& entry : file->tensors()) EXPECT_NE(entry.name.find("lora_"), std::string::npos);
  }
}

}  // namespace
}  // namespace hew
