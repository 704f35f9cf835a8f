#include <cstring>
#include <vector>

#include "formats/raw_bytes.h"
#include "mutate.h"

namespace hew::fuzz {
namespace {

// The parts of a file that need not be a good one: what cannot be told apart any more is data.
class Splitter {
 public:
  explicit Splitter(std::string_view bytes) : bytes_(bytes) {}

  RawGguf Split() {
    RawGguf file;
    file.magic = Take(4);
    file.version = Number<uint32_t>();
    const uint64_t tensors = Number<uint64_t>(), entries = Number<uint64_t>();
    for (uint64_t i = 0; i < entries && good_; ++i) Keep(&file.metadata, [&] { Skip(Number<uint64_t>()), Value(); });
    for (uint64_t i = 0; i < tensors && good_; ++i) {
      Keep(&file.tensors, [&] {
        Skip(Number<uint64_t>());
        const uint32_t dimensions = Number<uint32_t>();
        Skip(dimensions < 16 ? 8 * dimensions : UINT64_MAX), Skip(4 + 8);
      });
    }
    if (good_) Skip((32 - at_ % 32) % 32);
    file.data = bytes_.substr(std::min(at_, bytes_.size()));
    return file;
  }

 private:
  template <typename F>
  void Keep(std::vector<std::string>* parts, const F& pass) {
    const size_t begin = at_;
    pass();
    if (good_)
      parts->emplace_back(bytes_.substr(begin, at_ - begin));
    else
      at_ = begin;
  }
  void Skip(uint64_t count) {
    good_ = good_ && count <= bytes_.size() - at_;
    if (good_) at_ += count;
  }
  std::string Take(size_t count) {
    const size_t begin = at_;
    Skip(count);
    return good_ ? std::string(bytes_.substr(begin, count)) : "GGUF";
  }
  template <typename T>
  T Number() {
    T value{};
    const size_t begin = at_;
    Skip(sizeof value);
    if (good_) std::memcpy(&value, bytes_.data() + begin, sizeof value);
    return value;
  }
  void ValueOf(uint32_t type, uint64_t count) {
    static constexpr uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == gguf::kString) {
      for (uint64_t i = 0; i < count && good_; ++i) Skip(Number<uint64_t>());
    } else if (type == gguf::kArray || type >= std::size(kBytes) || count > bytes_.size()) {
      good_ = false;
    } else {
      Skip(kBytes[type] * count);
    }
  }
  void Value() {
    const uint32_t type = Number<uint32_t>();
    if (type != gguf::kArray) return ValueOf(type, 1);
    const uint32_t element = Number<uint32_t>();
    ValueOf(element, Number<uint64_t>());
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool good_ = true;
};

// Numbers of four or eight bytes at a place behind `from`; lengths of names are seldom what is changed.
void ChangeNumber(std::string* part, size_t from, Random& random) {
  const size_t size = random.Below(2) == 0 ? 4 : 8;
  if (part->size() < from + size) return;
  const uint64_t value = EdgeNumber(random);
  std::memcpy(part->data() + from + random.Below((part->size() - from - size) / 4 + 1) * 4, &value, size);
}

size_t NameEnd(const std::string& part) {
  uint64_t length = 0;
  std::memcpy(&length, part.data(), sizeof length);
  return sizeof length + length;
}

std::string AnyEntry(Random& random) {
  static constexpr const char* kKeys[] = {"general.alignment",
                                          "general.architecture",
                                          "llama.context_length",
                                          "llama.embedding_length",
                                          "llama.block_count",
                                          "llama.attention.head_count",
                                          "llama.attention.head_count_kv",
                                          "llama.rope.dimension_count",
                                          "llama.rope.freq_base",
                                          "llama.attention.key_length",
                                          "llama.expert_count",
                                          "llama.expert_used_count",
                                          "llama.vocab_size",
                                          "llama.attention.sliding_window",
                                          "llama.rope.scaling.type",
                                          "llama.rope.scaling.factor",
                                          "tokenizer.ggml.model",
                                          "tokenizer.ggml.tokens",
                                          "tokenizer.ggml.scores",
                                          "tokenizer.ggml.token_type",
                                          "tokenizer.ggml.merges",
                                          "tokenizer.ggml.bos_token_id",
                                          "tokenizer.ggml.eos_token_id",
                                          "tokenizer.ggml.pre",
                                          "tokenizer.chat_template",
                                          "tokenizer.ggml.precompiled_charsmap",
                                          "tokenizer.ggml.add_space_prefix",
                                          "adapter.type",
                                          "adapter.lora.alpha"};
  static constexpr const char* kTexts[] = {"",   "llama", "gemma2", "phi3", "gpt2", "qwen3moe",
                                           "t5", "bert",  "lora",   "yarn", "\xff"};
  const std::string key = kKeys[random.Below(std::size(kKeys))];
  switch (random.Below(4)) {
    case 0:
      return RawEntry(key, gguf::kU32, Raw(static_cast<uint32_t>(EdgeNumber(random))));
    case 1:
      return RawEntry(key, gguf::kString, RawText(kTexts[random.Below(std::size(kTexts))]));
    case 2:
      return RawEntry(key, gguf::kF32, Raw(static_cast<uint32_t>(EdgeNumber(random))));
    default:
      return RawEntry(key, gguf::kArray, RawStrings({"a", "b", kTexts[random.Below(std::size(kTexts))]}));
  }
}

// Drops, doubles, swaps or changes one of the parts.
void ChangeParts(std::vector<std::string>* parts, Random& random) {
  if (parts->empty()) return;
  const size_t at = random.Below(parts->size());
  switch (random.Below(6)) {
    case 0:
      parts->erase(parts->begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      parts->push_back((*parts)[at]);
      break;
    case 2:
      std::swap((*parts)[at], (*parts)[random.Below(parts->size())]);
      break;
    default:
      ChangeNumber(&(*parts)[at], random.Below(8) == 0 ? 0 : NameEnd((*parts)[at]), random);
  }
}

}  // namespace

std::string MutateGguf(std::string_view bytes, Random& random) {
  RawGguf file = Splitter(bytes).Split();
  switch (random.Below(12)) {
    case 0:
      file.data.resize(random.Below(file.data.size() + 64));
      break;
    case 1:
      file.metadata.push_back(AnyEntry(random));
      break;
    case 2:
      file.metadata_count = EdgeNumber(random);
      break;
    case 3:
      file.tensor_count = EdgeNumber(random);
      break;
    case 4:
    case 5:
    case 6:
      ChangeParts(&file.tensors, random);
      break;
    case 7:
      ChangeNumber(&file.data, 0, random);
      break;
    default:
      ChangeParts(&file.metadata, random);
  }
  return file.Build();
}

}  // namespace hew::fuzz
