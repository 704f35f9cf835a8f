// The civil time that a template sees: passed in by the caller, so that a rendering can be repeated.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// A date and time without a zone, in the proleptic Gregorian calendar.
struct JinjaClock {
  int year = 2025;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
  int hour = 0;
  int minute = 0;
  int second = 0;
};

// The machine's local time now. For surfaces only: whatever lies below is handed a clock.
JinjaClock LocalClock();
// "2025-07-10T12:00:00", as the environment variable HEW_NOW has it.
Result<JinjaClock> ParseClock(std::string_view text);

// datetime.strftime with English names, as in the C locale.
std::string FormatClock(const JinjaClock& clock, std::string_view format);

}  // namespace hew
