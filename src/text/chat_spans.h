// Which bytes of a rendered conversation an assistant has to say. No template tells (few have {% generation %}, and
// those put the header inside it), so that it is found by rendering beginnings of the conversation and comparing.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hew {

// Renders the first `count` messages, with the generation prompt or without.
using RenderFirst = std::function<Result<std::string>(size_t count, bool add_generation_prompt)>;

// `text` is the whole conversation's rendering. See ChatRender::learned_spans. An error names the message that cannot
// be found in it.
Result<std::vector<std::pair<size_t, size_t>>> FindLearnedSpans(const nlohmann::ordered_json& messages,
                                                                const std::string& text,
                                                                const RenderFirst& render_first);

}  // namespace hew
