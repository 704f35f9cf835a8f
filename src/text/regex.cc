#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cctype>

#include "base/shown.h"

namespace hew {
namespace {

// PCRE2 limits one match; what has to be bounded is all matches of a text together. So every match begins with few
// steps, which are free, and gets twice as many until they do; those are paid from a budget that grows with the text.
// One MB of spaces takes some ten million steps in one match on a pattern with a lookahead.
constexpr uint64_t kFreeSteps = 256, kStepsPerByte = 64, kLeastBudget = 4'000'000;
constexpr uint32_t kHeapKilobytes = 256 * 1024;
constexpr size_t kStackBytes = size_t{64} << 20, kFirstStackBytes = 32 << 10;

PCRE2_SPTR Bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Result<Regex> Regex::Compile(const std::string& pattern, bool lines) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  const uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | (lines ? PCRE2_MULTILINE : 0);
  code->code = pcre2_compile(Bytes(pattern), pattern.size(), options, &error, &offset, nullptr);
  if (!code->code) {
    PCRE2_UCHAR message[160];
    pcre2_get_error_message(error, message, sizeof message);
    return BadInput("pattern: expected a regular expression, found '{}' ({} at {})", Shown(pattern),
                    reinterpret_cast<char*>(message), offset);
  }
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // without it, matching is slower, not wrong
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
  uint64_t budget;

  State(std::shared_ptr<const Regex::Code> c, size_t bytes)
      : code(std::move(c)),
        data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        budget(kLeastBudget + uint64_t{bytes} * kStepsPerByte) {
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
  int Run(std::string_view text, size_t at) {
    return pcre2_match(code->code, Bytes(text), text.size(), at, 0, data, context);
  }
  bool GrowStack() {
    if (stack) return false;
    stack = pcre2_jit_stack_create(kFirstStackBytes, kStackBytes, nullptr);
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
    return stack != nullptr;
  }
  bool GrowSteps() {
    if (steps * 2 > budget) return false;
    SetSteps(steps * 2);
    budget -= steps;
    return true;
  }
};

RegexScan::RegexScan(const Regex& regex, size_t bytes) : state_(std::make_unique<State>(regex.code_, bytes)) {}
RegexScan::~RegexScan() = default;

RegexScan::Outcome RegexScan::Find(std::string_view text, size_t at, Match* match) {
  int found = state_->Run(text, at);
  while ((found == PCRE2_ERROR_MATCHLIMIT && state_->GrowSteps()) ||
         (found == PCRE2_ERROR_JIT_STACKLIMIT && state_->GrowStack())) {
    found = state_->Run(text, at);
  }
  if (state_->steps != kFreeSteps) state_->SetSteps(kFreeSteps);
  if (found == PCRE2_ERROR_NOMATCH) return Outcome::kNone;
  if (found < 0) return Outcome::kLimit;
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(state_->data);
  match->begin = std::max(span[0], at);  // \K can set it before `at`, or behind the end
  match->end = std::max(match->begin, span[1]);
  return Outcome::kMatch;
}

size_t RegexScan::NextCharacter(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

}  // namespace hew
