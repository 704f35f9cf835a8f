// The inside of a JSON string, byte by byte: whole UTF-8 characters, escapes, no half surrogates, up to the closing
// quote.
#pragma once

#include <array>
#include <cstdint>

namespace hew {

class JsonStringMachine {
 public:
  static constexpr uint8_t kStart = 0, kStates = 20;          // kStart: between characters
  static constexpr uint8_t kClosed = 254, kImpossible = 255;  // after the closing quote; no string has this byte here

  JsonStringMachine();
  uint8_t Next(uint8_t state, uint8_t byte) const { return next_[state][byte]; }
  // Whether the byte begins a character (an escape, a pair of surrogates counts as one).
  static bool Begins(uint8_t state, uint8_t byte) { return state == kStart && byte != '"'; }
  static bool WithinCharacter(uint8_t state) { return state >= 1 && state <= 7; }  // of several bytes; not: an escape

 private:
  void Set(uint8_t state, int low, int high, uint8_t next);
  void SetHex(uint8_t state, int low, int high, uint8_t next);  // digits of these values, in either case

  std::array<std::array<uint8_t, 256>, kStates> next_;
};

}  // namespace hew
