#include "mutate.h"

#include <cstring>
#include <vector>

#include "base/json.h"

namespace hew::fuzz {
namespace {

template <typename List>
const auto& Any(const List& list, Random& random) {
  return list[random.Below(std::size(list))];
}

Json EdgeValue(std::span<const char* const> words, Random& random) {
  switch (random.Below(10)) {
    case 0:
      return nullptr;
    case 1:
      return random.Below(2) == 1;
    case 2:
      return EdgeNumber(random);
    case 3:
      return -static_cast<int64_t>(EdgeNumber(random) / 2);
    case 4:
      return 1.5;
    case 5:
      return 1e308;
    case 6:
      return Json::array();
    case 7:
      return Json::object();
    case 8:
      return std::string(random.Below(300), 'x');
    default:
      return words.empty() ? Json("") : Json(Any(words, random));
  }
}

// Every value of the document, itself included.
void Collect(Json& value, std::vector<Json*>* all) {
  if (all->size() > 5000) return;
  all->push_back(&value);
  if (value.is_structured()) {
    for (Json& child : value) Collect(child, all);
  }
}

void ChangeContainer(Json& value, const Json& other, std::span<const char* const> words, Random& random) {
  if (value.is_array()) {
    if (value.empty() || random.Below(2) == 0) {
      value.insert(value.begin() + static_cast<std::ptrdiff_t>(random.Below(value.size() + 1)), other);
    } else {
      value.erase(random.Below(value.size()));
    }
    return;
  }
  auto& members = value.get_ref<Json::object_t&>();
  if (members.empty() || random.Below(3) == 0) {
    const std::string key = words.empty() ? "k" : Any(words, random);
    if (!value.contains(key)) value[key] = other;
    return;
  }
  auto at = value.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random.Below(members.size())));
  const Json kept = *at;
  value.erase(at);
  if (random.Below(2) == 0) value[words.empty() ? "k" : Any(words, random)] = kept;
}

}  // namespace

uint64_t EdgeNumber(Random& random) {
  static constexpr uint64_t kNear[] = {0, 1, 2, 3, 16, 31, 32, 33, 255, 256, 65535, 65536};
  const uint64_t power = uint64_t{1} << random.Below(64);
  switch (random.Below(4)) {
    case 0:
      return Any(kNear, random);
    case 1:
      return power - random.Below(2);
    case 2:
      return UINT64_MAX - random.Below(64);
    default:
      return random.Below(100);
  }
}

std::string MutateText(std::string_view text, std::span<const char* const> words, Random& random) {
  std::string out(text);
  const size_t at = random.Below(out.size() + 1);
  const size_t length = random.Below(std::min<size_t>(out.size() - at, 40) + 1);
  switch (random.Below(5)) {
    case 0:
      return out.insert(at, words.empty() ? "0" : Any(words, random));
    case 1:
      return out.insert(at, out.substr(at, length));
    case 2:
      return out.erase(at, length);
    case 3:
      return out.replace(at, length, words.empty() ? "" : Any(words, random));
    default:
      if (at < out.size()) out[at] = static_cast<char>(random.Below(256));
      return out;
  }
}

std::string MutateJson(std::string_view text, std::span<const char* const> words, Random& random) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || random.Below(20) == 0) return MutateText(text, words, random);
  std::vector<Json*> all;
  Collect(json, &all);
  Json& value = *Any(all, random);
  const Json other = random.Below(2) == 0 ? *Any(all, random) : EdgeValue(words, random);
  switch (random.Below(4)) {
    case 0:
      value = other;
      break;
    case 1:
      value = Json::array({value});
      break;
    case 2:
      if (value.is_string()) {
        value = MutateText(value.get_ref<const std::string&>(), words, random);
        break;
      }
      [[fallthrough]];
    default:
      if (value.is_structured())
        ChangeContainer(value, other, words, random);
      else
        value = other;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string MutateSafetensors(std::string_view bytes, std::span<const char* const> words, Random& random) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) return MutateText(bytes, words, random);
  std::memcpy(&length, bytes.data(), sizeof length);
  std::string_view header = bytes.substr(sizeof length);
  std::string data(header.substr(std::min<size_t>(length, header.size())));
  std::string text(header.substr(0, length));
  if (random.Below(8) == 0)
    data.resize(random.Below(data.size() + 64));
  else
    text = MutateJson(text, words, random);
  length = random.Below(50) == 0 ? EdgeNumber(random) : text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data;
}

std::string Joined(std::string_view first, std::string_view second) {
  const auto length = static_cast<uint32_t>(first.size());
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  return out.append(first).append(second);
}

std::pair<std::string_view, std::string_view> Parted(std::string_view bytes) {
  uint32_t length = 0;
  if (bytes.size() < sizeof length) return {bytes, {}};
  std::memcpy(&length, bytes.data(), sizeof length);
  bytes.remove_prefix(sizeof length);
  const size_t first = std::min<size_t>(length, bytes.size());
  return {bytes.substr(0, first), bytes.substr(first)};
}

}  // namespace hew::fuzz
