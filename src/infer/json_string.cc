#include "infer/json_string.h"

#include <cstddef>

namespace hew {
namespace {

enum : uint8_t {
  kOneMore = 1,
  kTwoMore,
  kThreeMore,  // continuation bytes of a character
  kAfterE0,
  kAfterED,
  kAfterF0,
  kAfterF4,  // whose first continuation byte is bounded: no overlong forms, no surrogates
  kEscape,   // after a backslash
  kHex1,
  kHex2,
  kHex3,
  kHex4,        // the digit of \uXXXX that comes next
  kHex2AfterD,  // D8..DB begin a pair, DC..DF have no place here
  kHigh3,
  kHigh4,
  kBackslash,
  kU,
  kLow1,
  kLow2,  // the rest of a pair
};

}  // namespace

void JsonStringMachine::Set(uint8_t state, int low, int high, uint8_t next) {
  for (int byte = low; byte <= high; ++byte) next_[state][static_cast<size_t>(byte)] = next;
}

void JsonStringMachine::SetHex(uint8_t state, int low, int high, uint8_t next) {
  for (int value = low; value <= high; ++value) {
    if (value < 10) {
      Set(state, '0' + value, '0' + value, next);
    } else {
      Set(state, 'a' + value - 10, 'a' + value - 10, next);
      Set(state, 'A' + value - 10, 'A' + value - 10, next);
    }
  }
}

JsonStringMachine::JsonStringMachine() {
  for (auto& row : next_) row.fill(kImpossible);
  Set(kStart, 0x20, 0x7F, kStart);
  Set(kStart, '"', '"', kClosed);
  Set(kStart, '\\', '\\', kEscape);
  Set(kStart, 0xC2, 0xDF, kOneMore);
  Set(kStart, 0xE1, 0xEF, kTwoMore);
  Set(kStart, 0xE0, 0xE0, kAfterE0);
  Set(kStart, 0xED, 0xED, kAfterED);
  Set(kStart, 0xF1, 0xF3, kThreeMore);
  Set(kStart, 0xF0, 0xF0, kAfterF0);
  Set(kStart, 0xF4, 0xF4, kAfterF4);
  Set(kOneMore, 0x80, 0xBF, kStart);
  Set(kTwoMore, 0x80, 0xBF, kOneMore);
  Set(kThreeMore, 0x80, 0xBF, kTwoMore);
  Set(kAfterE0, 0xA0, 0xBF, kOneMore);
  Set(kAfterED, 0x80, 0x9F, kOneMore);
  Set(kAfterF0, 0x90, 0xBF, kTwoMore);
  Set(kAfterF4, 0x80, 0x8F, kTwoMore);
  for (const char c : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'}) Set(kEscape, c, c, kStart);
  Set(kEscape, 'u', 'u', kHex1);
  SetHex(kHex1, 0, 15, kHex2);
  SetHex(kHex1, 13, 13, kHex2AfterD);
  SetHex(kHex2, 0, 15, kHex3);
  SetHex(kHex3, 0, 15, kHex4);
  SetHex(kHex4, 0, 15, kStart);
  SetHex(kHex2AfterD, 0, 7, kHex3);
  SetHex(kHex2AfterD, 8, 11, kHigh3);
  SetHex(kHigh3, 0, 15, kHigh4);
  SetHex(kHigh4, 0, 15, kBackslash);
  Set(kBackslash, '\\', '\\', kU);
  Set(kU, 'u', 'u', kLow1);
  SetHex(kLow1, 13, 13, kLow2);
  SetHex(kLow2, 12, 15, kHex3);
}

}  // namespace hew
