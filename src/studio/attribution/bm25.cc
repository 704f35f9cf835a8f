#include "studio/attribution/bm25.h"

#include <cctype>
#include <cmath>
#include <map>

namespace hew {
namespace {

constexpr double kK1 = 1.2, kB = 0.75;

}  // namespace

std::vector<std::string> WordsOf(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  std::vector<std::string> characters;  // beyond ASCII, of the present word
  const auto finish = [&] {
    if (!word.empty()) words.push_back(word);
    for (size_t i = 0; i + 1 < characters.size(); ++i) words.push_back(characters[i] + characters[i + 1]);
    word.clear();
    characters.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if (std::isalnum(byte)) {
        word += static_cast<char>(std::tolower(byte));
      } else {
        finish();
      }
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    characters.push_back(text.substr(i, end - i));
    word += characters.back();
    i = end;
  }
  finish();
  return words;
}

Bm25::Bm25(const std::vector<std::string>& documents) {
  double total = 0;
  for (size_t d = 0; d < documents.size(); ++d) {
    std::map<std::string, double> counts;
    const auto words = WordsOf(documents[d]);
    for (const auto& word : words) counts[word] += 1;
    for (const auto& [word, count] : counts) postings_[word].push_back({d, count});
    lengths_.push_back(static_cast<double>(words.size()));
    total += lengths_.back();
  }
  mean_length_ = documents.empty() ? 1 : std::max(1.0, total / static_cast<double>(documents.size()));
}

std::vector<double> Bm25::Scores(const std::string& query) const {
  std::vector<double> scores(lengths_.size());
  const auto n = static_cast<double>(lengths_.size());
  for (const auto& word : WordsOf(query)) {
    const auto at = postings_.find(word);
    if (at == postings_.end()) continue;
    const auto df = static_cast<double>(at->second.size());
    const double idf = std::log(1 + (n - df + 0.5) / (df + 0.5));
    for (const auto& [document, count] : at->second) {
      scores[document] += idf * count * (kK1 + 1) / (count + kK1 * (1 - kB + kB * lengths_[document] / mean_length_));
    }
  }
  return scores;
}

}  // namespace hew
