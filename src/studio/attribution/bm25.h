// Likeness of texts by the words that they share: BM25 (Robertson and Zaragoza 2009), k1 = 1.2, b = 0.75.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

namespace hew {

class Bm25 {
 public:
  explicit Bm25(const std::vector<std::string>& documents);
  // How well each document fits the query.
  std::vector<double> Scores(const std::string& query) const;

 private:
  struct Posting {
    size_t document;
    double count;
  };
  std::unordered_map<std::string, std::vector<Posting>> postings_;
  std::vector<double> lengths_;
  double mean_length_ = 0;
};

// Words in small letters; of scripts that do not part words by spaces or inflect them at the end (Hangul, Han, kana),
// pairs of characters besides.
std::vector<std::string> WordsOf(const std::string& text);

}  // namespace hew
