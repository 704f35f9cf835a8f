// The ids that end a turn: those that a file names, and those known by their text (formats/end_of_turn.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hew {

class EndTokens {
 public:
  void AddNamed(std::string_view token, int32_t id);  // counts if its name is known
  void AddId(std::optional<int32_t> id);
  std::vector<int32_t> Ids() const;  // ascending

 private:
  std::vector<int32_t> ids_;
  std::optional<int32_t> end_;  // <|end|>
  bool returns_ = false, calls_ = false, flushes_ = false;
};

}  // namespace hew
