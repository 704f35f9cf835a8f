// Which tokens end a turn. Files name one EOS at best; the rest is known by name, as llama.cpp does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hew {

// Whether a token of this text is a control token that ends a turn, whatever type its file gives it.
bool EndsTurn(std::string_view token);

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
