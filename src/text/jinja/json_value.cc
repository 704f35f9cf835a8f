#include "text/jinja/json_value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

bool IsPlainWord(const nlohmann::ordered_json& json) {
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Result<Value> Convert(const nlohmann::ordered_json& json, bool is_data, int depth) {
  if (depth > kMaxNesting) return BadInput("context: expected at most {} levels of nesting", kMaxNesting);
  switch (json.type()) {
    case nlohmann::json::value_t::null:
      return Value::None();
    case nlohmann::json::value_t::boolean:
      return Value::Bool(json.get<bool>());
    case nlohmann::json::value_t::number_integer:
      return Value::Int(json.get<int64_t>());
    case nlohmann::json::value_t::number_unsigned: {
      const auto number = json.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return BadInput("context: expected integers below 2^63, found {}", number);
      }
      return Value::Int(static_cast<int64_t>(number));
    }
    case nlohmann::json::value_t::number_float:
      return Value::Float(json.get<double>());
    case nlohmann::json::value_t::string:
      return Value::FromText(MarkedText(json.get_ref<const std::string&>(), is_data));
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) {
        HEW_ASSIGN(Value value, Convert(item, is_data, depth + 1));
        items.push_back(std::move(value));
      }
      return MakeSequence(Sequence::Type::kList, std::move(items));
    }
    case nlohmann::json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) {
        const bool item_is_data = is_data && !(key == "role" && IsPlainWord(item));
        HEW_ASSIGN(Value value, Convert(item, item_is_data, depth + 1));
        HEW_RETURN_IF_ERROR(dict->Set(Value::FromText(MarkedText(key, is_data)), std::move(value)));
      }
      return Value::From(std::shared_ptr<const Dict>(std::move(dict)));
    }
    default:
      return BadInput("context: expected JSON values, found binary data");
  }
}

class Dumper {
 public:
  Dumper(const DumpOptions& options, Budget* budget) : options_(options), budget_(budget) {}

  Status Dump(const Value& value, int level) {
    HEW_RETURN_IF_ERROR(budget_->Charge(1));
    switch (value.kind()) {
      case Kind::kNone:
        return Append("null");
      case Kind::kBool:
        return Append(value.AsBool() ? "true" : "false");
      case Kind::kInt:
        return Append(std::to_string(value.AsInt()));
      case Kind::kFloat:
        return Append(FloatText(value.AsDouble()));
      case Kind::kText:
        return AppendQuoted(value.AsText(), value.AsMarkedText().has_data());
      case Kind::kSequence:
        if (value.AsSequence().type == Sequence::Type::kList || value.AsSequence().type == Sequence::Type::kTuple) {
          return DumpArray(value.AsSequence().items, level);
        }
        break;
      case Kind::kDict:
        return DumpObject(value.AsDict(), level);
      default:
        break;
    }
    return BadInput("Object of type {} is not JSON serializable", TypeName(value));
  }

  MarkedText Take() { return std::move(out_); }

 private:
  static std::string FloatText(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
    return FloatRepr(d);
  }

  Status Append(std::string_view text, bool is_data = false) {
    if (out_.size() + text.size() > static_cast<uint64_t>(budget_->max_text_bytes())) {
      return budget_->ChargeText(out_.size() + text.size());
    }
    HEW_RETURN_IF_ERROR(budget_->Charge(static_cast<int64_t>(text.size() / 256)));
    out_.Append(text, is_data);
    return {};
  }

  void AppendEscape(uint32_t c, std::string* out) const {
    switch (c) {
      case '"':
        *out += "\\\"";
        return;
      case '\\':
        *out += "\\\\";
        return;
      case '\n':
        *out += "\\n";
        return;
      case '\r':
        *out += "\\r";
        return;
      case '\t':
        *out += "\\t";
        return;
      case '\b':
        *out += "\\b";
        return;
      case '\f':
        *out += "\\f";
        return;
      default:
        break;
    }
    if (c < 0x10000) {
      *out += fmt::format("\\u{:04x}", c);
    } else {
      *out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }

  Status AppendQuoted(std::string_view text, bool is_data) {
    std::string quoted = "\"";
    for (size_t pos = 0; pos < text.size();) {
      const CodePoint c = DecodeAt(text, pos);
      const bool plain = c.value == kInvalidByte || (c.value >= 0x20 && c.value != '"' && c.value != '\\' &&
                                                     (!options_.ensure_ascii || c.value < 0x7F));
      if (plain) {
        quoted += text.substr(pos, c.bytes);
      } else {
        AppendEscape(c.value, &quoted);
      }
      pos += c.bytes;
    }
    quoted += '"';
    return Append(quoted, is_data);
  }

  Status NewLine(int level) {
    if (!options_.indent) return {};
    HEW_RETURN_IF_ERROR(Append("\n"));
    for (int i = 0; i < level; ++i) HEW_RETURN_IF_ERROR(Append(*options_.indent));
    return {};
  }

  Status DumpArray(const std::vector<Value>& items, int level) {
    if (items.empty()) return Append("[]");
    HEW_RETURN_IF_ERROR(Append("["));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) HEW_RETURN_IF_ERROR(Append(options_.item_separator));
      HEW_RETURN_IF_ERROR(NewLine(level + 1));
      HEW_RETURN_IF_ERROR(Dump(items[i], level + 1));
    }
    HEW_RETURN_IF_ERROR(NewLine(level));
    return Append("]");
  }

  Result<std::string> KeyText(const Value& key) {
    switch (key.kind()) {
      case Kind::kText:
        return key.AsText();
      case Kind::kNone:
        return "null";
      case Kind::kBool:
        return key.AsBool() ? "true" : "false";
      case Kind::kInt:
        return std::to_string(key.AsInt());
      case Kind::kFloat:
        return FloatText(key.AsDouble());
      default:
        return BadInput("keys must be str, int, float, bool or None, not {}", TypeName(key));
    }
  }

  Status DumpObject(const Dict& dict, int level) {
    if (dict.entries.empty()) return Append("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (options_.sort_keys) HEW_RETURN_IF_ERROR(SortKeys(&entries));
    HEW_RETURN_IF_ERROR(Append("{"));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) HEW_RETURN_IF_ERROR(Append(options_.item_separator));
      HEW_RETURN_IF_ERROR(NewLine(level + 1));
      HEW_ASSIGN(const std::string key, KeyText(entries[i]->first));
      const bool is_data = entries[i]->first.Is(Kind::kText) && entries[i]->first.AsMarkedText().has_data();
      HEW_RETURN_IF_ERROR(AppendQuoted(key, is_data));
      HEW_RETURN_IF_ERROR(Append(options_.key_separator));
      HEW_RETURN_IF_ERROR(Dump(entries[i]->second, level + 1));
    }
    HEW_RETURN_IF_ERROR(NewLine(level));
    return Append("}");
  }

  Status SortKeys(std::vector<const std::pair<Value, Value>*>* entries) {
    HEW_RETURN_IF_ERROR(budget_->ChargeItems(entries->size() * 16));
    for (const auto* entry : *entries) {
      if (entry->first.kind() != entries->front()->first.kind()) return BadInput("sort_keys: keys of different types");
    }
    const Kind kind = entries->front()->first.kind();
    std::stable_sort(entries->begin(), entries->end(), [kind](const auto* a, const auto* b) {
      if (kind == Kind::kText) return a->first.AsText() < b->first.AsText();
      return a->first.IsNumber() && a->first.AsDouble() < b->first.AsDouble();
    });
    return {};
  }

  const DumpOptions& options_;
  Budget* budget_;
  MarkedText out_;
};

}  // namespace

Result<Value> FromJson(const nlohmann::ordered_json& json, bool is_data) { return Convert(json, is_data, 0); }

Result<MarkedText> DumpJson(const Value& value, const DumpOptions& options, Budget* budget) {
  Dumper dumper(options, budget);
  HEW_RETURN_IF_ERROR(dumper.Dump(value, 0));
  return dumper.Take();
}

}  // namespace hew::jinja
