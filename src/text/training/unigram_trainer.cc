#include "text/training/unigram_trainer.h"

#include <algorithm>
#include <cmath>

#include "text/training/unigram_lattice.h"
#include "text/training/unigram_seeds.h"

namespace hew {
namespace {

constexpr size_t kParts = 8;  // of the words, whatever the number of threads
constexpr double kLeastProbability = 1e-7;
constexpr double kLeastExpected = 0.5;  // a piece expected less often is left out
constexpr double kSlack = 1.1;          // pruning stops this near to the end, where the best by score are taken

// psi(x), x > 0: up to x >= 7 by psi(x) = psi(x + 1) - 1 / x, then the asymptotic series.
double Digamma(double x) {
  double result = 0;
  for (; x < 7; ++x) result -= 1 / x;
  x -= 0.5;
  const double r = 1 / x, r2 = r * r;
  return result + std::log(x) + r2 * (1.0 / 24 - r2 * (7.0 / 960 - r2 * (31.0 / 8064 - r2 * (127.0 / 30720))));
}

using Pieces = std::vector<UnigramPiece>;

class Trainer {
 public:
  Trainer(const ThreadPool& pool, const UnigramWords& words, const UnigramTraining& training)
      : pool_(pool), words_(words), training_(training) {}

  UnigramVocabulary Run() {
    const auto wanted = static_cast<size_t>(training_.pieces);
    const auto seeds = training_.seed_pieces > 0 ? training_.seed_pieces
                                                 : std::clamp<int64_t>(12 * training_.pieces, 100'000, 1'000'000);
    pieces_ = SeedPieces(pool_, words_, static_cast<size_t>(seeds));
    while (!Cancelled()) {
      for (int i = 0; i < training_.sub_iterations; ++i) Fit();
      if (training_.progress) training_.progress(static_cast<int64_t>(pieces_.size()));
      const auto enough = std::max(wanted, static_cast<size_t>(static_cast<double>(wanted) * kSlack));
      if (pieces_.size() <= enough) break;
      const auto shrunk = static_cast<size_t>(static_cast<double>(pieces_.size()) * training_.shrinking_factor);
      Prune(std::max(enough, shrunk));
    }
    return Finish(wanted);
  }

 private:
  bool Cancelled() const { return training_.cancel && training_.cancel->load(); }
  bool IsCharacter(size_t piece) const { return piece < words_.alphabet.size(); }  // they stay in front, in order

  // Calls fn(part, word) for the words of each part, parts side by side.
  template <typename Fn>
  void ForEachWord(Fn fn) {
    pool_.Run(kParts, [&](int64_t task) {
      const auto part = static_cast<size_t>(task);
      const size_t count = words_.words.size();
      for (size_t i = count * part / kParts; i < count * (part + 1) / kParts; ++i) fn(part, words_.words[i]);
    });
  }

  // One step of expectation maximisation. The new scores are those of a sparse Dirichlet prior, as in SentencePiece:
  // psi(expected) - psi(sum) instead of the logarithm.
  void Fit() {
    const PieceTree tree(pieces_, words_.alphabet.size());
    std::vector<double> probabilities;
    for (const auto& piece : pieces_) probabilities.push_back(std::max(std::exp(piece.score), kLeastProbability));
    std::vector<Lattice> lattices(kParts);
    std::vector<std::vector<double>> expected(kParts, std::vector<double>(pieces_.size()));
    ForEachWord([&](size_t part, const UnigramWord& word) {
      lattices[part].AddExpected(tree, probabilities, words_.Of(word), static_cast<double>(word.count), expected[part]);
    });
    Pieces kept;
    double sum = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      double times = 0;
      for (const auto& part : expected) times += part[i];
      if (times < kLeastExpected && !IsCharacter(i)) continue;
      kept.push_back({std::move(pieces_[i].characters), std::max(times, kLeastExpected)});
      sum += kept.back().score;
    }
    const double all = Digamma(sum);
    for (auto& piece : kept) piece.score = Digamma(piece.score) - all;
    pieces_ = std::move(kept);
  }

  struct Usage {
    std::vector<int64_t> times;  // [pieces] in the likeliest cuts
    std::vector<int64_t> words;  // [pieces] words that use it, by their counts
  };

  Usage CountUsage(const PieceTree& tree, const std::vector<double>& scores) {
    std::vector<Usage> parts(kParts);
    for (Usage& part : parts) {
      part.times.resize(pieces_.size());
      part.words.resize(pieces_.size());
    }
    std::vector<Lattice> lattices(kParts);
    ForEachWord([&](size_t part, const UnigramWord& word) {
      const auto path = lattices[part].Best(tree, scores, words_.Of(word));
      for (auto piece = path.begin(); piece != path.end(); ++piece) {
        parts[part].times[*piece] += word.count;
        if (std::find(path.begin(), piece, *piece) == piece) parts[part].words[*piece] += word.count;
      }
    });
    for (size_t part = 1; part < kParts; ++part) {
      for (size_t i = 0; i < pieces_.size(); ++i) {
        parts[0].times[i] += parts[part].times[i];
        parts[0].words[i] += parts[part].words[i];
      }
    }
    return std::move(parts[0]);
  }

  // Leaves out the pieces whose loss costs the text's likelihood least, until `keep` are left.
  void Prune(size_t keep) {
    const PieceTree tree(pieces_, words_.alphabet.size());
    std::vector<double> scores;
    for (const auto& piece : pieces_) scores.push_back(piece.score);
    const Usage usage = CountUsage(tree, scores);
    int64_t all = 0;
    for (int64_t times : usage.times) all += times;
    // losses[i]: how much less likely the text is without piece i, cut into its second best pieces instead.
    constexpr double kNeeded = std::numeric_limits<double>::infinity(), kUnused = -kNeeded;
    std::vector<double> losses(pieces_.size(), kNeeded);
    pool_.ParallelFor(static_cast<int64_t>(pieces_.size()), 1024, [&](int64_t begin, int64_t end) {
      Lattice lattice;
      std::vector<uint32_t> word;
      for (auto i = static_cast<size_t>(std::max<int64_t>(begin, static_cast<int64_t>(words_.alphabet.size())));
           i < static_cast<size_t>(end); ++i) {
        word.assign(pieces_[i].characters.begin(), pieces_[i].characters.end());
        const auto instead = lattice.Best(tree, scores, word, static_cast<int64_t>(i));
        losses[i] = usage.times[i] == 0 || lattice.best_score() > scores[i] ? kUnused : Loss(usage, i, instead, all);
      }
    });
    std::vector<size_t> order;
    for (size_t i = words_.alphabet.size(); i < pieces_.size(); ++i) {
      if (losses[i] != kUnused) order.push_back(i);
    }
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return losses[a] != losses[b] ? losses[a] > losses[b] : a < b; });
    order.resize(std::min(order.size(), keep - std::min(keep, words_.alphabet.size())));
    std::sort(order.begin(), order.end());
    Pieces kept(std::make_move_iterator(pieces_.begin()),
                std::make_move_iterator(pieces_.begin() + static_cast<ptrdiff_t>(words_.alphabet.size())));
    for (size_t i : order) kept.push_back(std::move(pieces_[i]));
    pieces_ = std::move(kept);
  }

  double Loss(const Usage& usage, size_t piece, std::span<const uint32_t> instead, int64_t all) const {
    const auto times = static_cast<double>(usage.times[piece]), sum = static_cast<double>(all);
    const double with = std::log(times) - std::log(sum);
    const double new_sum = std::log(sum + times * (static_cast<double>(instead.size()) - 1));
    double without = 0;
    for (uint32_t other : instead) without += std::log(static_cast<double>(usage.times[other]) + times) - new_sum;
    const double share = static_cast<double>(usage.words[piece]) / static_cast<double>(words_.total);
    return share * (with - without);
  }

  UnigramVocabulary Finish(size_t wanted) {
    std::vector<size_t> order;
    for (size_t i = words_.alphabet.size(); i < pieces_.size(); ++i) order.push_back(i);
    const auto likelier = [&](size_t a, size_t b) {
      return pieces_[a].score != pieces_[b].score ? pieces_[a].score > pieces_[b].score : a < b;
    };
    std::sort(order.begin(), order.end(), likelier);
    order.resize(std::min(order.size(), wanted - std::min(wanted, words_.alphabet.size())));
    for (size_t i = 0; i < words_.alphabet.size(); ++i) order.push_back(i);
    std::sort(order.begin(), order.end(), likelier);
    UnigramVocabulary result;
    for (size_t i : order) {
      std::string utf8;
      for (char32_t c : pieces_[i].characters) utf8 += words_.alphabet[c];
      result.pieces.emplace_back(std::move(utf8), pieces_[i].score);
    }
    std::sort(order.begin(), order.end());
    Pieces chosen;
    for (size_t i : order) chosen.push_back(std::move(pieces_[i]));
    pieces_ = std::move(chosen);
    std::vector<double> scores;
    for (const auto& piece : pieces_) scores.push_back(piece.score);
    result.tokens = words_.bytes_outside;
    for (int64_t times : CountUsage(PieceTree(pieces_, words_.alphabet.size()), scores).times) result.tokens += times;
    return result;
  }

  const ThreadPool& pool_;
  const UnigramWords& words_;
  const UnigramTraining& training_;
  Pieces pieces_;
};

}  // namespace

UnigramVocabulary TrainUnigram(const ThreadPool& pool, const UnigramWords& words, const UnigramTraining& training) {
  return Trainer(pool, words, training).Run();
}

}  // namespace hew
