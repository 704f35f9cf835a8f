// Guesses at the next tokens from what was already said: where the last few tokens stood before, what followed them then. A guess
// costs rows in the next pass, not an answer: the generator takes only what it would have said anyway.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hew {

class Lookup {
 public:
  // Tokens that may follow `history` (prompt and answer so far), at most `most`; none where checking them is not expected to
  // pay, by how well earlier guesses (drafted or not) came true.
  std::vector<int32_t> Draft(std::span<const int32_t> history, int64_t most);
  // Which token came: call after each.
  void Observe(int32_t id);

 private:
  static constexpr int64_t kShortest = 2, kLongest = 4;  // tokens that must have stood together before

  std::array<double, kLongest + 1> hit_rate_ = {0, 0, 0.3, 0.5, 0.6};  // by the length of what matched, smoothed
  std::vector<int32_t> guess_;  // what is expected to come
  size_t next_ = 0;             // of guess_
  int64_t matched_ = 0;         // tokens that led to it
};

}  // namespace hew
