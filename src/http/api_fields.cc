#include "http/api_fields.h"

#include <cmath>

#include "base/shown.h"

namespace hew {

Api<Json> ParseBody(const HttpRequest& request) {
  if (request.body.empty()) return BadField("", "body: expected a JSON object, found nothing");
  auto body = ParseJson(request.body, "body");
  if (!body) return BadField("", body.error().message);
  if (!body->is_object()) return BadField("", fmt::format("body: expected a JSON object, found {}", Found(*body)));
  return *std::move(body);
}

Api<std::vector<int32_t>> ReadIds(const Json& array, const std::string& param) {
  std::vector<int32_t> ids;
  ids.reserve(array.size());
  for (const auto& value : array) {
    if (!value.is_number_integer() || value < 0 || value > INT32_MAX)
      return BadField(param, fmt::format("expected token ids, found {}", Found(value)));
    ids.push_back(value.get<int32_t>());
  }
  return ids;
}

std::string Found(const Json& value) {
  if (value.is_string()) return "'" + Shown(value.get_ref<const std::string&>(), 40) + "'";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return Shown(DumpJson(value), 40);
}

const Json* Fields::Get(const std::string& key) const {
  if (failed()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::Fail(const std::string& key, const std::string& message) {
  if (!failed()) error_ = BadField(Path(key), message).value();
}

ApiStatus Fields::status() const {
  if (failed()) return tl::unexpected(*error_);
  return {};
}

std::optional<int64_t> Fields::Integer(const std::string& key, int64_t least, int64_t most) {
  const Json* value = Get(key);
  if (!value) return std::nullopt;
  std::optional<int64_t> number;
  if (value->is_number_unsigned()) {
    if (value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) number = value->get<int64_t>();
  } else if (value->is_number_integer()) {
    number = value->get<int64_t>();
  } else if (value->is_number_float()) {  // 16.0, as some languages write it
    const double real = value->get<double>();
    if (std::floor(real) == real && std::abs(real) < 9e15) number = static_cast<int64_t>(real);
  }
  if (number && *number >= least && *number <= most) return number;
  if (most == INT64_MAX) {
    Fail(key, fmt::format("expected a whole number of at least {}, found {}", least, Found(*value)));
  } else {
    Fail(key, fmt::format("expected a whole number from {} to {}, found {}", least, most, Found(*value)));
  }
  return std::nullopt;
}

int64_t Fields::Integer(const std::string& key, int64_t fallback, int64_t least, int64_t most) {
  return Integer(key, least, most).value_or(fallback);
}

std::optional<double> Fields::Number(const std::string& key, double least, double most) {
  const Json* value = Get(key);
  if (!value) return std::nullopt;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= least && number <= most) return number;
  }
  Fail(key, fmt::format("expected a number from {} to {}, found {}", least, most, Found(*value)));
  return std::nullopt;
}

bool Fields::Flag(const std::string& key, bool fallback) {
  const Json* value = Get(key);
  if (!value) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Fail(key, fmt::format("expected true or false, found {}", Found(*value)));
  return fallback;
}

std::string Fields::Text(const std::string& key, const std::string& fallback) {
  const Json* value = Get(key);
  if (!value) return fallback;
  if (value->is_string()) return value->get<std::string>();
  Fail(key, fmt::format("expected text, found {}", Found(*value)));
  return fallback;
}

const Json* Fields::Array(const std::string& key, size_t least, size_t most) {
  const Json* value = Get(key);
  if (!value) return nullptr;
  if (!value->is_array()) {
    Fail(key, fmt::format("expected an array, found {}", Found(*value)));
    return nullptr;
  }
  if (value->size() < least || value->size() > most) {
    Fail(key, fmt::format("expected {} to {} entries, found {}", least, most, value->size()));
    return nullptr;
  }
  return value;
}

const Json* Fields::Object(const std::string& key) {
  const Json* value = Get(key);
  if (!value || value->is_object()) return value;
  Fail(key, fmt::format("expected an object, found {}", Found(*value)));
  return nullptr;
}

std::string Fields::OneOf(const std::string& key, const std::string& fallback,
                          std::initializer_list<const char*> texts) {
  std::string text = Text(key, fallback), all;
  if (failed() || text == fallback) return text;
  for (const char* each : texts) {
    if (text == each) return text;
    all += all.empty() ? "" : ", ";
    all += each;
  }
  Fail(key, fmt::format("expected one of {}; found '{}'", all, Shown(text, 40)));
  return fallback;
}

void Fields::Unsupported(const std::string& key, const Json& harmless) {
  const Json* value = Get(key);
  if (value && *value != harmless)
    Fail(key, fmt::format("expected none ({} is not supported), found {}", key, Found(*value)));
}

}  // namespace hew
