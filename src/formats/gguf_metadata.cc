// Reads GGUF's metadata.
#include <limits>
#include <utility>

#include "base/shown.h"
#include "formats/gguf_cursor.h"
#include "formats/gguf_types.h"

namespace hew::gguf {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;

Result<bool> ReadBool(Cursor& in, std::string_view field) {
  const uint64_t start = in.offset();
  HEW_ASSIGN(const uint8_t byte, in.Number<uint8_t>(field));
  if (byte > 1) return BadInput("{} at byte {}: expected 0 or 1 for a bool, found {}", field, start, byte);
  return byte == 1;
}

Result<std::string> ReadString(Cursor& in, std::string_view field) {
  HEW_ASSIGN(const std::string_view text, in.Text(field, std::numeric_limits<uint64_t>::max()));
  return std::string(text);
}

template <typename T>
Result<GgufArray> ReadNumbers(Cursor& in, std::string_view field) {
  HEW_ASSIGN(const uint64_t count, in.Count(field, sizeof(T)));
  HEW_ASSIGN(const std::string_view raw, in.Bytes(field, count * sizeof(T)));
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

Result<GgufArray> ReadBools(Cursor& in, std::string_view field) {
  HEW_ASSIGN(const uint64_t count, in.Count(field, 1));
  std::vector<bool> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    HEW_ASSIGN(const bool value, ReadBool(in, field));
    values[i] = value;
  }
  return values;
}

Result<GgufArray> ReadStrings(Cursor& in, std::string_view field) {
  HEW_ASSIGN(const uint64_t count, in.Count(field, sizeof(uint64_t)));
  std::vector<std::string> values(count);
  for (std::string& value : values) {
    HEW_ASSIGN(value, ReadString(in, field));
  }
  return values;
}

Result<GgufArray> ReadArray(Cursor& in, std::string_view field) {
  const uint64_t start = in.offset();
  HEW_ASSIGN(const uint32_t type, in.Number<uint32_t>(field));
  switch (type) {
    case kU8:
      return ReadNumbers<uint8_t>(in, field);
    case kI8:
      return ReadNumbers<int8_t>(in, field);
    case kU16:
      return ReadNumbers<uint16_t>(in, field);
    case kI16:
      return ReadNumbers<int16_t>(in, field);
    case kU32:
      return ReadNumbers<uint32_t>(in, field);
    case kI32:
      return ReadNumbers<int32_t>(in, field);
    case kU64:
      return ReadNumbers<uint64_t>(in, field);
    case kI64:
      return ReadNumbers<int64_t>(in, field);
    case kF32:
      return ReadNumbers<float>(in, field);
    case kF64:
      return ReadNumbers<double>(in, field);
    case kBool:
      return ReadBools(in, field);
    case kString:
      return ReadStrings(in, field);
    case kArray:
      return BadInput("{} at byte {}: expected an array of numbers or strings, found an array of arrays", field, start);
    default:
      return BadInput("{} at byte {}: expected an element type from 0 to {}, found {}", field, start, kValueTypes - 1,
                      type);
  }
}

template <typename T>
Result<GgufValue> AsValue(Result<T> value) {
  if (!value) return tl::unexpected(std::move(value).error());
  return GgufValue(std::in_place_type<T>, *std::move(value));
}

Result<GgufValue> ReadValue(Cursor& in, std::string_view field) {
  const uint64_t start = in.offset();
  HEW_ASSIGN(const uint32_t type, in.Number<uint32_t>(field));
  switch (type) {
    case kU8:
      return AsValue(in.Number<uint8_t>(field));
    case kI8:
      return AsValue(in.Number<int8_t>(field));
    case kU16:
      return AsValue(in.Number<uint16_t>(field));
    case kI16:
      return AsValue(in.Number<int16_t>(field));
    case kU32:
      return AsValue(in.Number<uint32_t>(field));
    case kI32:
      return AsValue(in.Number<int32_t>(field));
    case kU64:
      return AsValue(in.Number<uint64_t>(field));
    case kI64:
      return AsValue(in.Number<int64_t>(field));
    case kF32:
      return AsValue(in.Number<float>(field));
    case kF64:
      return AsValue(in.Number<double>(field));
    case kBool:
      return AsValue(ReadBool(in, field));
    case kString:
      return AsValue(ReadString(in, field));
    case kArray:
      return AsValue(ReadArray(in, field));
    default:
      return BadInput("{} at byte {}: expected a value type from 0 to {}, found {}", field, start, kValueTypes - 1,
                      type);
  }
}

}  // namespace

Result<GgufMetadata> ReadMetadata(Cursor& in, uint64_t count) {
  GgufMetadata metadata;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = in.offset();
    HEW_ASSIGN(const std::string_view key, in.Text(fmt::format("key of metadata {}", i), kMaxKeyBytes));
    HEW_RETURN_IF_ERROR(CheckName(fmt::format("key of metadata {}", i), start, key));
    const std::string field = fmt::format("metadata {}", Shown(key));
    if (metadata.Find(key)) return BadInput("{} at byte {}: expected once, found twice", field, start);
    HEW_ASSIGN(GgufValue value, ReadValue(in, field));
    metadata.Set(std::string(key), std::move(value));
  }
  return metadata;
}

}  // namespace hew::gguf
