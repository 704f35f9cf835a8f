#include "base/json.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/shown.h"

namespace hew {
namespace {

// "line 3, column 14 (byte 57)"; lines and columns count from 1, bytes from 0.
std::string Place(std::string_view text, size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t last = before.rfind('\n');
  const size_t column = last == std::string_view::npos ? offset + 1 : offset - last;
  return fmt::format("line {}, column {} (byte {})", line, column, offset);
}

// The parser's own words without its number, place and copy of the input: of "[json.exception.parse_error.101] parse
// error at line 1, column 2: syntax error while parsing value - invalid literal; last read: 'no'" the "invalid literal".
std::string Reason(std::string_view what) {
  what = what.substr(0, what.find("; last read"));
  for (std::string_view before : {"] ", " - ", "unexpected "}) {
    if (const size_t at = what.find(before); at != std::string_view::npos) what.remove_prefix(at + before.size());
  }
  return Shown(what, 120);
}

// Builds the document. Keys are appended without a search, and repeated ones found by sorting when an object ends, so
// that a vocabulary of any size costs n log n.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& name, const JsonLimits& limits)
      : text_(text), name_(name), limits_(limits) {}

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override { return Put(value); }
  bool number_unsigned(number_unsigned_t value) override { return Put(value); }
  bool number_float(number_float_t value, const string_t&) override { return Put(value); }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_array() override { return Close(); }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool end_object() override {
    std::vector<std::string_view> keys;
    for (const auto& item : open_.back()->get_ref<const Json::object_t&>()) keys.push_back(item.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice == keys.end()) return Close();
    error_ = fmt::format("{}: key \"{}\": expected once, found twice", name_, Shown(*twice));
    return false;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    const size_t offset = position > 0 ? position - 1 : 0;
    error_ = fmt::format("{}: {}: expected JSON, found {}", name_, Place(text_, offset), Reason(e.what()));
    return false;
  }

  Json Take() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  Json* Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      auto& items = parent.get_ref<Json::array_t&>();
      items.push_back(std::move(value));
      return &items.back();
    }
    Json::object_t::Container& items = parent.get_ref<Json::object_t&>();
    items.emplace_back(std::move(key_), std::move(value));
    return &items.back().second;
  }

  bool Put(Json value) {
    Add(std::move(value));
    return true;
  }

  // The pointers in open_ stay good: a container grows only while none of its children is open.
  bool Open(Json container) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      error_ = fmt::format("{}: expected at most {} levels of nesting, found more", name_, limits_.max_depth);
      return false;
    }
    open_.push_back(Add(std::move(container)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& name_;
  const JsonLimits& limits_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_, error_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, const std::string& name, const JsonLimits& limits) {
  // The parser takes a zero byte for the end of its input, which would hide whatever follows.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return BadInput("{}: {}: expected JSON, found a zero byte", name, Place(text, zero));
  }
  if (const size_t bad = FindInvalidUtf8(text); bad != std::string_view::npos) {
    return BadInput("{}: {}: expected UTF-8, found byte 0x{:02x}", name, Place(text, bad),
                    static_cast<unsigned char>(text[bad]));
  }
  Builder builder(text, name, limits);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return tl::unexpected<Error>(Error{ErrorCode::kBadInput, builder.error()});
  }
  return builder.Take();
}

}  // namespace hew
