// Reading the fields of a request: each with its kind and range; the first that is wrong is what the client is told.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "http/http_error.h"

namespace hew {

// A body that is one JSON object. Errors: 400 that says where.
Api<Json> ParseBody(const HttpRequest& request);

// Fields of one object. Absent and null are the same. After a mistake everything else reads as absent, so that callers
// look at error() once, when all is read.
class Fields {
 public:
  explicit Fields(const Json& object, std::string prefix = "") : object_(object), prefix_(std::move(prefix)) {}

  const Json* Get(const std::string& key) const;
  std::optional<int64_t> Integer(const std::string& key, int64_t least, int64_t most);
  int64_t Integer(const std::string& key, int64_t fallback, int64_t least, int64_t most);
  std::optional<double> Number(const std::string& key, double least, double most);
  bool Flag(const std::string& key, bool fallback);
  std::string Text(const std::string& key, const std::string& fallback = "");
  const Json* Array(const std::string& key, size_t least, size_t most);  // null: absent
  const Json* Object(const std::string& key);
  // One of these texts; `fallback` when absent.
  std::string OneOf(const std::string& key, const std::string& fallback, std::initializer_list<const char*> texts);
  // A field that this server does not have. `harmless`: a value that changes nothing.
  void Unsupported(const std::string& key, const Json& harmless);

  void Fail(const std::string& key, const std::string& message);  // "KEY: message"
  std::string Path(const std::string& key) const { return prefix_.empty() ? key : prefix_ + "." + key; }
  ApiStatus status() const;
  bool failed() const { return error_.has_value(); }

 private:
  const Json& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

// Token ids from an array of numbers, which need not be ids of this model. Errors: no whole numbers, or not of 32 bits.
Api<std::vector<int32_t>> ReadIds(const Json& array, const std::string& param);

// "text 'abc…'", "number 5", "an array": what was found, short.
std::string Found(const Json& value);

}  // namespace hew
