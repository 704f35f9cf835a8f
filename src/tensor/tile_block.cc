#include "tensor/tile_block.h"

#include <cstring>

#include "base/check.h"
#include "base/float16.h"

namespace hew {
namespace {

uint64_t Load64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

uint32_t Load32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

// The low four bits of eight bytes, as eight nibbles.
uint32_t PackNibbles(uint64_t x) {
  x &= 0x0f0f0f0f0f0f0f0fu;
  x = (x | (x >> 4)) & 0x00ff00ff00ff00ffu;
  x = (x | (x >> 8)) & 0x0000ffff0000ffffu;
  return static_cast<uint32_t>(x | (x >> 16));
}

// The low two bits of eight bytes, as sixteen bits.
uint32_t PackPairs(uint64_t x) {
  x &= 0x0303030303030303u;
  x = (x | (x >> 6)) & 0x000f000f000f000fu;
  x = (x | (x >> 12)) & 0x000000ff000000ffu;
  return static_cast<uint32_t>(x | (x >> 24)) & 0xffffu;
}

// The lowest bit of eight bytes, as eight bits: the product moves bit 8i to bit 56 + i.
uint32_t PackBits(uint64_t x) {
  return static_cast<uint32_t>(((x & 0x0101010101010101u) * 0x0102040810204080u) >> 56);
}

// The bits under `mask` change places with those `distance` above them.
uint32_t SwapBits(uint32_t x, uint32_t mask, int distance) {
  const uint32_t change = (x ^ (x >> distance)) & mask;
  return x ^ change ^ (change << distance);
}

uint32_t RotateLeft(uint32_t x, int n) { return n == 0 ? x : (x << n) | (x >> (32 - n)); }

// A row's view of the planes of one tile block.
struct Planes {
  const TileLayout& layout;
  uint8_t* tile;
  int row;

  void PutHalf(int plane, const uint8_t* half) const { std::memcpy(tile + plane + row * 2, half, 2); }
  void PutBytes(int plane, const uint8_t* bytes, int count) const {
    for (int i = 0; i < count; ++i) tile[plane + i * 16 + row] = bytes[i];
  }
  void PutWord(int plane, int word, uint32_t value) const { std::memcpy(tile + plane + (word * 16 + row) * 4, &value, 4); }
  // 32 columns of four bits, from the low nibbles of 32 bytes shifted right.
  void PutNibbles(int chunk, const uint8_t* bytes, int shift) const {
    for (int g = 0; g < 4; ++g) PutWord(layout.low, chunk * 4 + g, PackNibbles(Load64(bytes + 8 * g) >> shift));
  }
  // 32 columns of two bits, from the low bits of 32 bytes shifted right.
  void PutPairs(int chunk, const uint8_t* bytes, int shift) const {
    for (int g = 0; g < 2; ++g) {
      const uint32_t first = PackPairs(Load64(bytes + 16 * g) >> shift);
      PutWord(layout.low, chunk * 2 + g, first | (PackPairs(Load64(bytes + 16 * g + 8) >> shift) << 16));
    }
  }
  // 32 columns' high bits: bit k of `bits` is column k's. Pairs of columns change places, those of one word and those of the next,
  // as HighBit says.
  void PutHighBits(int chunk, uint32_t bits) const {
    bits = SwapBits(bits, 0x0000f0f0u, 12);
    bits = SwapBits(bits, 0x00cc00ccu, 6);
    PutWord(layout.high, chunk, RotateLeft(bits, 4));
  }
  void PutHighBits(int chunk, const uint8_t* bytes, int shift) const {
    uint32_t bits = 0;
    for (int g = 0; g < 4; ++g) bits |= PackBits(Load64(bytes + 8 * g) >> shift) << (8 * g);
    PutHighBits(chunk, bits);
  }
  // 32 columns' pairs of high bits, from the low bits of 32 bytes shifted right.
  void PutHighPairs(int chunk, const uint8_t* bytes, int shift) const {
    for (int g = 0; g < 2; ++g) {
      uint32_t pairs = PackPairs(Load64(bytes + 16 * g) >> shift) | PackPairs(Load64(bytes + 16 * g + 8) >> shift) << 16;
      pairs = SwapBits(pairs, 0x0000ff00u, 8);
      pairs = SwapBits(pairs, 0x00f000f0u, 4);
      PutWord(layout.high, chunk * 2 + g, RotateLeft(pairs, 4));
    }
  }
  // The 32-column formats: byte j holds column j in its low and column j + 16 in its high nibble.
  void PutHalves(const uint8_t* bytes) const {
    for (int g = 0; g < 4; ++g) PutWord(layout.low, g, PackNibbles(Load64(bytes + 8 * (g & 1)) >> (g < 2 ? 0 : 4)));
  }
};

float HalfAt(const uint8_t* tile, int plane, int row) {
  uint16_t half;
  std::memcpy(&half, tile + plane + row * 2, 2);
  return HalfToFloat(half);
}

// The low code of `column`, of 2 or 4 bits, from the plane at `low`.
int LowCode(const uint8_t* low, int row, int column, int bits) {
  const int per_word = 32 / bits;
  return static_cast<int>(Load32(low + (column / per_word * 16 + row) * 4) >> (column % per_word * bits)) & ((1 << bits) - 1);
}

// The high code of `column`, of 1 or 2 bits, from the plane at `high`.
int HighCode(const uint8_t* high, int row, int column, int bits) {
  const int chunk = column / kChunkCols, k = column % kChunkCols;
  return static_cast<int>(Load32(high + ((chunk * bits + HighWord(k, bits)) * 16 + row) * 4) >> HighBit(k, bits)) & ((1 << bits) - 1);
}

// Scale and minimum (6 bits each) of sub-block j of 32 columns in Q4_K and Q5_K, from the 12 bytes they share.
void ScaleAndMin(const uint8_t* scales, int row, int j, int* scale, int* min) {
  const auto at = [&](int i) { return static_cast<int>(scales[i * 16 + row]); };
  if (j < 4) {
    *scale = at(j) & 63;
    *min = at(j + 4) & 63;
  } else {
    *scale = (at(j + 4) & 15) | ((at(j - 4) >> 6) << 4);
    *min = (at(j + 4) >> 4) | ((at(j) >> 6) << 4);
  }
}

// Scale (6 bits, less 32) of sub-block j of 16 columns in Q3_K, from 12 bytes.
int ScaleQ3K(const uint8_t* scales, int row, int j) {
  const auto at = [&](int i) { return static_cast<int>(scales[i * 16 + row]); };
  const int low = j < 8 ? at(j) & 15 : at(j - 8) >> 4;
  return (low | (((at(8 + j % 4) >> (2 * (j / 4))) & 3) << 4)) - 32;
}

}  // namespace

const TileLayout& TileLayoutOf(DType type) {
  switch (type) {
    case DType::kQ4_0: return kTileQ4_0;
    case DType::kQ4_1: return kTileQ4_1;
    case DType::kQ5_0: return kTileQ5_0;
    case DType::kQ5_1: return kTileQ5_1;
    case DType::kQ8_0: return kTileQ8_0;
    case DType::kQ2_K: return kTileQ2_K;
    case DType::kQ3_K: return kTileQ3_K;
    case DType::kQ4_K: return kTileQ4_K;
    case DType::kQ5_K: return kTileQ5_K;
    default: HEW_CHECK(type == DType::kQ6_K); return kTileQ6_K;
  }
}

void PutBlock(DType type, const uint8_t* block, int row, uint8_t* tile) {
  const TileLayout& layout = TileLayoutOf(type);
  const Planes planes = {layout, tile, row};
  switch (type) {
    case DType::kQ4_0:
      planes.PutHalf(layout.d, block);
      return planes.PutHalves(block + 2);
    case DType::kQ4_1:
      planes.PutHalf(layout.d, block);
      planes.PutHalf(layout.dmin, block + 2);
      return planes.PutHalves(block + 4);
    case DType::kQ5_0:
      planes.PutHalf(layout.d, block);
      planes.PutHighBits(0, Load32(block + 2));
      return planes.PutHalves(block + 6);
    case DType::kQ5_1:
      planes.PutHalf(layout.d, block);
      planes.PutHalf(layout.dmin, block + 2);
      planes.PutHighBits(0, Load32(block + 4));
      return planes.PutHalves(block + 8);
    case DType::kQ8_0:
      planes.PutHalf(layout.d, block);
      return planes.PutBytes(layout.low, block + 2, 32);
    case DType::kQ2_K:  // scales[16], codes[64], d, dmin
      planes.PutBytes(layout.scales, block, 16);
      for (int c = 0; c < 8; ++c) planes.PutPairs(c, block + 16 + c / 4 * 32, c % 4 * 2);
      planes.PutHalf(layout.d, block + 80);
      return planes.PutHalf(layout.dmin, block + 82);
    case DType::kQ3_K:  // high[32], codes[64], scales[12], d
      for (int c = 0; c < 8; ++c) {
        planes.PutHighBits(c, block, c);
        planes.PutPairs(c, block + 32 + c / 4 * 32, c % 4 * 2);
      }
      planes.PutBytes(layout.scales, block + 96, 12);
      return planes.PutHalf(layout.d, block + 108);
    case DType::kQ4_K:  // d, dmin, scales[12], codes[128]
    case DType::kQ5_K:  // d, dmin, scales[12], high[32], codes[128]
      planes.PutHalf(layout.d, block);
      planes.PutHalf(layout.dmin, block + 2);
      planes.PutBytes(layout.scales, block + 4, 12);
      for (int c = 0; c < 8; ++c) {
        const uint8_t* codes = block + (type == DType::kQ4_K ? 16 : 48);
        planes.PutNibbles(c, codes + c / 2 * 32, c % 2 * 4);
        if (type == DType::kQ5_K) planes.PutHighBits(c, block + 16, c);
      }
      return;
    default:  // Q6_K: low[128], high[64], scales[16], d
      for (int c = 0; c < 8; ++c) {
        planes.PutNibbles(c, block + c / 4 * 64 + c % 2 * 32, c % 4 / 2 * 4);
        planes.PutHighPairs(c, block + 128 + c / 4 * 32, c % 4 * 2);
      }
      planes.PutBytes(layout.scales, block + 192, 16);
      return planes.PutHalf(layout.d, block + 208);
  }
}

void DecodeTileBlock(DType type, const uint8_t* tile, int row, float* out) {
  const TileLayout& layout = TileLayoutOf(type);
  const float d = HalfAt(tile, layout.d, row);
  const float dmin = layout.dmin >= 0 ? HalfAt(tile, layout.dmin, row) : 0.0f;
  const auto low = [&](int k, int bits) { return LowCode(tile + layout.low, row, k, bits); };
  const auto high = [&](int k, int bits) { return HighCode(tile + layout.high, row, k, bits); };
  const uint8_t* scales = tile + layout.scales;
  for (int k = 0; k < layout.block; ++k) {
    int scale = 0, min = 0;
    switch (type) {
      case DType::kQ4_0: out[k] = static_cast<float>(low(k, 4) - 8) * d; break;
      case DType::kQ4_1: out[k] = static_cast<float>(low(k, 4)) * d + dmin; break;
      case DType::kQ5_0: out[k] = static_cast<float>((low(k, 4) | high(k, 1) << 4) - 16) * d; break;
      case DType::kQ5_1: out[k] = static_cast<float>(low(k, 4) | high(k, 1) << 4) * d + dmin; break;
      case DType::kQ8_0: out[k] = static_cast<float>(static_cast<int8_t>(tile[layout.low + k * 16 + row])) * d; break;
      case DType::kQ2_K:
        scale = scales[k / 16 * 16 + row];
        out[k] = d * static_cast<float>(scale & 15) * static_cast<float>(low(k, 2)) - dmin * static_cast<float>(scale >> 4);
        break;
      case DType::kQ3_K:
        out[k] = d * static_cast<float>(ScaleQ3K(scales, row, k / 16)) * static_cast<float>((low(k, 2) | high(k, 1) << 2) - 4);
        break;
      case DType::kQ4_K:
      case DType::kQ5_K: {
        ScaleAndMin(scales, row, k / 32, &scale, &min);
        const int code = low(k, 4) | (type == DType::kQ5_K ? high(k, 1) << 4 : 0);
        out[k] = d * static_cast<float>(scale) * static_cast<float>(code) - dmin * static_cast<float>(min);
        break;
      }
      default:  // Q6_K
        scale = static_cast<int8_t>(scales[k / 16 * 16 + row]);
        out[k] = d * static_cast<float>(scale) * static_cast<float>((low(k, 4) | high(k, 2) << 4) - 32);
    }
  }
}

}  // namespace hew
