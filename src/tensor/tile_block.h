// One row's blocks of a quantised type, in and out of a tile (tile_layout.h). Used by weight.cc only.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "tensor/tile_layout.h"

namespace hew {

const TileLayout& TileLayoutOf(DType type);  // of a quantised type

// Writes the file's block `block` as row `row` (0..15) of the tile block at `tile`.
void PutBlock(DType type, const uint8_t* block, int row, uint8_t* tile);

// Decodes row `row` of the tile block at `tile` to fp32 [layout.block]: scale * code + min, as DecodeRow does.
void DecodeTileBlock(DType type, const uint8_t* tile, int row, float* out);

}  // namespace hew
