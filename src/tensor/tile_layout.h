// How a tile of 16 weight rows lies in memory. Plain constants, so that sources compiled for one instruction set may
// include it. A tile has as many bytes as its rows have in the file; the kernels read it in chunks of 32 columns.
//
//   F32, F16   [cols][16 rows]
//   BF16       [cols / 2][16 rows][2 columns]; an odd last column is [16 rows]
//   others     [cols / block] tile blocks, each the 16 rows' blocks cut into the planes listed in TileLayout:
//     d, dmin  fp16 [16]
//     scales   bytes [n][16], each byte as in the file (int8 [16][16] for Q6_K)
//     low      per chunk, 4 bits: u32 [4][16], nibble i of word g is column 8 g + i; 2 bits (Q2_K, Q3_K): u32 [2][16], bits
//              2i and 2i + 1 of word g are column 16 g + i; 8 bits (Q8_0): int8 [32][16]
//     high     per chunk, 1 bit a column: u32 [16]; 2 bits (Q6_K): u32 [2][16]; where, says HighWord and HighBit
#pragma once

namespace hew {

inline constexpr int kChunkCols = 32;
inline constexpr int kTileLayoutVersion = 1;  // changes with anything said here: copies on disk are then made anew

struct TileLayout {
  int block;                        // columns in one tile block
  int d, dmin, scales, high, low;   // byte offsets of the planes in a tile block; -1: absent
  int bytes;                        // of a tile block: 16 times the file's block
};

inline constexpr TileLayout kTileQ4_0 = {32, 0, -1, -1, -1, 32, 288};
inline constexpr TileLayout kTileQ4_1 = {32, 0, 32, -1, -1, 64, 320};
inline constexpr TileLayout kTileQ5_0 = {32, 0, -1, -1, 32, 96, 352};
inline constexpr TileLayout kTileQ5_1 = {32, 0, 32, -1, 64, 128, 384};
inline constexpr TileLayout kTileQ8_0 = {32, 0, -1, -1, -1, 32, 544};
inline constexpr TileLayout kTileQ2_K = {256, 0, 32, 64, -1, 320, 1344};
inline constexpr TileLayout kTileQ3_K = {256, 0, -1, 32, 224, 736, 1760};
inline constexpr TileLayout kTileQ4_K = {256, 0, 32, 64, -1, 256, 2304};
inline constexpr TileLayout kTileQ5_K = {256, 0, 32, 64, 256, 768, 2816};
inline constexpr TileLayout kTileQ6_K = {256, 0, -1, 32, 288, 1312, 3360};

// Of a word's eight columns the even and the odd ones are taken apart by a shift of four bits: column 2 i then has its nibble at bits
// 8 i .. 8 i + 3 of a word, and its high bits, after HighRotation to the right, right above it. `bits` is 1 or 2.
constexpr int HighWord(int column, int bits) { return bits == 1 ? 0 : column / 16; }
constexpr int HighRotation(int column, int bits) {
  return bits == 1 ? column / 8 % 4 * 2 + column % 2 : column / 8 % 2 * 4 + column % 2 * 2;
}
constexpr int HighBit(int column, int bits) { return (column % 8 / 2 * 8 + 4 + HighRotation(column, bits)) % 32; }

}  // namespace hew
