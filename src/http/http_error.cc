#include "http/http_error.h"

namespace hew {
namespace {

const char* TypeOf(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
  }
  return status >= 500 ? "server_error" : "invalid_request_error";
}

}  // namespace

tl::unexpected<ApiError> BadField(std::string param, std::string message) {
  ApiError error;
  error.message = param.empty() ? std::move(message) : param + ": " + message;
  error.param = std::move(param);
  return tl::unexpected(std::move(error));
}

ApiError FromError(const Error& error, std::string param) {
  ApiError out;
  out.status = error.code == ErrorCode::kBadInput ? 400 : 500;
  out.message = error.message;
  out.param = std::move(param);
  return out;
}

ApiError PlainError(int status, std::string message) {
  ApiError error;
  error.status = status;
  error.message = std::move(message);
  return error;
}

Json ErrorBody(const ApiError& error) {
  Json body = {{"message", error.message},
               {"type", TypeOf(error.status)},
               {"param", error.param.empty() ? Json() : Json(error.param)},
               {"code", error.code.empty() ? Json() : Json(error.code)}};
  if (error.more.is_object()) body.update(error.more);
  return {{"error", std::move(body)}};
}

void SendError(HttpReply& reply, const ApiError& error) {
  reply.Send(error.status, "application/json", DumpJson(ErrorBody(error)), error.headers);
}

void SendJson(HttpReply& reply, const Json& body, int status) {
  reply.Send(status, "application/json", DumpJson(body));
}

}  // namespace hew
