// Encoders of the K types' blocks: 256 values to one block, layouts as in codec.cc. Unlike the plain types' they
// search: scales, minima and levels that together make the weighted squared error small.
#pragma once

#include <cstdint>

namespace hew {

void EncodeQ4_K(const float* values, uint8_t* block);
void EncodeQ5_K(const float* values, uint8_t* block);
void EncodeQ6_K(const float* values, uint8_t* block);

}  // namespace hew
