#include "text/jinja/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace hew {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};
constexpr std::array<const char*, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};

bool IsLeap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int DaysIn(int year, int month) {
  constexpr std::array<int, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeap(year) ? 29 : kLengths[month - 1];
}

// 0-based day of the year.
int DayOfYear(const JinjaClock& c) {
  int day = c.day - 1;
  for (int month = 1; month < c.month; ++month) day += DaysIn(c.year, month);
  return day;
}

// 0 is Sunday. Days since 1 January of year 1, a Monday.
int Weekday(const JinjaClock& c) {
  const int64_t y = c.year - 1;
  return static_cast<int>((y * 365 + y / 4 - y / 100 + y / 400 + DayOfYear(c) + 1) % 7);
}

// ISO 8601 week and the year that it belongs to.
std::pair<int, int> IsoWeek(const JinjaClock& c) {
  const int weekday = (Weekday(c) + 6) % 7;  // 0 is Monday
  const int week = (DayOfYear(c) - weekday + 10) / 7;
  const auto weeks_in = [](int year) {
    const JinjaClock first{year, 1, 1}, last{year, 12, 31};
    return Weekday(first) == 4 || Weekday(last) == 4 ? 53 : 52;
  };
  if (week < 1) return {c.year - 1, weeks_in(c.year - 1)};
  if (week > weeks_in(c.year)) return {c.year + 1, 1};
  return {c.year, week};
}

}  // namespace

JinjaClock LocalClock() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec};
}

Result<JinjaClock> ParseClock(std::string_view text) {
  JinjaClock c;
  char rest = 0;
  const std::string copy(text);
  const int read = std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c", &c.year, &c.month, &c.day, &c.hour, &c.minute,
                               &c.second, &rest);
  const bool ok = read == 6 && copy.size() == 19 && c.year >= 1 && c.month >= 1 && c.month <= 12 && c.day >= 1 &&
                  c.day <= DaysIn(c.year, c.month) && c.hour >= 0 && c.hour < 24 && c.minute >= 0 && c.minute < 60 &&
                  c.second >= 0 && c.second < 60;
  if (!ok) return BadInput("time: expected YYYY-MM-DDTHH:MM:SS, found \"{}\"", text.substr(0, 40));
  return c;
}

std::string FormatClock(const JinjaClock& c, std::string_view format) {
  std::string out;
  const int hour12 = c.hour % 12 == 0 ? 12 : c.hour % 12;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    char flag = 0;  // '-': no padding, as glibc has it
    if (format[i + 1] == '-' && i + 2 < format.size()) flag = format[++i];
    const auto number = [flag](int value, int width, char pad = '0') {
      return flag == '-' ? fmt::format("{}", value)
                         : (pad == '0' ? fmt::format("{:0{}}", value, width) : fmt::format("{:>{}}", value, width));
    };
    const int weekday = Weekday(c);
    switch (format[++i]) {
      case 'a':
        out += std::string_view(kDays[weekday]).substr(0, 3);
        break;
      case 'A':
        out += kDays[weekday];
        break;
      case 'w':
        out += fmt::format("{}", weekday);
        break;
      case 'u':
        out += fmt::format("{}", weekday == 0 ? 7 : weekday);
        break;
      case 'd':
        out += number(c.day, 2);
        break;
      case 'e':
        out += number(c.day, 2, ' ');
        break;
      case 'b':
      case 'h':
        out += std::string_view(kMonths[c.month - 1]).substr(0, 3);
        break;
      case 'B':
        out += kMonths[c.month - 1];
        break;
      case 'm':
        out += number(c.month, 2);
        break;
      case 'y':
        out += number(c.year % 100, 2);
        break;
      case 'Y':
        out += fmt::format("{}", c.year);
        break;
      case 'C':
        out += number(c.year / 100, 2);
        break;
      case 'G':
        out += fmt::format("{}", IsoWeek(c).first);
        break;
      case 'g':
        out += number(IsoWeek(c).first % 100, 2);
        break;
      case 'V':
        out += number(IsoWeek(c).second, 2);
        break;
      case 'H':
        out += number(c.hour, 2);
        break;
      case 'k':
        out += number(c.hour, 2, ' ');
        break;
      case 'I':
        out += number(hour12, 2);
        break;
      case 'l':
        out += number(hour12, 2, ' ');
        break;
      case 'p':
        out += c.hour < 12 ? "AM" : "PM";
        break;
      case 'P':
        out += c.hour < 12 ? "am" : "pm";
        break;
      case 'M':
        out += number(c.minute, 2);
        break;
      case 'S':
        out += number(c.second, 2);
        break;
      case 'f':
        out += "000000";
        break;
      case 'j':
        out += number(DayOfYear(c) + 1, 3);
        break;
      case 'U':
        out += number((DayOfYear(c) + 7 - weekday) / 7, 2);
        break;
      case 'W':
        out += number((DayOfYear(c) + 7 - (weekday + 6) % 7) / 7, 2);
        break;
      case 'c':
        out += FormatClock(c, "%a %b %e %H:%M:%S %Y");
        break;
      case 'x':
      case 'D':
        out += FormatClock(c, "%m/%d/%y");
        break;
      case 'X':
      case 'T':
        out += FormatClock(c, "%H:%M:%S");
        break;
      case 'F':
        out += FormatClock(c, "%Y-%m-%d");
        break;
      case 'R':
        out += FormatClock(c, "%H:%M");
        break;
      case 'r':
        out += FormatClock(c, "%I:%M:%S %p");
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'z':
      case 'Z':
        break;  // a time without a zone prints nothing here
      case '%':
        out += '%';
        break;
      default:
        out += '%';
        if (flag != 0) out += flag;
        out += format[i];
    }
  }
  return out;
}

}  // namespace hew
