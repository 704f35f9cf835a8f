// Which tokens end a turn, by their text: files name one EOS at best.
#pragma once

#include <string_view>

namespace hew {

// Whether a token of this text is a control token that ends a turn, whatever type its file gives it (llama.cpp's list).
bool EndsTurn(std::string_view token);

}  // namespace hew
