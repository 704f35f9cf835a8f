#include "studio/registry/version.h"

#include <charconv>

namespace hew {

std::string Version::FileDigest(const std::string& file) const {
  for (const auto& f : files) {
    if (f.name == file) return f.digest;
  }
  return "";
}

std::string_view NameOf(VersionKind kind) {
  constexpr std::string_view kNames[] = {"base", "adapter", "model"};
  return kNames[static_cast<size_t>(kind)];
}

Json ToJson(const Version& v) {
  Json json = {{"version", v.Label()}, {"name", v.name}, {"kind", NameOf(v.kind)}, {"made_by", v.made_by}};
  json["parent"] = v.parent ? Json("v" + std::to_string(*v.parent)) : Json();
  json["base"] = v.base;
  json["created"] = v.created;
  json["program"] = v.program;
  json["program_sha256"] = v.program_digest;
  json["isa"] = v.isa;
  json["precision"] = v.precision;
  json["recipe"] = v.recipe;
  json["data"] = Json::array();
  for (const auto& d : v.data) {
    json["data"].push_back({{"role", d.role}, {"path", d.path}, {"sha256", d.digest}, {"rows", d.rows}});
  }
  json["files"] = Json::array();
  for (const auto& f : v.files) json["files"].push_back({{"name", f.name}, {"sha256", f.digest}});
  json["metrics"] = v.metrics;
  return json;
}

std::optional<int64_t> VersionNumber(std::string_view text) {
  if (text.size() < 2 || text[0] != 'v') return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || text[1] == '-' || text[1] == '+')
    return std::nullopt;
  return number;
}

}  // namespace hew
