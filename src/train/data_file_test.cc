#include "train/data_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "train/test_support.h"

namespace hew {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Outcome {
  std::vector<std::string> rows;  // compact JSON, or the text
  std::vector<int64_t> lines;
  std::string error;
};

Outcome Read(std::string_view bytes, const std::string& path = "train.jsonl") {
  Outcome outcome;
  const auto status = ReadDataBytes(bytes, path, [&](DataRow&& row) -> Status {
    outcome.rows.push_back(row.plain ? row.text : row.object.dump());
    outcome.lines.push_back(row.line);
    return {};
  });
  if (!status) outcome.error = status.error().message;
  return outcome;
}

std::string Gzip(const std::string& bytes) {
  z_stream s{};
  deflateInit2(&s, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 1000, '\0');
  s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  s.avail_in = static_cast<uInt>(bytes.size());
  s.next_out = reinterpret_cast<Bytef*>(out.data());
  s.avail_out = static_cast<uInt>(out.size());
  deflate(&s, Z_FINISH);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}

TEST(DataFile, JsonLinesWithMarkBlankLinesAndNoLastNewline) {
  const auto got = Read("\xEF\xBB\xBF{\"a\":1}\r\n\n  {\"a\": 2}");
  EXPECT_EQ(got.error, "");
  EXPECT_THAT(got.rows, ElementsAre("{\"a\":1}", "{\"a\":2}"));
  EXPECT_THAT(got.lines, ElementsAre(1, 3));
}

TEST(DataFile, ArraysGiveTheLineOfEachRow) {
  const auto got = Read("[\n {\"a\": \"x],{\\\"\"},\n {\n \"a\": [1, {}]}\n]\n", "train.json");
  EXPECT_EQ(got.error, "");
  EXPECT_THAT(got.rows, ElementsAre("{\"a\":\"x],{\\\"\"}", "{\"a\":[1,{}]}"));
  EXPECT_THAT(got.lines, ElementsAre(2, 3));
  EXPECT_TRUE(Read("[]").rows.empty());
}

TEST(DataFile, BrokenRowsNameTheirLine) {
  EXPECT_THAT(Read("{\"a\":1}\n{\"a\":").error, HasSubstr("train.jsonl:2"));
  EXPECT_THAT(Read("{\"a\":1}\n[1,2]\n").error, HasSubstr("train.jsonl:2: expected an object, found array"));
  EXPECT_THAT(Read("{\"a\":1} {\"a\":2}\n").error, HasSubstr("train.jsonl:1"));
  EXPECT_THAT(Read("{\"a\":\"\\ud800\"}\n").error, HasSubstr("train.jsonl:1"));
  EXPECT_THAT(Read("{\"a\":1}\n{\"a\":\"\xff\"}\n").error, HasSubstr("train.jsonl:2"));
  EXPECT_THAT(Read("{\"a\":1}\nhello\n").error, HasSubstr("train.jsonl:2"));
  EXPECT_THAT(Read("{\"a\":1,\"a\":2}\n").error, HasSubstr("train.jsonl:1"));
  EXPECT_THAT(Read("[{\"a\":1},\n{\"a\":1", "d.json").error, HasSubstr("d.json:2"));
  EXPECT_THAT(Read("[{\"a\":1},\n{\n\"a\": oops}]", "d.json").error, HasSubstr("d.json:3"));
  EXPECT_THAT(Read("[{\"a\":1}]\n{\"a\":2}", "d.json").error, HasSubstr("d.json:2: expected the end of the file"));
  EXPECT_THAT(Read("[[1]]", "d.json").error, HasSubstr("d.json:1: expected an object, found array"));
  EXPECT_THAT(Read(std::string("[") + std::string(100000, '['), "d.json").error, HasSubstr("d.json:1"));
}

TEST(DataFile, AHugeLineIsRefusedUnparsed) {
  const std::string line = "{\"a\":\"" + std::string(100 << 20, 'x') + "\"}\n";
  EXPECT_THAT(Read("{\"a\":1}\n" + line).error,
              HasSubstr("train.jsonl:2: expected a row of at most 16777216 bytes, found 1048576"));
}

TEST(DataFile, PlainTextIsCutAtBlankLines) {
  const auto got = Read("One.\r\nStill one.\n\n\n{Two.\n", "story.txt");
  EXPECT_EQ(got.error, "");
  EXPECT_THAT(got.rows, ElementsAre("One.\nStill one.", "{Two."));
  EXPECT_THAT(got.lines, ElementsAre(1, 5));
}

TEST(DataFile, GzipOfSeveralMembersAndDamage) {
  const std::string folder = TestFolder("gzip");
  const std::string whole = Gzip("{\"a\":1}\n") + Gzip("{\"a\":2}\n");
  std::vector<std::string> rows;
  const auto take = [&](DataRow&& row) -> Status {
    rows.push_back(row.object.dump());
    return {};
  };
  ASSERT_TRUE(ReadDataFile(WriteTestFile(folder, "d.jsonl.gz", whole), take));
  EXPECT_THAT(rows, ElementsAre("{\"a\":1}", "{\"a\":2}"));
  for (size_t cut = 2; cut < whole.size() / 2; cut += 3) {
    const auto status = ReadDataFile(WriteTestFile(folder, "cut.gz", whole.substr(0, cut)), take);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("cut.gz: gzip: expected whole compressed data"));
  }
  EXPECT_THAT(Gunzip(Gzip(std::string(1 << 20, 'a')), "bomb.gz", 1000).error().message,
              HasSubstr("at most 1000 bytes"));
  EXPECT_FALSE(ReadDataFile(folder + "/absent.jsonl", take));
}

}  // namespace
}  // namespace hew
