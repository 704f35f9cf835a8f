// tokenizer.json with its tokenizer_config.json.
#include "base/file.h"
#include "base/json.h"
#include "mutate.h"
#include "tokenizer_use.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"type",
                                  "BPE",
                                  "Unigram",
                                  "WordPiece",
                                  "WordLevel",
                                  "vocab",
                                  "merges",
                                  "unk_id",
                                  "unk_token",
                                  "byte_fallback",
                                  "ignore_merges",
                                  "fuse_unk",
                                  "dropout",
                                  "continuing_subword_prefix",
                                  "end_of_word_suffix",
                                  "normalizer",
                                  "NFC",
                                  "NFKC",
                                  "NFD",
                                  "NFKD",
                                  "Sequence",
                                  "normalizers",
                                  "Prepend",
                                  "Replace",
                                  "Lowercase",
                                  "Strip",
                                  "StripAccents",
                                  "Precompiled",
                                  "precompiled_charsmap",
                                  "prepend",
                                  "pattern",
                                  "content",
                                  "Regex",
                                  "String",
                                  "pre_tokenizer",
                                  "pretokenizers",
                                  "ByteLevel",
                                  "Metaspace",
                                  "Split",
                                  "Digits",
                                  "Whitespace",
                                  "Punctuation",
                                  "individual_digits",
                                  "add_prefix_space",
                                  "use_regex",
                                  "trim_offsets",
                                  "behavior",
                                  "Isolated",
                                  "Removed",
                                  "MergedWithPrevious",
                                  "MergedWithNext",
                                  "Contiguous",
                                  "invert",
                                  "replacement",
                                  "prepend_scheme",
                                  "always",
                                  "first",
                                  "never",
                                  "split",
                                  "post_processor",
                                  "TemplateProcessing",
                                  "single",
                                  "pair",
                                  "special_tokens",
                                  "SpecialToken",
                                  "id",
                                  "ids",
                                  "tokens",
                                  "type_id",
                                  "decoder",
                                  "ByteFallback",
                                  "Fuse",
                                  "added_tokens",
                                  "special",
                                  "normalized",
                                  "lstrip",
                                  "rstrip",
                                  "single_word",
                                  "bos_token",
                                  "eos_token",
                                  "add_bos_token",
                                  "chat_template",
                                  "(a+)+$",
                                  "\\p{L}+|\\s",
                                  "(?i:'s)",
                                  "(?=x)",
                                  "[",
                                  "(?<n>.)\\1",
                                  "<0x41>",
                                  "\xe2\x96\x81",
                                  "a b",
                                  "a"};

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const auto read = [](const char* name) {
    const std::string path = std::string(HEW_SOURCE_DIR "/tests/golden/tokenizer/") + name;
    return ParseJson(ReadFile(path).value(), path).value();
  };
  const Json golden = read("json_cases.json");
  for (const auto& item : golden["cases"]) {
    Json json = item["rest"];
    Json model = golden["model"];
    Json vocab = Json::object();  // small, so that what is changed is seldom one of a thousand words
    for (const auto& [token, id] : model["vocab"].items()) {
      if (id.get<int>() < 300) vocab[token] = id;
    }
    model["vocab"] = std::move(vocab);
    Json merges = Json::array();
    for (const auto& merge : model["merges"]) {
      if (merges.size() < 8) merges.push_back(merge);
    }
    model["merges"] = std::move(merges);
    json["model"] = std::move(model);
    seeds.push_back(Joined(json.dump(), R"({"bos_token":"<s>","add_bos_token":true})"));
  }
  for (const auto& one : read("sp_cases.json")) {
    if (one.contains("tokenizer")) seeds.push_back(Joined(one["tokenizer"].dump(), "{}"));
  }
  seeds.push_back(Joined(
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<unk>":3},"merges":["a b"],"unk_token":"<unk>"}})", ""));
  seeds.push_back(Joined(
      R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5],["ab",-2]]},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}})",
      ""));
  return seeds;
}

void Run(std::string_view bytes) {
  const auto [json, config] = Parted(bytes);
  const auto tokenizer = Tokenizer::FromJson(json, config, "tokenizer.json");
  if (Holds(tokenizer)) UseTokenizer(**tokenizer);
}

std::string Mutate(std::string_view bytes, Random& random) {
  const auto [json, config] = Parted(bytes);
  if (random.Below(8) == 0) return Joined(json, MutateJson(config, kWords, random));
  return Joined(MutateJson(json, kWords, random), config);
}

}  // namespace

const FuzzTarget tokenizer_json_target = {"tokenizer_json", Seeds, Run, Mutate};

}  // namespace hew::fuzz
