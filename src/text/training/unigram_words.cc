#include "text/training/unigram_words.h"

#include <algorithm>
#include <unordered_map>

#include "text/unicode.h"

namespace hew {
namespace {

constexpr int32_t kMarkCode = 0x2581;
constexpr uint32_t kMaxCharacters = 40;  // so that a word's probability fits a double: see unigram_lattice.h

// Calls fn(code, utf8) for each character; a space is the mark, bytes that are no UTF-8 have code -1.
template <typename Fn>
void ForEachCharacter(std::string_view word, Fn fn) {
  for (size_t at = 0; at < word.size();) {
    const Character c = CharacterAt(word, at);
    if (c.code == ' ') {
      fn(kMarkCode, kSpaceMark);
    } else {
      fn(c.code, word.substr(at, c.bytes));
    }
    at += c.bytes;
  }
}

struct Letter {
  int32_t code = 0;
  int64_t count = 0;
  std::string utf8;
};

// Space, line feed and printable ASCII: with these, no text needs the spelling of a byte ("<0x41>") to be written.
bool AlwaysIn(int32_t code) { return code == kMarkCode || code == '\n' || (code > ' ' && code < 0x7F); }

std::vector<Letter> CountLetters(std::span<const WordCount> words) {
  std::unordered_map<int32_t, Letter> letters;
  letters[kMarkCode] = {kMarkCode, 0, std::string(kSpaceMark)};
  for (int32_t code = 0; code < 0x80; ++code) {
    if (AlwaysIn(code)) letters[code] = {code, 0, std::string(1, static_cast<char>(code))};
  }
  for (const WordCount& word : words) {
    ForEachCharacter(word.bytes, [&](int32_t code, std::string_view utf8) {
      if (code <= 0) return;
      Letter& letter = letters[code];
      if (letter.utf8.empty()) letter = {code, 0, std::string(utf8)};
      letter.count += word.count;
    });
  }
  std::vector<Letter> list;
  for (auto& [code, letter] : letters) list.push_back(std::move(letter));
  std::sort(list.begin(), list.end(),
            [](const Letter& a, const Letter& b) { return a.count != b.count ? a.count > b.count : a.code < b.code; });
  return list;
}

}  // namespace

void SplitAtSpaces(std::string_view text, const std::function<void(std::string_view)>& take) {
  const auto is_space = [&](size_t at) { return text[at] == ' ' || text.substr(at).starts_with(kSpaceMark); };
  const auto ends_word = [&](size_t at) { return text[at] == '\n' || is_space(at); };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + (is_space(begin) && text[begin] != ' ' ? kSpaceMark.size() : 1);
    if (text[begin] != '\n') {
      while (end < text.size() && !ends_word(end)) ++end;
    }
    take(text.substr(begin, end - begin));
    begin = end;
  }
}

UnigramWords ToUnigramWords(std::span<const WordCount> words, double coverage) {
  UnigramWords out;
  std::unordered_map<int32_t, uint32_t> number;
  const std::vector<Letter> letters = CountLetters(words);
  double all = 0, covered = 0;
  for (const Letter& letter : letters) all += static_cast<double>(letter.count);
  for (const Letter& letter : letters) {
    if (covered >= coverage * all && !AlwaysIn(letter.code)) continue;
    covered += static_cast<double>(letter.count);
    number[letter.code] = static_cast<uint32_t>(out.alphabet.size());
    out.alphabet.push_back(letter.utf8);
  }
  for (const WordCount& word : words) {
    const auto start = [&] { out.words.push_back({static_cast<uint32_t>(out.characters.size()), 0, word.count}); };
    bool open = false;
    ForEachCharacter(word.bytes, [&](int32_t code, std::string_view utf8) {
      const auto at = number.find(code);
      if (at == number.end()) {
        out.bytes_outside += word.count * static_cast<int64_t>(utf8.size());
        open = false;
        return;
      }
      if (!open || out.words.back().length == kMaxCharacters) start();
      open = true;
      out.characters.push_back(at->second);
      ++out.words.back().length;
    });
  }
  for (const UnigramWord& word : out.words) out.total += word.count;
  return out;
}

}  // namespace hew
