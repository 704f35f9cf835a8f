// Errors are values: every call that can fail on something from outside (a file, a user, the machine) returns
// Result<T>. No exception crosses a layer; HEW_CHECK (check.h) is for our own mistakes only.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace hew {

enum class ErrorCode {
  kBadInput,     // a file, setting or request is wrong: exit status 2
  kEnvironment,  // disk full, out of memory, network: exit status 3
  kCancelled,    // the user stopped it: exit status 130
};

// `message` is one line that names file, field, expected and found, for example
// "model.gguf: tensor blk.3.attn_norm.weight: expected shape [576], found [512]".
struct Error {
  ErrorCode code = ErrorCode::kBadInput;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <typename... Args>
tl::unexpected<Error> BadInput(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{ErrorCode::kBadInput, fmt::format(format, std::forward<Args>(args)...)});
}

template <typename... Args>
tl::unexpected<Error> EnvironmentError(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{ErrorCode::kEnvironment, fmt::format(format, std::forward<Args>(args)...)});
}

// The same error with "context: " before its message.
inline tl::unexpected<Error> Annotate(const std::string& context, Error error) {
  error.message = context + ": " + error.message;
  return tl::unexpected<Error>(std::move(error));
}

// HEW_ASSIGN(auto file, OpenFile(path)); declares `file` or returns the error.
#define HEW_CONCAT_INNER(a, b) a##b
#define HEW_CONCAT(a, b) HEW_CONCAT_INNER(a, b)
#define HEW_ASSIGN(declaration, expression)                                                                      \
  auto HEW_CONCAT(hew_result_, __LINE__) = (expression);                                                         \
  if (!HEW_CONCAT(hew_result_, __LINE__)) return tl::unexpected(std::move(HEW_CONCAT(hew_result_, __LINE__)).error()); \
  declaration = *std::move(HEW_CONCAT(hew_result_, __LINE__))

// HEW_RETURN_IF_ERROR(Save(path)); goes on when the call succeeded.
#define HEW_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                   \
    if (auto hew_status = (expression); !hew_status) return tl::unexpected(std::move(hew_status).error()); \
  } while (false)

}  // namespace hew
