#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "text/regex.h"
#include "text/unicode.h"

namespace hew {
namespace {

// Bytes that are no UTF-8 leave the text as it is: there is nothing to normalise.
Normalizer Unicode(int options) {
  return [options](std::string_view text) {
    const auto ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (std::all_of(text.begin(), text.end(), ascii)) return std::string(text);  // every form leaves it as it is
    utf8proc_uint8_t* out = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &out, static_cast<utf8proc_option_t>(options));
    std::string result =
        size < 0 ? std::string(text) : std::string(reinterpret_cast<char*>(out), static_cast<size_t>(size));
    std::free(out);
    return result;
  };
}

std::string Lowercase(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    if (c.code < 0) {
      out += text[at];
    } else if (c.code == 0x130) {  // the one character whose small form is two: i and a dot above
      out += "i\xCC\x87";
    } else {
      utf8proc_uint8_t buffer[4];
      const auto written = utf8proc_encode_char(utf8proc_tolower(c.code), buffer);
      out.append(reinterpret_cast<char*>(buffer), static_cast<size_t>(written));
    }
    at += c.bytes;
  }
  return out;
}

std::string Strip(std::string_view text, bool left, bool right) {
  if (left) text = StripLeft(text);
  if (right) text = StripRight(text);
  return std::string(text);
}

std::string TextOf(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}
bool FlagOf(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_boolean() && at->get<bool>();
}

Result<Normalizer> Replace(const Json& json, const std::string& name) {
  const auto at = json.find("pattern");
  const std::string content = TextOf(json, "content");
  if (at == json.end() || !at->is_object())
    return BadInput("{}: normalizer.Replace.pattern: expected String or Regex, found none", name);
  std::string pattern = TextOf(*at, "Regex");
  if (pattern.empty()) pattern = Regex::Quote(TextOf(*at, "String"));
  auto regex = Regex::Compile(pattern, /*lines=*/true);
  if (!regex) return Annotate(name + ": normalizer.Replace", std::move(regex).error());
  return Normalizer([regex = *regex, content](std::string_view text) {
    std::string out;
    size_t last = 0;
    regex.ForEach(text, [&](size_t begin, size_t end) {
      out.append(text.substr(last, begin - last)).append(content);
      last = end;
    });
    return out.append(text.substr(last));
  });
}

Status Append(const Json& json, const std::string& name, std::vector<Normalizer>* out) {
  if (json.is_null()) return {};
  const std::string type = json.is_object() ? TextOf(json, "type") : "";
  constexpr int kStable = UTF8PROC_STABLE;
  if (type == "NFC") {
    out->push_back(Unicode(kStable | UTF8PROC_COMPOSE));
  } else if (type == "NFD") {
    out->push_back(Unicode(kStable | UTF8PROC_DECOMPOSE));
  } else if (type == "NFKC") {
    out->push_back(Unicode(kStable | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
  } else if (type == "NFKD") {
    out->push_back(Unicode(kStable | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT));
  } else if (type == "Lowercase") {
    out->push_back(Lowercase);
  } else if (type == "Strip") {
    const bool left = FlagOf(json, "strip_left"), right = FlagOf(json, "strip_right");
    out->push_back([left, right](std::string_view text) { return Strip(text, left, right); });
  } else if (type == "Prepend") {
    const std::string prefix = TextOf(json, "prepend");
    out->push_back(
        [prefix](std::string_view text) { return text.empty() ? std::string() : prefix + std::string(text); });
  } else if (type == "Replace") {
    HEW_ASSIGN(auto replace, Replace(json, name));
    out->push_back(std::move(replace));
  } else if (type == "Sequence" && json.contains("normalizers") && json["normalizers"].is_array()) {
    for (const auto& part : json["normalizers"]) HEW_RETURN_IF_ERROR(Append(part, name, out));
  } else {
    return BadInput(
        "{}: normalizer: expected NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace or Sequence, found '{}'",
        name, Shown(type));
  }
  return {};
}

}  // namespace

Result<std::vector<Normalizer>> ReadNormalizers(const Json& json, const std::string& name) {
  std::vector<Normalizer> normalizers;
  HEW_RETURN_IF_ERROR(Append(json, name, &normalizers));
  return normalizers;
}

}  // namespace hew
