// Where the fields of a token shard lie; the table with words is in docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hew {

inline constexpr std::string_view kShardMagic = "HEWSHARD";
inline constexpr uint32_t kShardVersion = 1;
inline constexpr size_t kShardVersionAt = 8;                          // u32
inline constexpr size_t kShardIdBytesAt = 12;                         // u32
inline constexpr size_t kShardTokensAt = 16;                          // u64
inline constexpr size_t kShardDocumentsAt = 24;                       // u64
inline constexpr size_t kShardVocabularyAt = 32;                      // u64
inline constexpr size_t kShardDigestAt = 40, kShardDigestBytes = 64;  // hexadecimal text
inline constexpr size_t kShardHeaderBytes = 128;                      // zeros up to here

}  // namespace hew
