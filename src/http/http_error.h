// What goes wrong, as OpenAI's clients read it: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "base/json.h"
#include "http/router.h"

namespace hew {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param;  // the field at fault; "": none
  std::string code;   // "model_not_found"; "": none
  Json more;          // further fields of the error object; null: none
  std::map<std::string, std::string> headers;
};

template <typename T>
using Api = tl::expected<T, ApiError>;
using ApiStatus = Api<void>;

// A mistake in a field of the request: 400.
tl::unexpected<ApiError> BadField(std::string param, std::string message);
// An error of a lower layer: kBadInput is the client's (400), the machine's is 500, a full queue 429.
ApiError FromError(const Error& error, std::string param = "");

Json ErrorBody(const ApiError& error);
void SendError(HttpReply& reply, const ApiError& error);
void SendJson(HttpReply& reply, const Json& body, int status = 200);

// The server's own refusals, with the fields that clients know for each status.
ApiError PlainError(int status, std::string message);

#define API_ASSIGN(declaration, expression)                                                                            \
  auto HEW_CONCAT(api_result_, __LINE__) = (expression);                                                               \
  if (!HEW_CONCAT(api_result_, __LINE__)) return tl::unexpected(std::move(HEW_CONCAT(api_result_, __LINE__)).error()); \
  declaration = *std::move(HEW_CONCAT(api_result_, __LINE__))

}  // namespace hew
