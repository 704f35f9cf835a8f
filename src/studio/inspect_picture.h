// Where a model's weights are and what its size means, beside models that everybody has heard of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "studio/inspect.h"

namespace hew {

inline constexpr int64_t kShownRank = 16;  // of the adapter shown beside the model

// {groups: [{name, parameters, share}], sizes: [{name, parameters, bytes: {fp32, bf16, q8_0, q4_0}}],
//  adapter: {rank, parameters, bytes, share}}; null for what has no weights, adapter null where sizes are unknown.
nlohmann::ordered_json Explain(const Inspection& inspection);

// The same as bars and a table; "" for null. `color`: with terminal colours.
std::string PictureOf(const nlohmann::ordered_json& explained, bool color);

}  // namespace hew
