#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "text/json_fields.h"
#include "text/regex.h"
#include "text/unicode.h"
#include "text/word_model.h"

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

// What each character becomes; nothing for one that goes.
template <typename Fn>
Normalizer EachCharacter(Fn map) {
  return [map](std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const Character c = CharacterAt(text, at);
      out += map(c.code, text.substr(at, c.bytes));
      at += c.bytes;
    }
    return out;
  };
}

std::string_view WithoutMarks(int32_t code, std::string_view character) {
  if (code < 0) return character;
  const auto category = utf8proc_category(code);
  const bool mark =
      category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
  return mark ? std::string_view() : character;
}

// SentencePiece's "nmt" rules: control characters go, odd white space becomes a space.
std::string_view Nmt(int32_t code, std::string_view character) {
  if ((code >= 1 && code <= 8) || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0x8F ||
      code == 0x9F)
    return {};
  if (code == 9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 || (code >= 0x200B && code <= 0x200F) ||
      code == 0x2028 || code == 0x2029 || code == 0x2581 || code == 0xFEFF || code == 0xFFFD) {
    return " ";
  }
  return character;
}

Result<Normalizer> Precompiled(const Json& json, const std::string& name) {
  auto map = Charsmap::ParseBase64(TextOf(json, "precompiled_charsmap"));
  if (!map) return Annotate(name + ": normalizer.Precompiled.precompiled_charsmap", std::move(map).error());
  const auto shared = std::make_shared<const Charsmap>(*std::move(map));
  return Normalizer([shared](std::string_view text) { return shared->NormalizeGraphemes(text); });
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
  } else if (type == "StripAccents") {
    out->push_back(EachCharacter(WithoutMarks));
  } else if (type == "Nmt") {
    out->push_back(EachCharacter(Nmt));
  } else if (type == "Precompiled") {
    if (TextOf(json, "precompiled_charsmap").empty()) return {};
    HEW_ASSIGN(auto precompiled, Precompiled(json, name));
    out->push_back(std::move(precompiled));
  } else if (type == "Replace") {
    HEW_ASSIGN(auto replace, Replace(json, name));
    out->push_back(std::move(replace));
  } else if (type == "Sequence" && json.contains("normalizers") && json["normalizers"].is_array()) {
    for (const auto& part : json["normalizers"]) HEW_RETURN_IF_ERROR(Append(part, name, out));
  } else {
    return BadInput(
        "{}: normalizer: expected NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Nmt, Prepend, Replace, "
        "Precompiled or Sequence, found '{}'",
        name, Shown(type));
  }
  return {};
}

}  // namespace

Normalizer SentencePieceNormalizer(std::optional<Charsmap> map, Trie as_it_is, bool prefix, bool merge) {
  const auto shared =
      std::make_shared<const std::pair<std::optional<Charsmap>, Trie>>(std::move(map), std::move(as_it_is));
  return [shared, prefix, merge](std::string_view text) {
    std::string out;
    bool has_prefix = false, in_word = false;
    const auto append = [&](std::string_view part) {
      for (const char c : part) {
        if (c == ' ') {
          in_word = false;
          if (!merge) out += kSpaceSign;
          continue;
        }
        if (!in_word && ((prefix && !has_prefix) || merge)) {
          out += kSpaceSign;
          has_prefix = true;
        }
        in_word = true;
        out += c;
      }
    };
    for (size_t at = 0; at < text.size();) {
      const std::string_view rest = text.substr(at);
      size_t bytes = 0;
      shared->second.ForEachPrefix(rest, [&](size_t size, int32_t) { bytes = size; });
      std::string_view part = rest.substr(0, bytes);
      if (bytes == 0 && shared->first) {
        const Charsmap::Match match = shared->first->Longest(rest);
        bytes = match.bytes;
        part = match.replacement;
      }
      if (bytes == 0) {
        const Character c = CharacterAt(text, at);
        bytes = c.bytes;
        part = c.code < 0 ? "\xEF\xBF\xBD" : rest.substr(0, bytes);
      }
      append(part);
      at += bytes;
    }
    return out;
  };
}

Result<std::vector<Normalizer>> ReadNormalizers(const Json& json, const std::string& name) {
  std::vector<Normalizer> normalizers;
  HEW_RETURN_IF_ERROR(Append(json, name, &normalizers));
  return normalizers;
}

}  // namespace hew
