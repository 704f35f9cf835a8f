// Row-major dimensions of a tensor, outermost first: a weight [out, in] has rows of `in` neighbouring values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hew {

using Shape = std::vector<int64_t>;

int64_t ElementCount(const Shape& shape);  // 1 for a scalar; the product must be known to fit
std::string ToString(const Shape& shape);  // "[576, 1536]"

}  // namespace hew
