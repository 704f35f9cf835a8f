#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#include <algorithm>
#include <cctype>

#include "base/shown.h"

namespace hew {
namespace {

// PCRE2 limits one match; what has to be bounded is all matches of a text together. So every match begins with few
// steps, which are free, and gets twice as many until they do; those are paid from a budget that grows with the text.
// One MB of spaces takes some ten million steps in one match on a pattern with a lookahead.
constexpr uint64_t kFreeSteps = 256, kStepsPerByte = 64, kLeastBudget = 4'000'000;
// A step can look at any number of bytes: a*b runs through all that a text has of a. So a match first sees a short
// piece of the text; if it wants to look behind its end, twice as much, and what it then sees is paid from a second
// budget.
constexpr size_t kFirstWindow = 1024;
constexpr uint64_t kSeenPerByte = 64;
// What both do not see is a loop whose every step runs through the text, (?:a*b|a)*. There the processor's time counts,
// which would give other words on another machine; but no pattern of a real model comes near it: they take less than a
// hundredth.
constexpr double kLeastSeconds = 0.2, kSecondsPerByte = 0.3e-6;

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

constexpr uint32_t kHeapKilobytes = 256 * 1024;
constexpr size_t kStackBytes = size_t{64} << 20, kFirstStackBytes = 32 << 10;

PCRE2_SPTR Bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Regex::Code {
  pcre2_code* search = nullptr;
  pcre2_code* anchored = nullptr;  // matches where it is told to or not at all; JIT has no such option
  ~Code() {
    pcre2_code_free(search);
    pcre2_code_free(anchored);
  }
};

Result<Regex> Regex::Compile(const std::string& pattern, bool lines) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  const uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | (lines ? PCRE2_MULTILINE : 0);
  code->search = pcre2_compile(Bytes(pattern), pattern.size(), options, &error, &offset, nullptr);
  if (code->search)
    code->anchored = pcre2_compile(Bytes(pattern), pattern.size(), options | PCRE2_ANCHORED, &error, &offset, nullptr);
  if (!code->anchored) {
    PCRE2_UCHAR message[160];
    pcre2_get_error_message(error, message, sizeof message);
    return BadInput("pattern: expected a regular expression, found '{}' ({} at {})", Shown(pattern),
                    reinterpret_cast<char*>(message), offset);
  }
  for (pcre2_code* each : {code->search, code->anchored}) {  // without it, matching is slower, not wrong
    pcre2_jit_compile(each, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  }
  Regex regex;
  regex.code_ = std::move(code);
  return regex;
}

std::string Regex::Quote(std::string_view text) {
  std::string pattern;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && !std::isalnum(byte)) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

bool Regex::Search(std::string_view text) const {
  RegexScan::Match match;
  return RegexScan(*this, text.size()).Find(text, 0, &match) == RegexScan::Outcome::kMatch;
}

bool Regex::ForEach(std::string_view text, const std::function<void(size_t, size_t)>& fn) const {
  return RegexScan(*this, text.size()).ForEach(text, fn);
}

struct RegexScan::State {
  std::shared_ptr<const Regex::Code> code;
  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack = nullptr;  // made when the machine's own stack, 32 KB of it, was not enough
  uint64_t steps = kFreeSteps;       // the limit now set
  uint64_t budget, seen_budget;
  size_t bytes;
  double hard_seconds = 0, hard_since = 0;

  State(std::shared_ptr<const Regex::Code> c, size_t size)
      : code(std::move(c)),
        data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        budget(kLeastBudget + uint64_t{size} * kStepsPerByte),
        seen_budget(kLeastBudget + uint64_t{size} * kSeenPerByte),
        bytes(size) {
    pcre2_set_heap_limit(context, kHeapKilobytes);
    SetSteps(kFreeSteps);
  }
  ~State() {
    pcre2_jit_stack_free(stack);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  void SetSteps(uint64_t count) {
    steps = count;
    pcre2_set_match_limit(context, static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX)));
  }
  // A match from `at` on that sees the text up to `end`; PCRE2_ERROR_PARTIAL if it would have to see more.
  int Run(pcre2_code* pattern, std::string_view text, size_t at, size_t end) {
    const uint32_t options = end < text.size() ? PCRE2_PARTIAL_HARD : 0;
    const auto run = [&] { return pcre2_match(pattern, Bytes(text), end, at, options, data, context); };
    int found = run();
    while ((found == PCRE2_ERROR_MATCHLIMIT && GrowSteps()) || (found == PCRE2_ERROR_JIT_STACKLIMIT && GrowStack())) {
      found = run();
    }
    if (steps != kFreeSteps) SetSteps(kFreeSteps);
    return found;
  }
  bool PayForSeeing(size_t count) {
    if (count > seen_budget || !HasTime()) return false;
    seen_budget -= count;
    return true;
  }
  size_t Begin() const { return pcre2_get_ovector_pointer(data)[0]; }
  bool GrowStack() {
    if (stack) return false;
    stack = pcre2_jit_stack_create(kFirstStackBytes, kStackBytes, nullptr);
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
    return stack != nullptr;
  }
  // The clock runs during hard matches only: from the first call to StopClock.
  bool HasTime() {
    const double now = ThreadSeconds();
    if (hard_since == 0) hard_since = now;
    return hard_seconds + now - hard_since < kLeastSeconds + static_cast<double>(bytes) * kSecondsPerByte;
  }
  void StopClock() {
    if (hard_since == 0) return;
    hard_seconds += ThreadSeconds() - hard_since;
    hard_since = 0;
  }
  bool GrowSteps() {
    if (steps * 2 > budget || !HasTime()) return false;
    SetSteps(steps * 2);
    budget -= steps;
    return true;
  }
};

RegexScan::RegexScan(const Regex& regex, size_t bytes) : state_(std::make_unique<State>(regex.code_, bytes)) {}
RegexScan::~RegexScan() = default;

namespace {

// The end of a piece of `text` of about `bytes` bytes from `at` on, between characters.
size_t WindowEnd(std::string_view text, size_t at, size_t bytes) {
  if (bytes >= text.size() - at) return text.size();
  size_t end = at + bytes;
  while (end > at && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end > at ? end : at + bytes;
}

}  // namespace

// Looks for a match that begins at `at`, in ever longer pieces of the text.
int RegexScan::FindAt(std::string_view text, size_t at) {
  for (size_t window = 2 * kFirstWindow;; window *= 2) {
    const size_t end = WindowEnd(text, at, window);
    if (!state_->PayForSeeing(end - at)) return PCRE2_ERROR_MATCHLIMIT;
    const int found = state_->Run(state_->code->anchored, text, at, end);
    if (found != PCRE2_ERROR_PARTIAL) return found;
  }
}

RegexScan::Outcome RegexScan::Find(std::string_view text, size_t at, Match* match) {
  const size_t from = at;
  for (;;) {
    const size_t end = WindowEnd(text, at, kFirstWindow);
    int found = state_->Run(state_->code->search, text, at, end);
    const bool partial = found == PCRE2_ERROR_PARTIAL;
    const size_t begin = partial ? state_->Begin() : end;
    if (partial) found = FindAt(text, begin);
    state_->StopClock();
    if (found == PCRE2_ERROR_NOMATCH) {  // none that begins before `end`, or at `begin`
      if (!partial && end == text.size()) return Outcome::kNone;
      if (!partial && !state_->PayForSeeing(end - at)) return Outcome::kLimit;
      at = partial ? NextCharacter(text, begin) : end;
      if (at > text.size()) return Outcome::kNone;
      continue;
    }
    if (found < 0) return Outcome::kLimit;
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(state_->data);
    match->begin = std::max(span[0], from);  // \K can set it before `from`, or behind the end
    match->end = std::max(match->begin, span[1]);
    return Outcome::kMatch;
  }
}

size_t RegexScan::NextCharacter(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

}  // namespace hew
