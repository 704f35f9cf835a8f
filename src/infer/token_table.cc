#include "infer/token_table.h"

#include <algorithm>
#include <unordered_map>

namespace hew {
namespace {

constexpr size_t kLongestToken = 4096;  // longer ones are never said: offsets stay small

}  // namespace

TokenTable::TokenTable(const Tokenizer& tokenizer) : end_ids_(tokenizer.end_ids()) {
  const auto size = static_cast<int32_t>(tokenizer.vocab_size());
  bytes_.resize(static_cast<size_t>(size));
  for (int32_t id = 0; id < size; ++id) {
    if (tokenizer.IsSpecial(id) || std::find(end_ids_.begin(), end_ids_.end(), id) != end_ids_.end()) continue;
    std::string bytes = tokenizer.TokenBytes(id);
    if (bytes.empty() || bytes.size() > kLongestToken) continue;
    longest_ = std::max(longest_, bytes.size());
    if (bytes.size() == 1) has_byte_[static_cast<uint8_t>(bytes[0])] = true;
    bytes_[static_cast<size_t>(id)] = std::move(bytes);
    sorted_.push_back(id);
  }
  std::erase_if(end_ids_, [&](int32_t id) { return id < 0 || id >= size; });
  for (int byte = 0x80; byte < 0xC0; ++byte)
    has_continuations_ = has_continuations_ && has_byte_[static_cast<size_t>(byte)];
  std::stable_sort(sorted_.begin(), sorted_.end(), [&](int32_t a, int32_t b) { return bytes(a) < bytes(b); });
  common_.resize(sorted_.size());
  for (size_t i = 1; i < sorted_.size(); ++i) {
    const std::string &a = bytes(sorted_[i - 1]), &b = bytes(sorted_[i]);
    common_[i] = static_cast<uint16_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  }
  for (int byte = 0; byte <= 256; ++byte) {
    const auto at = std::partition_point(sorted_.begin(), sorted_.end(),
                                         [&](int32_t id) { return static_cast<uint8_t>(bytes(id)[0]) < byte; });
    first_[static_cast<size_t>(byte)] = static_cast<size_t>(at - sorted_.begin());
  }
}

const StringTokens& TokenTable::InString(uint8_t state, bool escapes) const {
  const std::lock_guard lock(mutex_);
  auto& table = in_string_[state * 2u + (escapes ? 1 : 0)];
  if (!table) table = std::make_unique<StringTokens>(MakeStringTokens(state, escapes));
  return *table;
}

StringTokens TokenTable::MakeStringTokens(uint8_t state, bool escapes) const {
  StringTokens table{TokenSet(size()), {}, {}, {}};
  std::unordered_map<std::string, int32_t> suffixes;
  for (int32_t id = 0; id < static_cast<int32_t>(size()); ++id) {
    if (bytes(id).empty()) continue;
    const std::string& token = bytes(id);
    uint8_t at = state;
    uint16_t characters = 0;
    size_t i = 0;
    for (; i < token.size() && at < JsonStringMachine::kStates; ++i) {
      const auto byte = static_cast<uint8_t>(token[i]);
      characters += JsonStringMachine::Begins(at, byte);
      at = !escapes && byte == '\\' ? JsonStringMachine::kImpossible : machine_.Next(at, byte);
    }
    if (at == JsonStringMachine::kImpossible) continue;
    if (at == JsonStringMachine::kClosed) {
      std::string suffix = token.substr(i);
      const auto [known, added] = suffixes.emplace(std::move(suffix), static_cast<int32_t>(table.suffixes.size()));
      if (added) table.suffixes.push_back(known->first);
      table.exits.push_back({id, characters, static_cast<uint16_t>(i - 1), known->second});
      continue;
    }
    if (!MayPause(at)) continue;
    table.inside.Add(id);
    table.longest_first.push_back({id, characters});
  }
  std::stable_sort(table.longest_first.begin(), table.longest_first.end(),
                   [](const auto& a, const auto& b) { return a.characters > b.characters; });
  return table;
}

}  // namespace hew
