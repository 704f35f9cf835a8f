#include "formats/gguf.h"

#include <concepts>
#include <limits>
#include <type_traits>

#include "formats/gguf_types.h"

namespace hew {
namespace {

std::string TypeName(const GgufValue& value) {
  if (const auto* array = std::get_if<GgufArray>(&value)) {
    const size_t element = array->index() < gguf::kArray ? array->index() : array->index() + 1;
    return fmt::format("array of {}", gguf::ValueTypeName(static_cast<uint32_t>(element)));
  }
  return std::string(gguf::ValueTypeName(static_cast<uint32_t>(value.index())));
}

tl::unexpected<Error> Missing(std::string_view key) {
  return BadInput("metadata {}: expected a value, found none", key);
}

tl::unexpected<Error> WrongType(std::string_view key, std::string_view expected, const GgufValue& found) {
  return BadInput("metadata {}: expected {}, found {}", key, expected, TypeName(found));
}

Result<int64_t> ToInt(std::string_view key, const GgufValue& value) {
  return std::visit(
      [&](const auto& v) -> Result<int64_t> {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::integral<T> && !std::same_as<T, bool>) {
          if (std::in_range<int64_t>(v)) return static_cast<int64_t>(v);
          return BadInput("metadata {}: expected at most {}, found {}", key, std::numeric_limits<int64_t>::max(), v);
        } else {
          return WrongType(key, "an integer", value);
        }
      },
      value);
}

Result<double> ToFloat(std::string_view key, const GgufValue& value) {
  if (const auto* f = std::get_if<float>(&value)) return static_cast<double>(*f);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return WrongType(key, "f32 or f64", value);
}

Result<std::string> ToText(std::string_view key, const GgufValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return WrongType(key, "string", value);
}

}  // namespace

const GgufValue* GgufMetadata::Find(std::string_view key) const {
  const auto found = index_.find(std::string(key));
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

void GgufMetadata::Set(const std::string& key, GgufValue value) {
  const auto [place, added] = index_.try_emplace(key, items_.size());
  if (added) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[place->second].second = std::move(value);
  }
}

void GgufMetadata::Remove(std::string_view key) {
  const auto found = index_.find(std::string(key));
  if (found == index_.end()) return;
  items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(found->second));
  index_.clear();
  for (size_t i = 0; i < items_.size(); ++i) index_[items_[i].first] = i;
}

Result<int64_t> GgufMetadata::GetInt(std::string_view key) const {
  const GgufValue* value = Find(key);
  return value ? ToInt(key, *value) : Missing(key);
}

Result<int64_t> GgufMetadata::GetIntOr(std::string_view key, int64_t fallback) const {
  const GgufValue* value = Find(key);
  return value ? ToInt(key, *value) : fallback;
}

Result<double> GgufMetadata::GetFloat(std::string_view key) const {
  const GgufValue* value = Find(key);
  return value ? ToFloat(key, *value) : Missing(key);
}

Result<double> GgufMetadata::GetFloatOr(std::string_view key, double fallback) const {
  const GgufValue* value = Find(key);
  return value ? ToFloat(key, *value) : fallback;
}

Result<bool> GgufMetadata::GetBoolOr(std::string_view key, bool fallback) const {
  const GgufValue* value = Find(key);
  if (!value) return fallback;
  if (const auto* b = std::get_if<bool>(value)) return *b;
  return WrongType(key, "bool", *value);
}

Result<std::string> GgufMetadata::GetString(std::string_view key) const {
  const GgufValue* value = Find(key);
  return value ? ToText(key, *value) : Missing(key);
}

Result<std::string> GgufMetadata::GetStringOr(std::string_view key, const std::string& fallback) const {
  const GgufValue* value = Find(key);
  return value ? ToText(key, *value) : fallback;
}

tl::unexpected<Error> GgufMetadata::WrongArray(std::string_view key) const {
  return WrongType(key, "an array of another type", *Find(key));
}

}  // namespace hew
