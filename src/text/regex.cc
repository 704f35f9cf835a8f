#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/shown.h"

namespace hew {
namespace {

// 1 MB of spaces needs some ten million steps on a pattern with a lookahead: the limit grows with the text.
constexpr uint32_t kStepsPerByte = 16, kLeastSteps = 1'000'000, kMostSteps = 2'000'000'000;
constexpr uint32_t kHeapKilobytes = 256 * 1024;

struct MatchState {
  pcre2_match_data* data;
  pcre2_match_context* context = pcre2_match_context_create(nullptr);

  MatchState(const pcre2_code* code, size_t bytes) : data(pcre2_match_data_create_from_pattern(code, nullptr)) {
    const uint64_t steps = std::clamp<uint64_t>(uint64_t{bytes} * kStepsPerByte, kLeastSteps, kMostSteps);
    pcre2_set_match_limit(context, static_cast<uint32_t>(steps));
    pcre2_set_heap_limit(context, kHeapKilobytes);
  }
  ~MatchState() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Result<Regex> Regex::Compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (!code->code) {
    PCRE2_UCHAR message[160];
    pcre2_get_error_message(error, message, sizeof message);
    return BadInput("pattern: expected a regular expression, found '{}' ({} at {})", Shown(pattern), reinterpret_cast<char*>(message), offset);
  }
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // without it, matching is slower, not wrong
  Regex regex;
  regex.code_ = std::move(code);
  return regex;
}

bool Regex::Search(std::string_view text) const {
  MatchState state(code_->code, text.size());
  return pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, state.data, state.context) >= 0;
}

bool Regex::ForEach(std::string_view text, const std::function<void(size_t, size_t)>& fn) const {
  MatchState state(code_->code, text.size());
  size_t at = 0;
  while (at <= text.size()) {
    const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0, state.data, state.context);
    if (found == PCRE2_ERROR_NOMATCH) return true;
    if (found < 0) return false;
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(state.data);
    if (span[1] > span[0]) {
      fn(span[0], span[1]);
      at = span[1];
    } else {
      at = span[1] + 1;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    }
  }
  return true;
}

}  // namespace hew
