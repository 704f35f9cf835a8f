// All ways to cut a word into pieces of a vocabulary, and what they are worth.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "text/training/pair_table.h"
#include "text/training/unigram_seeds.h"

namespace hew {

// A vocabulary as a tree of characters.
class PieceTree {
 public:
  // The first `characters` pieces are the characters themselves, in order: their nodes need no table.
  PieceTree(std::span<const UnigramPiece> pieces, size_t characters) {
    for (size_t i = 0; i < characters; ++i) piece_.push_back(static_cast<int32_t>(i));
    for (size_t i = characters; i < pieces.size(); ++i) {
      uint32_t node = pieces[i].characters[0];
      for (char32_t c : pieces[i].characters.substr(1)) {
        const auto fresh = static_cast<uint32_t>(piece_.size());
        node = edges_.FindOrAdd(node, c, fresh);
        if (node == fresh) piece_.push_back(-1);
      }
      piece_[node] = static_cast<int32_t>(i);
    }
  }

  // Calls fn(end, piece) for each piece that begins at `begin`, the shortest first.
  template <typename Fn>
  void ForEachAt(std::span<const uint32_t> word, size_t begin, Fn fn) const {
    uint32_t node = word[begin];
    fn(begin + 1, static_cast<size_t>(piece_[node]));
    for (size_t at = begin + 1; at < word.size(); ++at) {
      node = edges_.Find(node, word[at]);
      if (node == PairTable::kNone) return;
      if (piece_[node] >= 0) fn(at + 1, static_cast<size_t>(piece_[node]));
    }
  }

 private:
  PairTable edges_;
  std::vector<int32_t> piece_;  // [nodes] the piece that ends there, or -1; the characters' nodes come first
};

// Working memory for one word after another.
class Lattice {
 public:
  // Adds count times the expected number of occurrences of each piece (forward-backward over plain probabilities: no
  // piece is less likely than 1e-7 and no word longer than 40 characters, so that nothing underflows). Returns the
  // word's probability. Every character is a piece, so there always is a way.
  double AddExpected(const PieceTree& tree, std::span<const double> probabilities, std::span<const uint32_t> word,
                     double count, std::span<double> expected) {
    edges_.clear();
    forward_.assign(word.size() + 1, 0);
    backward_.assign(word.size() + 1, 0);
    forward_[0] = 1;
    for (size_t begin = 0; begin < word.size(); ++begin) {
      tree.ForEachAt(word, begin, [&](size_t end, size_t piece) {
        edges_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end), static_cast<uint32_t>(piece)});
        forward_[end] += forward_[begin] * probabilities[piece];
      });
    }
    const double all = forward_[word.size()];
    backward_[word.size()] = count / all;
    for (auto edge = edges_.rbegin(); edge != edges_.rend(); ++edge) {
      const double through = probabilities[edge->piece] * backward_[edge->end];
      backward_[edge->begin] += through;
      expected[edge->piece] += forward_[edge->begin] * through;
    }
    return all;
  }

  // The likeliest cut, from its last piece to its first; of equally likely ones the one found first. A cut that is the
  // piece `without` alone does not count (-1: all do). Empty if there is none.
  std::span<const uint32_t> Best(const PieceTree& tree, std::span<const double> scores, std::span<const uint32_t> word,
                                 int64_t without = -1) {
    constexpr double kNever = -std::numeric_limits<double>::infinity();
    forward_.assign(word.size() + 1, kNever);
    from_.assign(word.size() + 1, {});
    forward_[0] = 0;
    for (size_t begin = 0; begin < word.size(); ++begin) {
      if (forward_[begin] == kNever) continue;
      tree.ForEachAt(word, begin, [&](size_t end, size_t piece) {
        const double score = forward_[begin] + scores[piece];
        if (score <= forward_[end] || static_cast<int64_t>(piece) == without) return;
        forward_[end] = score;
        from_[end] = {static_cast<uint32_t>(begin), static_cast<uint32_t>(end), static_cast<uint32_t>(piece)};
      });
    }
    path_.clear();
    if (forward_[word.size()] == kNever) return path_;
    for (size_t end = word.size(); end > 0; end = from_[end].begin) path_.push_back(from_[end].piece);
    return path_;
  }
  double best_score() const { return forward_.back(); }  // of the last Best

 private:
  struct Edge {
    uint32_t begin = 0, end = 0, piece = 0;
  };
  std::vector<double> forward_, backward_;
  std::vector<Edge> edges_, from_;
  std::vector<uint32_t> path_;
};

}  // namespace hew
