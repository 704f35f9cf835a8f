#include "train/token_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "base/test_folder.h"
#include "text/training/tokenizer_training.h"
#include "train/text_files.h"
#include "train/token_shard_layout.h"

namespace hew {
namespace {

using testing::HasSubstr;

class TokenShards : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 300; ++i)
      documents_.push_back("document " + std::to_string(i * i) + " says " +
                           std::string(static_cast<size_t>(i % 17), 'x'));
    for (const auto& d : documents_) views_.push_back(d);
    TokenizerTraining training;
    training.vocab_size = 300;
    const auto trained = TrainTokenizer(pool_, views_, training);
    ASSERT_TRUE(trained) << trained.error().message;
    tokenizer_ = *Tokenizer::FromJson(trained->tokenizer_json, trained->tokenizer_config_json, "test");
  }
  Result<TokenWindows> Windows(const std::vector<std::string>& paths, int64_t length, bool shuffle = true) {
    return TokenWindows::Open(paths, *tokenizer_, {7, length, shuffle});
  }

  ThreadPool pool_{2};
  TestFolder folder_;
  std::vector<std::string> documents_;
  std::vector<std::string_view> views_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(TokenShards, HoldEachDocumentBetweenItsMarks) {
  const auto written = WriteTokenShards(pool_, *tokenizer_, views_, folder_.Path("shards"));
  ASSERT_TRUE(written) << written.error().message;
  ASSERT_EQ(written->paths.size(), 1u);
  EXPECT_EQ(written->documents, 300);
  const auto shard = TokenShard::Open(written->paths[0]);
  ASSERT_TRUE(shard) << shard.error().message;
  EXPECT_EQ(shard->tokens(), written->tokens);
  int64_t begin = 0;
  for (int64_t d = 0; d < shard->documents(); ++d) {
    std::vector<int32_t> ids;
    ASSERT_TRUE(shard->Read(begin, shard->DocumentEnd(d) - begin, &ids));
    EXPECT_EQ(ids.front(), tokenizer_->bos());
    EXPECT_EQ(ids.back(), tokenizer_->eos());
    EXPECT_EQ(tokenizer_->Decode(ids), documents_[static_cast<size_t>(d)]);
    EXPECT_EQ(shard->DocumentAt(begin), d);
    EXPECT_EQ(shard->DocumentAt(shard->DocumentEnd(d) - 1), d);
    begin = shard->DocumentEnd(d);
  }
}

TEST_F(TokenShards, AreTheSameForAnyNumberOfThreadsAndCutBetweenDocuments) {
  ShardWriting writing;
  writing.max_tokens = 1000;
  const ThreadPool one(1), four(4);
  const auto a = WriteTokenShards(one, *tokenizer_, views_, folder_.Path("a"), writing);
  const auto b = WriteTokenShards(four, *tokenizer_, views_, folder_.Path("b"), writing);
  ASSERT_TRUE(a && b);
  ASSERT_GT(a->paths.size(), 2u);
  ASSERT_EQ(a->paths.size(), b->paths.size());
  int64_t documents = 0;
  for (size_t i = 0; i < a->paths.size(); ++i) {
    const auto name = fmt::format("tokens-{:05}.shard", i);
    EXPECT_EQ(folder_.Get("a/" + name), folder_.Get("b/" + name));
    const auto shard = TokenShard::Open(a->paths[i]);
    EXPECT_LE(shard->tokens(), 1000);
    documents += shard->documents();
  }
  EXPECT_EQ(documents, 300);
}

TEST_F(TokenShards, WindowsAreAFunctionOfSeedEpochAndIndex) {
  ShardWriting writing;
  writing.max_tokens = 2000;
  const auto written = WriteTokenShards(pool_, *tokenizer_, views_, folder_.Path("s"), writing);
  ASSERT_TRUE(written);
  const auto windows = Windows(written->paths, 32);
  ASSERT_TRUE(windows) << windows.error().message;
  const auto again = Windows(written->paths, 32);
  std::vector<std::set<std::vector<int32_t>>> epochs(2);
  for (int64_t epoch : {0, 1}) {
    for (int64_t i = 0; i < windows->windows(); ++i) {
      const auto window = windows->Read(epoch, i);
      ASSERT_TRUE(window) << window.error().message;
      ASSERT_EQ(window->ids.size(), 33u);
      EXPECT_EQ(again->Read(epoch, i)->ids, window->ids);
      for (int32_t begin : window->document_begins)
        EXPECT_EQ(window->ids[static_cast<size_t>(begin)], tokenizer_->bos());
      EXPECT_EQ(std::count(window->ids.begin(), window->ids.end(), *tokenizer_->bos()),
                static_cast<int64_t>(window->document_begins.size()));
      epochs[static_cast<size_t>(epoch)].insert(window->ids);
    }
  }
  EXPECT_EQ(static_cast<int64_t>(epochs[0].size()), windows->windows());  // none twice
  EXPECT_NE(epochs[0], epochs[1]);                                        // cut elsewhere
}

TEST_F(TokenShards, WindowsInOrderAreTheText) {
  const auto written = WriteTokenShards(pool_, *tokenizer_, views_, folder_.Path("s"));
  const auto windows = Windows(written->paths, 16, /*shuffle=*/false);
  const auto shard = TokenShard::Open(written->paths[0]);
  EXPECT_EQ(windows->windows(), (written->tokens - 1) / 16);
  std::vector<int32_t> all, joined;
  ASSERT_TRUE(shard->Read(0, windows->windows() * 16, &all));
  for (int64_t i = 0; i < windows->windows(); ++i) {
    const auto window = windows->Read(0, i);
    joined.insert(joined.end(), window->ids.begin(), window->ids.end() - 1);
  }
  EXPECT_EQ(joined, all);
}

TEST_F(TokenShards, MalformedFilesAreRefused) {
  const auto written = WriteTokenShards(pool_, *tokenizer_, views_, folder_.Path("s"));
  const std::string good = folder_.Get("s/tokens-00000.shard");
  const auto refused = [&](const std::string& bytes) {
    const auto shard = TokenShard::Open(folder_.Put("bad.shard", bytes));
    return shard ? std::string("accepted") : shard.error().message;
  };
  const auto with = [&](size_t at, uint64_t value, size_t width) {
    std::string bytes = good;
    std::memcpy(bytes.data() + at, &value, width);
    return refused(bytes);
  };
  EXPECT_THAT(refused(""), HasSubstr("header"));
  EXPECT_THAT(refused("GGUF" + good.substr(4)), HasSubstr("magic: expected HEWSHARD"));
  EXPECT_THAT(with(kShardVersionAt, 9, 4), HasSubstr("version: expected 1, found 9"));
  EXPECT_THAT(with(kShardIdBytesAt, 3, 4), HasSubstr("id bytes: expected 2 or 4, found 3"));
  EXPECT_THAT(with(kShardVocabularyAt, 0, 8), HasSubstr("vocab_size"));
  EXPECT_THAT(with(kShardTokensAt, 1, 8), HasSubstr("size: "));
  EXPECT_THAT(with(kShardTokensAt, UINT64_MAX, 8), HasSubstr("size: "));
  EXPECT_THAT(with(kShardDocumentsAt, UINT64_MAX / 4, 8), HasSubstr("size: "));
  EXPECT_THAT(refused(good.substr(0, good.size() - 1)), HasSubstr("size: "));
  EXPECT_THAT(with(good.size() - 8, UINT64_MAX, 8), HasSubstr("document 299"));
  EXPECT_THAT(with(good.size() - 16, 0, 8), HasSubstr("document 298"));
  for (size_t length = 0; length < 256; ++length) EXPECT_NE(refused(good.substr(0, length)), "accepted");

  std::string wild = good;  // an id outside of the vocabulary is found when it is read
  wild[kShardHeaderBytes + 1] = '\x7F';
  const auto windows = Windows({folder_.Put("wild.shard", wild)}, 16, false);
  ASSERT_TRUE(windows);
  const auto read = windows->Read(0, 0);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("expected ids below 300"));

  const auto short_one = Windows(written->paths, 1 << 20);
  EXPECT_THAT(short_one.error().message, HasSubstr("length of one window"));
  std::string other = good;
  other[kShardDigestAt] ^= 1;
  EXPECT_THAT(Windows({folder_.Put("other.shard", other)}, 16).error().message,
              HasSubstr("vocabulary: expected that of"));
}

TEST(ShuffledIndex, IsAPermutationOfItsOwnForEachEpoch) {
  for (int64_t count : {1, 2, 3, 17, 64, 1000, 4097}) {
    std::set<int64_t> seen;
    int64_t moved = 0, changed = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t to = ShuffledIndex(3, 0, count, i);
      ASSERT_GE(to, 0);
      ASSERT_LT(to, count);
      seen.insert(to);
      moved += to != i;
      changed += to != ShuffledIndex(3, 1, count, i);
    }
    EXPECT_EQ(static_cast<int64_t>(seen.size()), count);
    if (count >= 64) {
      EXPECT_GT(moved, count * 9 / 10);
      EXPECT_GT(changed, count * 9 / 10);
    }
  }
}

TEST(TextFiles, DocumentsByBlankLinesLinesFilesAndRows) {
  const TestFolder folder;
  const auto text = folder.Put("a.txt", "\xEF\xBB\xBFone\ntwo\n\n \nthree\n");
  const auto rows = folder.Put("b.jsonl", "{\"text\": \"four\"}\n{\"text\": \"five\\nsix\"}\n");
  const auto documents = [&](const std::string& path, DocumentSplit split) {
    const auto files = TextFiles::Open({path}, split);
    std::vector<std::string> out;
    for (auto d : files->documents()) out.emplace_back(d);
    return out;
  };
  using V = std::vector<std::string>;
  EXPECT_EQ(documents(text, DocumentSplit::kBlankLines), (V{"one\ntwo", "three"}));
  EXPECT_EQ(documents(text, DocumentSplit::kLines), (V{"one", "two", "three"}));
  EXPECT_EQ(documents(text, DocumentSplit::kFile), (V{"one\ntwo\n\n \nthree\n"}));
  EXPECT_EQ(documents(rows, DocumentSplit::kLines), (V{"four", "five\nsix"}));
  const auto bad = TextFiles::Open({folder.Put("c.jsonl", "{\"text\": \"a\"}\n{\"txt\": 1}\n")}, DocumentSplit::kFile);
  EXPECT_THAT(bad.error().message, HasSubstr("c.jsonl:2: text: expected a string, found none"));
  EXPECT_FALSE(TextFiles::Open({folder.Put("d.txt", "\n\n")}, DocumentSplit::kLines));
}

}  // namespace
}  // namespace hew
