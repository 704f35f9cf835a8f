// Everything that is asked of a tokenizer out of a stranger's file.
#pragma once

#include "target.h"
#include "text/tokenizer.h"

namespace hew::fuzz {

inline void UseTokenizer(const Tokenizer& tokenizer) {
  static constexpr std::string_view kTexts[] = {"", "Hello world  12\n", " 나 배\xff\xf0\x9f고<s>a</s>[X] aaaa\t'll ",
                                                "\xe2\x96\x81x\0y"};
  for (std::string_view text : kTexts) {
    for (const bool special : {false, true}) {
      const ByteSpan data[] = {{0, text.size() / 2}};
      const auto ids =
          tokenizer.Encode(text, {.add_special = special, .parse_special = special, .data = {data, special ? 1u : 0u}});
      for (int32_t id : ids) HEW_CHECK(id >= 0 && id < tokenizer.vocab_size());
      Touch(tokenizer.Decode(ids, special));
    }
  }
  for (int64_t id : {int64_t{-1}, int64_t{0}, tokenizer.vocab_size() - 1, tokenizer.vocab_size(), int64_t{INT32_MAX}}) {
    Touch(tokenizer.TokenBytes(static_cast<int32_t>(id), true));
    (void)tokenizer.IsSpecial(static_cast<int32_t>(id));
  }
  for (int32_t id : tokenizer.end_ids()) HEW_CHECK(id >= 0 && id < tokenizer.vocab_size());
  (void)tokenizer.TokenId("a");
}

}  // namespace hew::fuzz
