#include "formats/gguf.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>

#include "base/test_folder.h"
#include "formats/test_bytes.h"

namespace hew {
namespace {

GgufTensorSource Source(const std::string& name, DType dtype, const Shape& shape, const std::string& bytes) {
  return {name, dtype, shape, [bytes](const std::function<Status(std::string_view)>& write) { return write(bytes); }};
}

std::string SomeBytes(size_t count, uint32_t seed) {
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>((seed = seed * 1664525u + 1013904223u) >> 24);
  return out;
}

rc::Gen<std::string> Text() { return rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~')); }

rc::Gen<GgufArray> Array() {
  return rc::gen::oneOf(rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<uint8_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<int8_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<uint16_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<int16_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<uint32_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<int32_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<float>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<bool>>()),
                        rc::gen::construct<GgufArray>(rc::gen::container<std::vector<std::string>>(Text())),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<uint64_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<int64_t>>()),
                        rc::gen::construct<GgufArray>(rc::gen::arbitrary<std::vector<double>>()));
}

template <typename T>
rc::Gen<GgufValue> Plain() {
  return rc::gen::map(rc::gen::arbitrary<T>(), [](const T& v) { return GgufValue(std::in_place_type<T>, v); });
}

rc::Gen<GgufValue> Value() {
  return rc::gen::oneOf(Plain<uint8_t>(), Plain<int8_t>(), Plain<uint16_t>(), Plain<int16_t>(), Plain<uint32_t>(),
                        Plain<int32_t>(), Plain<float>(), Plain<bool>(), Plain<uint64_t>(), Plain<int64_t>(),
                        Plain<double>(), rc::gen::construct<GgufValue>(Text()), rc::gen::construct<GgufValue>(Array()));
}

GgufTensorSource RandomTensor(size_t number) {
  const DType dtype = *rc::gen::element(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0,
                                        DType::kQ4_K, DType::kQ6_K, DType::kI32);
  Shape shape = *rc::gen::container<Shape>(rc::gen::inRange<int64_t>(1, 4));
  if (shape.size() > 3) shape.resize(3);
  shape.push_back(InfoOf(dtype).block_elements * *rc::gen::inRange<int64_t>(1, 4));
  const auto bytes = static_cast<size_t>(RowBytes(dtype, ElementCount(shape)));
  return Source(fmt::format("t{}", number), dtype, shape, SomeBytes(bytes, *rc::gen::arbitrary<uint32_t>()));
}

std::vector<GgufTensorSource> SourcesOf(const GgufFile& file) {
  std::vector<GgufTensorSource> out;
  for (const TensorEntry& t : file.tensors()) out.push_back(Source(t.name, t.dtype, t.shape, std::string(t.bytes)));
  return out;
}

TEST(Gguf, WhatIsWrittenComesBack) {
  const TestFolder folder;
  rc::check("write, read, write", [&] {
    GgufMetadata metadata;
    for (const auto& key : *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(Text()))) {
      if (key != "general.alignment") metadata.Set(key, *Value());
    }
    std::vector<GgufTensorSource> sources;
    const auto count = *rc::gen::inRange<size_t>(0, 5);
    for (size_t i = 0; i < count; ++i) sources.push_back(RandomTensor(i));

    RC_ASSERT(WriteGguf(folder.Path("a.gguf"), metadata, sources).has_value());
    const auto file = GgufFile::Open(folder.Path("a.gguf"));
    RC_ASSERT(file.has_value());
    RC_ASSERT(file->version() == 3u);
    RC_ASSERT(file->metadata().items() == metadata.items());
    RC_ASSERT(file->tensors().size() == count);
    for (size_t i = 0; i < count; ++i) {
      const TensorEntry& entry = file->tensors()[i];
      RC_ASSERT(entry.name == sources[i].name && entry.dtype == sources[i].dtype && entry.shape == sources[i].shape);
    }
    RC_ASSERT(WriteGguf(folder.Path("b.gguf"), file->metadata(), SourcesOf(*file)).has_value());
    RC_ASSERT(folder.Get("a.gguf") == folder.Get("b.gguf"));
  });
}

TEST(Gguf, ReadsVersion2AndOtherAlignments) {
  const TestFolder folder;
  for (uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    RawGguf raw;
    raw.version = 2;
    raw.metadata = {RawEntry("general.alignment", gguf::kU32, Raw(alignment))};
    raw.tensors = {RawTensor("t", {3, 2}, 0, 0)};
    raw.alignment = alignment;
    raw.data = SomeBytes(24, alignment) + "padding that belongs to nothing";
    const auto file = GgufFile::Open(folder.Put("v2.gguf", raw.Build()));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->version(), 2u);
    EXPECT_EQ(file->Find("t")->bytes, SomeBytes(24, alignment));
    // Written anew, the file says its own alignment.
    ASSERT_TRUE(WriteGguf(folder.Path("new.gguf"), file->metadata(), SourcesOf(*file)));
    const auto again = GgufFile::Open(folder.Path("new.gguf"));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again->metadata().GetInt("general.alignment"), 32);
    EXPECT_EQ(again->Find("t")->bytes, SomeBytes(24, alignment));
  }
}

TEST(Gguf, TensorsMayLieInAnyOrder) {
  const TestFolder folder;
  RawGguf raw;
  raw.tensors = {RawTensor("late", {4}, 0, 64), RawTensor("early", {4}, 0, 0)};
  raw.data = SomeBytes(80, 5);
  const auto file = GgufFile::Open(folder.Put("order.gguf", raw.Build()));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->Find("late")->bytes, raw.data.substr(64, 16));
  EXPECT_EQ(file->Find("early")->bytes, raw.data.substr(0, 16));
  EXPECT_EQ(file->Find("absent"), nullptr);
}

TEST(Gguf, TheWriterRefusesWhatCannotBeRead) {
  const TestFolder folder;
  const std::string path = folder.Path("bad.gguf");
  const auto refused = [&](const std::vector<GgufTensorSource>& sources, const std::string& mentions) {
    const auto status = WriteGguf(path, {}, sources);
    ASSERT_FALSE(status);
    ExpectGoodError(status.error(), path, mentions);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "nothing is left behind";
  };
  refused({Source("t", DType::kF32, {4}, SomeBytes(15, 1))}, "found 15");
  refused({Source("t", DType::kF32, {4}, SomeBytes(17, 1))}, "found more");
  refused({Source("t", DType::kF32, {1}, "abcd"), Source("t", DType::kF32, {1}, "abcd")}, "twice");
  refused({Source("", DType::kF32, {1}, "abcd")}, "name");
  refused({Source(std::string(64, 'x'), DType::kF32, {1}, "abcd")}, "name");
  refused({Source("t", DType::kU32, {1}, "abcd")}, "U32");
  refused({Source("t", DType::kQ4_0, {31}, "")}, "multiple of 32");
  refused({Source("t", DType::kF32, {1, 1, 1, 1, 1}, "abcd")}, "dimensions");
  refused({Source("t", DType::kF32, {int64_t{1} << 62, 4}, "abcd")}, "product");
  refused({Source("t", DType::kF32, {0}, "")}, "dimensions");
}

TEST(Gguf, AFailingSourceLeavesTheOldFile) {
  const TestFolder folder;
  folder.Put("kept.gguf", "the old one");
  GgufTensorSource source = Source("t", DType::kF32, {1}, "");
  source.fill = [](const auto&) -> Status { return EnvironmentError("the source failed"); };
  const auto status = WriteGguf(folder.Path("kept.gguf"), {}, {source});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kEnvironment);
  EXPECT_EQ(folder.Get("kept.gguf"), "the old one");
}

TEST(GgufMetadata, TypedGetters) {
  GgufMetadata m;
  m.Set("u8", uint8_t{7});
  m.Set("i64", int64_t{-5});
  m.Set("huge", UINT64_MAX);
  m.Set("f32", 0.5f);
  m.Set("f64", 0.25);
  m.Set("yes", true);
  m.Set("text", std::string("abc"));
  m.Set("list", GgufArray(std::vector<int32_t>{1, 2}));
  EXPECT_EQ(*m.GetInt("u8"), 7);
  EXPECT_EQ(*m.GetInt("i64"), -5);
  EXPECT_EQ(*m.GetIntOr("absent", 3), 3);
  EXPECT_EQ(*m.GetFloat("f32"), 0.5);
  EXPECT_EQ(*m.GetFloatOr("f64", 9), 0.25);
  EXPECT_EQ(*m.GetFloatOr("absent", 9), 9);
  EXPECT_EQ(*m.GetBoolOr("yes", false), true);
  EXPECT_EQ(*m.GetBoolOr("absent", true), true);
  EXPECT_EQ(*m.GetString("text"), "abc");
  EXPECT_EQ(*m.GetStringOr("absent", "d"), "d");
  EXPECT_EQ(**m.GetArray<int32_t>("list"), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(*m.GetArray<int32_t>("absent"), nullptr);

  EXPECT_EQ(m.GetInt("absent").error().message, "metadata absent: expected a value, found none");
  EXPECT_EQ(m.GetInt("text").error().message, "metadata text: expected an integer, found string");
  EXPECT_EQ(m.GetInt("yes").error().message, "metadata yes: expected an integer, found bool");
  EXPECT_FALSE(m.GetInt("huge"));
  EXPECT_FALSE(m.GetFloat("u8"));
  EXPECT_FALSE(m.GetBoolOr("u8", true));
  EXPECT_FALSE(m.GetString("f32"));
  EXPECT_NE(m.GetArray<std::string>("list").error().message.find("array of i32"), std::string::npos);
}

TEST(GgufMetadata, KeepsOrderOverSetAndRemove) {
  GgufMetadata m;
  for (const char* key : {"a", "b", "c", "d"}) m.Set(key, uint32_t{1});
  m.Set("b", uint32_t{2});
  m.Remove("a");
  m.Remove("never there");
  ASSERT_EQ(m.items().size(), 3u);
  EXPECT_EQ(m.items()[0].first, "b");
  EXPECT_EQ(m.items()[2].first, "d");
  EXPECT_EQ(*m.GetInt("b"), 2);
  EXPECT_EQ(*m.GetInt("d"), 1);
  EXPECT_EQ(m.Find("a"), nullptr);
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".gguf") out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Every real file at hand opens, and its vocabulary is there.
TEST(Gguf, OpensRealFiles) {
  const char *models = std::getenv("HEW_MODELS"), *home = std::getenv("HOME");
  std::vector<std::string> files = FilesIn(HEW_SOURCE_DIR "/../shared/vectors/vocab");
  const std::string folder = models ? models : std::string(home ? home : ".") + "/.cache/hew-models";
  for (const std::string& path : FilesIn(folder)) files.push_back(path);
  if (files.empty()) GTEST_SKIP() << "no real files here";
  for (const std::string& path : files) {
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_TRUE(file->metadata().GetString("general.architecture")) << path;
    const auto tokens = file->metadata().GetArray<std::string>("tokenizer.ggml.tokens");
    ASSERT_TRUE(tokens && *tokens) << path;
    EXPECT_GT((*tokens)->size(), 1000u) << path;
    if (path.find("vocab") != std::string::npos) continue;
    const TensorEntry* embedding = file->Find("token_embd.weight");
    ASSERT_NE(embedding, nullptr) << path;
    EXPECT_EQ(embedding->shape.at(0), static_cast<int64_t>((*tokens)->size())) << path;
  }
}

}  // namespace
}  // namespace hew
