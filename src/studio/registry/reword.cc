#include <algorithm>
#include <cctype>

#include "studio/registry/fixes.h"

namespace hew {
namespace {

bool HasHangul(const std::string& text) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {  // U+AC00 to U+D7A3 begin with EA to ED
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead >= 0xEA && lead <= 0xED && (static_cast<unsigned char>(text[i + 1]) & 0xC0) == 0x80) return true;
  }
  return false;
}

std::string WithoutEnd(std::string text) {
  while (!text.empty() && (text.back() == '.' || text.back() == '?' || text.back() == '!' || text.back() == ' '))
    text.pop_back();
  return text;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// First letter small, unless the word goes on in capitals or is the English "I".
std::string Continued(std::string text) {
  if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) &&
      std::islower(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

// Two inner letters of the longest word of five letters or more change places.
std::string WithSlip(std::string text) {
  size_t begin = 0, best = 0, length = 4;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) continue;
    if (i - begin > length) best = begin, length = i - begin;
    begin = i + 1;
  }
  for (size_t i = best + 1; length > 4 && i + 2 < best + length; ++i) {
    if (text[i] == text[i + 1]) continue;
    std::swap(text[i], text[i + 1]);
    break;
  }
  return text;
}

}  // namespace

// The last two are held out of training where the user names none.
std::vector<std::string> Reword(const std::string& question) {
  const std::string bare = WithoutEnd(question);
  std::vector<std::string> out;
  if (HasHangul(question)) {
    out = {bare,
           "안녕하세요. " + question,
           "질문 있어요. " + question,
           question + " 알려 주세요.",
           bare + "요?? 급해요!",
           "저기요, " + bare,
           "혹시 " + question,
           question + " 감사합니다."};
  } else {
    out = {Lower(bare),
           "Hi, " + Continued(question),
           "Quick question: " + Continued(question),
           question + " Thanks!",
           "Hello there. " + question,
           WithSlip(question),
           "Please help. " + Lower(bare),
           "I was wondering: " + Continued(question)};
  }
  std::vector<std::string> unique;
  for (auto& wording : out) {
    if (wording != question && std::find(unique.begin(), unique.end(), wording) == unique.end())
      unique.push_back(std::move(wording));
  }
  return unique;
}

}  // namespace hew
