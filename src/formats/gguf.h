// GGUF, versions 2 and 3: metadata, tensors, and back. Layout: docs/formats.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "formats/tensor_entry.h"

namespace hew {

using GgufArray = std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
                               std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>>;
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string, GgufArray,
                               uint64_t, int64_t, double>;  // the index is GGUF's own type number

// Metadata in file order, so that what is written back keeps everything the base had.
class GgufMetadata {
 public:
  const GgufValue* Find(std::string_view key) const;
  void Set(const std::string& key, GgufValue value);  // replaces or appends
  void Remove(std::string_view key);
  const std::vector<std::pair<std::string, GgufValue>>& items() const { return items_; }

  // Typed getters: an error names the key, the type expected and the type found. Integers of any width convert when
  // they fit; floats from float or double. The ...Or forms give `fallback` when the key is absent.
  Result<int64_t> GetInt(std::string_view key) const;
  Result<int64_t> GetIntOr(std::string_view key, int64_t fallback) const;
  Result<double> GetFloat(std::string_view key) const;
  Result<double> GetFloatOr(std::string_view key, double fallback) const;
  Result<bool> GetBoolOr(std::string_view key, bool fallback) const;
  Result<std::string> GetString(std::string_view key) const;
  Result<std::string> GetStringOr(std::string_view key, const std::string& fallback) const;
  // Null when absent; an error when it is no array of T.
  template <typename T>
  Result<const std::vector<T>*> GetArray(std::string_view key) const {
    const GgufValue* value = Find(key);
    if (!value) return static_cast<const std::vector<T>*>(nullptr);
    if (const auto* array = std::get_if<GgufArray>(value)) {
      if (const auto* typed = std::get_if<std::vector<T>>(array)) return typed;
    }
    return WrongArray(key);
  }

 private:
  tl::unexpected<Error> WrongArray(std::string_view key) const;
  std::vector<std::pair<std::string, GgufValue>> items_;
  std::unordered_map<std::string, size_t> index_;
};

class GgufFile {
 public:
  // Maps and checks the whole header: every count, length, type, shape, offset and overlap (reliability.md). Bounded
  // time and memory whatever the bytes are. Errors are prefixed with the path.
  static Result<GgufFile> Open(const std::string& path);
  static Result<GgufFile> Read(MappedFile bytes);  // the same of bytes that are there already
  static bool Looks(std::string_view bytes);  // begins with the magic "GGUF"

  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  const TensorEntry* Find(std::string_view name) const;
  const std::string& path() const { return file_.path(); }
  uint64_t file_bytes() const { return file_.bytes().size(); }

 private:
  MappedFile file_;
  uint32_t version_ = 0;
  GgufMetadata metadata_;
  std::vector<TensorEntry> tensors_;
  std::unordered_map<std::string, size_t> index_;
};

// What to write: `fill` is called once, in order, and appends the tensor's bytes through `write`; the writer checks the
// count. Tensors are never all in memory at once.
struct GgufTensorSource {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;  // row-major
  std::function<Status(const std::function<Status(std::string_view)>& write)> fill;
};

// Writes GGUF version 3 with general.alignment 32, atomically.
Status WriteGguf(const std::string& path, const GgufMetadata& metadata, const std::vector<GgufTensorSource>& tensors);

}  // namespace hew
