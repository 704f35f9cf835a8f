#include "text/training/tokenizer_training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/json.h"
#include "text/tokenizer.h"
#include "text/training/unigram_lattice.h"
#include "text/training/word_counter.h"

using namespace std::string_literals;

namespace hew {
namespace {

using testing::HasSubstr;

const std::string kText = [] {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += "나 점심을 너무 많이 먹었어. 나 배 불러.\n";
    text += "the cat sat on the mat, and the hat was flat 12345" + std::to_string(i) + "\n\n";
  }
  return text;
}();

Result<TrainedTokenizer> Train(std::string_view text, const TokenizerTraining& training, int threads = 2) {
  const ThreadPool pool(threads);
  return TrainTokenizer(pool, std::span(&text, 1), training);
}

TokenizerTraining Bpe(int64_t vocab_size) {
  TokenizerTraining training;
  training.vocab_size = vocab_size;
  return training;
}

std::string FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(TokenizerTraining, BpeReadsBackAndGivesTheTextBack) {
  for (const char* pattern : {"gpt-2", "llama3", "smollm", "qwen2"}) {
    TokenizerTraining training = Bpe(310);
    training.pattern = pattern;
    const auto trained = Train(kText, training);
    ASSERT_TRUE(trained) << trained.error().message;
    EXPECT_EQ(trained->vocab_size, 310);
    const auto tokenizer = Tokenizer::FromJson(trained->tokenizer_json, trained->tokenizer_config_json, "trained");
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ((*tokenizer)->vocab_size(), 310);
    const auto ids = (*tokenizer)->Encode(kText);
    EXPECT_EQ((*tokenizer)->Decode(ids), kText);
    EXPECT_EQ(static_cast<int64_t>(ids.size()), trained->tokens) << pattern;
    EXPECT_EQ(trained->bytes, static_cast<int64_t>(kText.size()));
    EXPECT_EQ((*tokenizer)->bos(), 1);
    EXPECT_EQ((*tokenizer)->eos(), 2);
    EXPECT_TRUE((*tokenizer)->adds_bos());
    EXPECT_TRUE((*tokenizer)->IsSpecial(5));
    EXPECT_THAT((*tokenizer)->chat_template(), HasSubstr("im_start"));
  }
}

TEST(TokenizerTraining, TheReferenceMergesAndVocabulary) {
  const std::string folder = std::string(HEW_SOURCE_DIR) + "/../shared/vectors/bpe_training/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no test vectors";
  TokenizerTraining training = Bpe(500);
  training.unk = training.bos = training.pad = "";
  training.eos = "<|endoftext|>";
  training.special.clear();
  const auto trained = Train(FileText(folder + "corpus.en"), training);
  ASSERT_TRUE(trained) << trained.error().message;
  const Json json = *ParseJson(trained->tokenizer_json, "trained");
  std::istringstream lines(FileText(folder + "train-bpe-reference-merges.txt"));
  std::vector<std::string> merges;
  for (std::string line; std::getline(lines, line);) merges.push_back(line);
  EXPECT_EQ(json["model"]["merges"].get<std::vector<std::string>>(), merges);
  const Json vocab = *ParseJson(FileText(folder + "train-bpe-reference-vocab.json"), "vocab");
  ASSERT_EQ(json["model"]["vocab"].size(), vocab.size());
  for (const auto& [token, id] : vocab.items()) EXPECT_EQ(json["model"]["vocab"][token], id) << token;
}

TEST(TokenizerTraining, NothingIsMergedAcrossASpecialToken) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "ab</s>ab";
  const auto trained = Train(text, Bpe(1000));
  ASSERT_TRUE(trained) << trained.error().message;
  const Json json = *ParseJson(trained->tokenizer_json, "trained");
  // "ab" and, of two pieces side by side, "abab"; no piece of the special token.
  EXPECT_EQ(json["model"]["merges"], Json::array({"a b", "ab ab"}));
  EXPECT_EQ(trained->bytes, 200);
}

TEST(TokenizerTraining, TheSameForAnyNumberOfThreads) {
  for (auto kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram}) {
    TokenizerTraining training = Bpe(500);
    training.kind = kind;
    std::string text;
    for (int i = 0; i < 1500; ++i)
      text += kText.substr(static_cast<size_t>(i * 7) % 1000, 900) + "\n";  // more than one piece
    const auto one = Train(text, training, 1), four = Train(text, training, 4);
    ASSERT_TRUE(one && four) << one.error().message;
    EXPECT_EQ(one->tokenizer_json, four->tokenizer_json);
    EXPECT_EQ(one->tokens, four->tokens);
  }
}

TEST(TokenizerTraining, UnigramFindsTheWordsThatAreThere) {
  TokenizerTraining training = Bpe(420);
  training.kind = TokenizerKind::kUnigram;
  const auto trained = Train(kText, training);
  ASSERT_TRUE(trained) << trained.error().message;
  const Json json = *ParseJson(trained->tokenizer_json, "trained");
  const Json& vocab = json["model"]["vocab"];
  ASSERT_EQ(static_cast<int64_t>(vocab.size()), trained->vocab_size);
  EXPECT_EQ(vocab[0][0], "<unk>");
  EXPECT_EQ(vocab[6][0], "<0x00>");
  EXPECT_EQ(vocab[261][0], "<0xFF>");
  std::vector<std::string> pieces;
  for (const auto& entry : vocab) pieces.push_back(entry[0].get<std::string>());
  EXPECT_THAT(pieces, testing::IsSupersetOf({"▁the", "▁점심을", "▁", "\n", "배", "~"}));
  for (size_t i = 263; i < vocab.size(); ++i) EXPECT_GE(vocab[i - 1][1], vocab[i][1]);
  EXPECT_LT(trained->tokens * 2, trained->bytes);

  const auto tokenizer = Tokenizer::FromJson(trained->tokenizer_json, trained->tokenizer_config_json, "trained");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ((*tokenizer)->kind(), "unigram");
  const auto ids = (*tokenizer)->Encode(kText);
  EXPECT_EQ(static_cast<int64_t>(ids.size()), trained->tokens);
  for (const std::string& text : {kText, "  two  spaces\n\n\ttab"s, "<0x41> is no A; 뷁 \xF0\x9F\x8E\x89"s}) {
    EXPECT_EQ((*tokenizer)->Decode((*tokenizer)->Encode(text)), text);
  }
}

TEST(TokenizerTraining, RefusesWhatCannotBe) {
  const auto refused = [](std::string_view text, const TokenizerTraining& training) {
    const auto result = Train(text, training);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_THAT(refused(kText, Bpe(200)), HasSubstr("vocab_size: expected 262"));
  EXPECT_THAT(refused("", Bpe(400)), HasSubstr("expected text, found none"));
  TokenizerTraining training = Bpe(400);
  training.pattern = "absent";
  EXPECT_THAT(refused(kText, training), HasSubstr("pattern: "));
  training = Bpe(400);
  training.eos = "end of text";
  EXPECT_THAT(refused(kText, training), HasSubstr("without white space"));
  training = Bpe(300);
  training.kind = TokenizerKind::kUnigram;
  EXPECT_THAT(refused(kText, training), HasSubstr("characters of the text"));
  training.unk = "";
  EXPECT_THAT(refused(kText, training), HasSubstr("unk: "));
}

TEST(WordCounter, PiecesEndBetweenALetterAndWhiteSpace) {
  const std::string text = "one two, three\nfour";
  EXPECT_EQ(EndOfPiece(text, 0, 100), text.size());
  EXPECT_EQ(EndOfPiece(text, 0, 14), 14u);    // before the line feed behind "three"
  EXPECT_EQ(EndOfPiece(text, 0, 9), 3u);      // not behind the comma
  EXPECT_EQ(EndOfPiece("배배배", 0, 4), 3u);  // no white space: between characters
}

TEST(WordCounter, LongWordsAreCutAtCharacters) {
  std::string word;
  for (int i = 0; i < 1000; ++i) word += "배";
  const ThreadPool pool(1);
  const std::string_view text = word;
  const auto words = CountWords(pool, std::span(&text, 1), [](std::string_view t, const auto& take) { take(t); });
  size_t bytes = 0;
  for (const auto& w : words) {
    EXPECT_LE(w.bytes.size(), kMaxWordBytes);
    EXPECT_EQ(w.bytes.size() % 3, 0u);
    bytes += w.bytes.size() * static_cast<size_t>(w.count);
  }
  EXPECT_EQ(bytes, word.size());
}

TEST(UnigramLattice, ExpectationsAndBestCutAgainstAllCuts) {
  // Pieces a, b, ab, ba, aba over the word "abab": the five cuts, by hand.
  const std::vector<UnigramPiece> pieces = {{U"\0"s, 0}, {U"\1"s, 0}, {U"\0\1"s, 0}, {U"\1\0"s, 0}, {U"\0\1\0"s, 0}};
  const std::vector<double> p = {0.3, 0.25, 0.2, 0.15, 0.1};
  const std::vector<uint32_t> word = {0, 1, 0, 1};
  const PieceTree tree(pieces, 2);
  const std::vector<std::vector<size_t>> cuts = {{0, 1, 0, 1}, {2, 0, 1}, {0, 1, 2}, {2, 2}, {0, 3, 1}, {4, 1}};
  std::vector<double> expected(5), found(5);
  double all = 0, best = 0;
  std::vector<size_t> best_cut;
  for (const auto& cut : cuts) {
    double weight = 1;
    for (size_t piece : cut) weight *= p[piece];
    all += weight;
    for (size_t piece : cut) expected[piece] += weight;
    if (weight > best) std::tie(best, best_cut) = std::pair(weight, cut);
  }
  Lattice lattice;
  EXPECT_NEAR(lattice.AddExpected(tree, p, word, 3, found), all, 1e-15);
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(found[i], 3 * expected[i] / all, 1e-12);
  std::vector<double> scores;
  for (double x : p) scores.push_back(std::log(x));
  const auto path = lattice.Best(tree, scores, word);
  EXPECT_EQ(std::vector<size_t>(path.rbegin(), path.rend()), best_cut);
  const std::vector<uint32_t> aba = {0, 1, 0};
  EXPECT_EQ(lattice.Best(tree, scores, aba, 4).size(), 2u);  // without itself: ab, a
}

}  // namespace
}  // namespace hew
