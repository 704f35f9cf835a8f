#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/test_folder.h"
#include "formats/gguf.h"
#include "formats/test_bytes.h"

namespace hew {
namespace {

constexpr uint32_t kF32Type = 0, kQ4_0Type = 2;

RawGguf Small() {
  RawGguf file;
  file.metadata = {RawEntry("general.architecture", gguf::kString, RawText("llama")),
                   RawEntry("flag", gguf::kBool, Raw<uint8_t>(1)),
                   RawEntry("tokenizer.ggml.tokens", gguf::kArray, RawStrings({"a", "bc"})),
                   RawEntry("tokenizer.ggml.scores", gguf::kArray,
                            Raw<uint32_t>(gguf::kF32) + Raw<uint64_t>(2) + Raw(0.5f) + Raw(-1.5f))};
  file.tensors = {RawTensor("first", {4, 2}, kF32Type, 0), RawTensor("second", {32}, kQ4_0Type, 32)};
  file.data = std::string(32, '\1') + std::string(18, '\2');
  return file;
}

struct Malformed {
  const char* name;
  std::string bytes;
  std::string mentions;  // what the error must name
};

template <typename Change>
std::string Changed(Change change) {
  RawGguf file = Small();
  change(file);
  return file.Build();
}

std::string WithEntry(const std::string& entry) {
  return Changed([&](RawGguf& f) { f.metadata.push_back(entry); });
}

std::string WithTensors(const std::vector<std::string>& tensors, size_t data_bytes = 4096) {
  return Changed([&](RawGguf& f) {
    f.tensors = tensors;
    f.data.assign(data_bytes, '\0');
  });
}

std::vector<Malformed> HeaderCases() {
  return {
      {"Empty", "", "magic"},
      {"ThreeBytes", "GGU", "magic"},
      {"BadMagic", Changed([](RawGguf& f) { f.magic = "GGML"; }), "magic"},
      {"Version0", Changed([](RawGguf& f) { f.version = 0; }), "found 0"},
      {"Version1", Changed([](RawGguf& f) { f.version = 1; }), "found 1"},
      {"FutureVersion", Changed([](RawGguf& f) { f.version = 4; }), "found 4"},
      {"ByteSwappedVersion", Changed([](RawGguf& f) { f.version = 3u << 24; }), "big-endian"},
      {"AllTensors", Changed([](RawGguf& f) { f.tensor_count = UINT64_MAX; }), "tensor count"},
      {"AllMetadata", Changed([](RawGguf& f) { f.metadata_count = UINT64_MAX; }), "metadata count"},
      {"OneTensorTooMany", Changed([](RawGguf& f) { f.tensor_count = 3; }), "tensor 2"},
  };
}

std::vector<Malformed> MetadataCases() {
  std::string nested = Raw<uint32_t>(gguf::kArray) + Raw<uint64_t>(1);
  for (int i = 0; i < 10000; ++i) nested += Raw<uint32_t>(gguf::kArray) + Raw<uint64_t>(1);
  const auto alignment = [](uint32_t value) { return RawEntry("general.alignment", gguf::kU32, Raw(value)); };
  return {
      {"HugeKey", WithEntry(Raw(uint64_t{1} << 40) + "x"), "key of metadata 4"},
      {"KeyLengthAll", WithEntry(Raw(UINT64_MAX) + "x"), "key of metadata 4"},
      {"EmptyKey", WithEntry(RawEntry("", gguf::kU8, "\1")), "key of metadata 4"},
      {"RepeatedKey", WithEntry(RawEntry("flag", gguf::kU8, "\1")), "metadata flag"},
      {"KeyNotUtf8", WithEntry(RawEntry("\xff\xfe", gguf::kU8, "\1")), "UTF-8"},
      {"KeyOverlong", WithEntry(RawEntry("\xc0\xaf", gguf::kU8, "\1")), "UTF-8"},
      {"KeyWithLineBreak", WithEntry(RawEntry("a\nb", 99, "")), "a\\x0ab"},
      {"UnknownType", WithEntry(RawEntry("x", 13, Raw<uint64_t>(0))), "found 13"},
      {"StringPastTheEnd", WithEntry(RawEntry("x", gguf::kString, Raw<uint64_t>(1 << 20))), "metadata x"},
      {"StringLengthAll", WithEntry(RawEntry("x", gguf::kString, Raw(UINT64_MAX))), "metadata x"},
      {"HugeNumberArray", WithEntry(RawEntry("x", gguf::kArray, Raw<uint32_t>(gguf::kU64) + Raw(uint64_t{1} << 30))),
       "metadata x"},
      {"HugeStringArray", WithEntry(RawEntry("x", gguf::kArray, Raw<uint32_t>(gguf::kString) + Raw(uint64_t{1} << 30))),
       "metadata x"},
      {"ArraySizeOverflow", WithEntry(RawEntry("x", gguf::kArray, Raw<uint32_t>(gguf::kF64) + Raw(uint64_t{1} << 61))),
       "metadata x"},
      {"UnknownElementType", WithEntry(RawEntry("x", gguf::kArray, Raw<uint32_t>(77) + Raw<uint64_t>(0))), "found 77"},
      {"NestedArrays", WithEntry(RawEntry("x", gguf::kArray, nested)), "array of arrays"},
      {"Bool2", WithEntry(RawEntry("x", gguf::kBool, "\2")), "found 2"},
      {"Bool2InArray", WithEntry(RawEntry("x", gguf::kArray, Raw<uint32_t>(gguf::kBool) + Raw<uint64_t>(2) + "\1\2")),
       "found 2"},
      {"Alignment0", WithEntry(alignment(0)), "general.alignment"},
      {"Alignment13", WithEntry(alignment(13)), "general.alignment"},
      {"AlignmentHuge", WithEntry(alignment(1u << 31)), "general.alignment"},
      {"AlignmentText", WithEntry(RawEntry("general.alignment", gguf::kString, RawText("32"))), "expected u32"},
      {"AlignmentU64", WithEntry(RawEntry("general.alignment", gguf::kU64, Raw<uint64_t>(32))), "expected u32"},
      {"MoreTypesThanTokens",
       WithEntry(RawEntry("tokenizer.ggml.token_type", gguf::kArray,
                          Raw<uint32_t>(gguf::kI32) + Raw<uint64_t>(3) + Raw(1) + Raw(1) + Raw(1))),
       "token_type"},
      {"FewerScoresThanTokens", Changed([](RawGguf& f) {
         f.metadata[3] =
             RawEntry("tokenizer.ggml.scores", gguf::kArray, Raw<uint32_t>(gguf::kF32) + Raw<uint64_t>(1) + Raw(0.5f));
       }),
       "tokenizer.ggml.scores"},
      {"TokensAreNumbers", Changed([](RawGguf& f) {
         f.metadata[2] =
             RawEntry("tokenizer.ggml.tokens", gguf::kArray, Raw<uint32_t>(gguf::kU8) + Raw<uint64_t>(2) + "ab");
       }),
       "tokenizer.ggml.tokens"},
  };
}

std::vector<Malformed> TensorCases() {
  const int64_t big = int64_t{1} << 62;
  return {
      {"FiveDimensions", WithTensors({RawTensor("t", {1, 1, 1, 1, 1}, kF32Type, 0)}), "found 5"},
      {"ManyDimensions", WithTensors({RawText("t") + Raw(UINT32_MAX) + std::string(64, '\0')}), "dimensions"},
      {"ZeroDimension", WithTensors({RawTensor("t", {4, 0}, kF32Type, 0)}), "found 0"},
      {"NegativeDimension", WithTensors({RawTensor("t", {4, -1}, kF32Type, 0)}), "found -1"},
      {"ProductOverflow", WithTensors({RawTensor("t", {big, big}, kF32Type, 0)}), "tensor t"},
      {"ProductOverflowToSmall", WithTensors({RawTensor("t", {big, 4}, kF32Type, 0)}), "tensor t"},
      {"ByteSizeOverflow", WithTensors({RawTensor("t", {big, 1}, kF32Type, 0)}), "tensor t"},
      {"PaddingOverflow", WithTensors({RawTensor("t", {INT64_MAX}, 24, 0)}), "tensor t"},
      {"SumOverflow", WithTensors({RawTensor("t", {1024}, kF32Type, UINT64_MAX - 31)}), "tensor t"},
      {"UnknownType", WithTensors({RawTensor("t", {32}, 1000, 0)}), "type 1000"},
      {"UnreadType", WithTensors({RawTensor("t", {256}, 23, 0)}), "IQ4_XS (23)"},
      {"RowNoMultipleOfBlock", WithTensors({RawTensor("t", {48, 2}, kQ4_0Type, 0)}), "multiple of 32"},
      {"RowNoMultipleOf256", WithTensors({RawTensor("t", {128, 2}, 12, 0)}), "multiple of 256"},
      {"Misaligned", WithTensors({RawTensor("t", {4}, kF32Type, 8)}), "multiple of 32"},
      {"Overlap", WithTensors({RawTensor("a", {16}, kF32Type, 0), RawTensor("b", {4}, kF32Type, 32)}), "overlap"},
      {"SamePlace", WithTensors({RawTensor("a", {4}, kF32Type, 0), RawTensor("b", {4}, kF32Type, 0)}), "overlap"},
      {"RepeatedName", WithTensors({RawTensor("a", {4}, kF32Type, 0), RawTensor("a", {4}, kF32Type, 32)}), "twice"},
      {"EmptyName", WithTensors({RawTensor("", {4}, kF32Type, 0)}), "name of tensor 0"},
      {"NameNotUtf8", WithTensors({RawTensor("\x80", {4}, kF32Type, 0)}), "UTF-8"},
      {"NameHuge", WithTensors({Raw(uint64_t{1} << 40) + std::string(64, 'x')}), "name of tensor 0"},
      {"NameLong", WithTensors({RawTensor(std::string(5000, 'x'), {4}, kF32Type, 0)}), "name of tensor 0"},
      {"DataMissing", WithTensors({RawTensor("t", {64}, kF32Type, 0)}, 255), "tensor t"},
      {"DataFarAway", WithTensors({RawTensor("t", {4}, kF32Type, 1 << 20)}), "tensor t"},
  };
}

class GgufMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(GgufMalformed, IsRefusedInOneLine) {
  const TestFolder folder;
  const std::string path = folder.Put("bad.gguf", GetParam().bytes);
  const auto file = GgufFile::Open(path);
  ASSERT_FALSE(file);
  ExpectGoodError(file.error(), path, GetParam().mentions);
}

std::string CaseName(const testing::TestParamInfo<Malformed>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, GgufMalformed, testing::ValuesIn(HeaderCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Metadata, GgufMalformed, testing::ValuesIn(MetadataCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Tensors, GgufMalformed, testing::ValuesIn(TensorCases()), CaseName);

TEST(GgufMalformedFile, TheUnchangedFileIsGood) {
  const TestFolder folder;
  const auto file = GgufFile::Open(folder.Put("good.gguf", Small().Build()));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->Find("first")->shape, (Shape{2, 4}));
  EXPECT_EQ(file->Find("first")->bytes, std::string(32, '\1'));
  EXPECT_EQ(file->Find("second")->bytes, std::string(18, '\2'));
}

TEST(GgufMalformedFile, CutAtAnyByteIsRefused) {
  const TestFolder folder;
  const std::string whole = Small().Build();
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string path = folder.Put("cut.gguf", whole.substr(0, length));
    const auto file = GgufFile::Open(path);
    ASSERT_FALSE(file) << "cut to " << length << " of " << whole.size() << " bytes";
    ExpectGoodError(file.error(), path, "");
  }
}

TEST(GgufMalformedFile, ChangedBytesAreRefusedOrStayInside) {
  const TestFolder folder;
  const std::string whole = Small().Build();
  rc::check("any few bytes changed", [&] {
    std::string bytes = whole;
    const int changes = *rc::gen::inRange(1, 5);
    for (int i = 0; i < changes; ++i) {
      const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
      bytes[at] = *rc::gen::element('\0', '\1', '\xff', '\x7f', '\x80', '\x20', static_cast<char>(bytes[at] + 1));
    }
    const std::string path = folder.Put("changed.gguf", bytes);
    const auto file = GgufFile::Open(path);
    if (!file) {
      RC_ASSERT(file.error().message.starts_with(path));
      return;
    }
    uint64_t sum = 0;
    for (const TensorEntry& tensor : file->tensors()) {
      RC_ASSERT(tensor.bytes.size() == static_cast<size_t>(RowBytes(tensor.dtype, ElementCount(tensor.shape))));
      for (char c : tensor.bytes) sum += static_cast<unsigned char>(c);  // a read outside would be seen by ASan
    }
    RC_ASSERT(sum <= whole.size() * 255);
  });
}

TEST(GgufMalformedFile, MissingOrFolder) {
  const TestFolder folder;
  EXPECT_FALSE(GgufFile::Open(folder.Path("absent.gguf")));
  EXPECT_FALSE(GgufFile::Open(folder.path()));
}

}  // namespace
}  // namespace hew
