#include "text/training/tokenizer_json.h"

#include <algorithm>
#include <unordered_map>

#include "base/json.h"
#include "formats/sentencepiece_spelling.h"
#include "text/byte_level.h"
#include "text/pretokenizer_patterns.h"
#include "text/training/unigram_words.h"

namespace hew {
namespace {

// Below any way to write a text with characters: the spelling of a byte in a text is never taken for the byte.
constexpr double kNeverScore = -1000;

Json AddedTokens(const std::vector<std::string>& special) {
  Json list = Json::array();
  for (size_t id = 0; id < special.size(); ++id) {
    list.push_back({{"id", id},
                    {"content", special[id]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  return list;
}

Json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json Split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

Json PreTokenizerOf(const std::vector<const char*>& patterns) {
  if (patterns.size() == 1 && std::string_view(patterns[0]) == kGpt2Pattern) return ByteLevel(true);
  Json steps = Json::array();
  for (const char* pattern : patterns) steps.push_back(Split(pattern));
  steps.push_back(ByteLevel(false));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// bos before the text, and before each of a pair.
Json PostProcessor(const TokenizerTraining& training, const std::vector<std::string>& special) {
  if (training.bos.empty()) return nullptr;
  const auto id = std::find(special.begin(), special.end(), training.bos) - special.begin();
  const auto token = [&](int type) { return Json{{"SpecialToken", {{"id", training.bos}, {"type_id", type}}}}; };
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  return {
      {"type", "TemplateProcessing"},
      {"single", Json::array({token(0), text("A", 0)})},
      {"pair", Json::array({token(0), text("A", 0), token(1), text("B", 1)})},
      {"special_tokens",
       {{training.bos, {{"id", training.bos}, {"ids", Json::array({id})}, {"tokens", Json::array({training.bos})}}}}}};
}

std::string Assemble(const TokenizerTraining& training, const Json& normalizer, const Json& pre_tokenizer,
                     const Json& decoder, const Json& model) {
  const auto special = SpecialTokensOf(training);
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", AddedTokens(special)},
                     {"normalizer", normalizer},
                     {"pre_tokenizer", pre_tokenizer},
                     {"post_processor", PostProcessor(training, special)},
                     {"decoder", decoder},
                     {"model", model}};
  return json.dump(1) + "\n";
}

// An object of many keys, built in linear time: its own insertion looks through all keys for each.
Json Vocabulary(const std::vector<std::string>& tokens) {
  Json vocab = Json::object();
  auto& members = vocab.get_ref<Json::object_t&>();
  static_cast<Json::object_t::Container&>(members).reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    static_cast<Json::object_t::Container&>(members).emplace_back(tokens[id], id);
  }
  return vocab;
}

std::vector<std::string> BytesInGpt2Order() {
  std::vector<std::string> spelled;
  for (int byte = 0; byte < 256; ++byte) spelled.push_back(ByteLevelFromBytes(std::string(1, static_cast<char>(byte))));
  // By code point: UTF-8 sorts as its code points do.
  std::sort(spelled.begin(), spelled.end());
  return spelled;
}

}  // namespace

std::string BpeTokenizerJson(const TokenizerTraining& training, const std::vector<const char*>& patterns,
                             const BpeMerges& merges) {
  std::vector<std::string> tokens = SpecialTokensOf(training), spelled;
  for (const auto& byte : BytesInGpt2Order()) tokens.push_back(byte);
  for (const auto& token : merges.tokens) spelled.push_back(ByteLevelFromBytes(token));
  tokens.insert(tokens.end(), spelled.begin() + 256, spelled.end());
  Json list = Json::array();
  for (const auto& [left, right] : merges.merges) list.push_back(spelled[left] + " " + spelled[right]);
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", false},
                      {"vocab", Vocabulary(tokens)},
                      {"merges", list}};
  return Assemble(training, nullptr, PreTokenizerOf(patterns), ByteLevel(true), model);
}

std::string UnigramTokenizerJson(const TokenizerTraining& training,
                                 const std::vector<std::pair<std::string, double>>& pieces) {
  const auto special = SpecialTokensOf(training);
  Json vocab = Json::array();
  for (const auto& token : special) vocab.push_back({token, kNeverScore});
  for (int byte = 0; byte < 256; ++byte) vocab.push_back({fmt::format("<0x{:02X}>", byte), kNeverScore});
  for (const auto& [piece, score] : pieces) vocab.push_back({piece, score});
  const auto unk = std::find(special.begin(), special.end(), training.unk) - special.begin();
  const Json model = {{"type", "Unigram"}, {"unk_id", unk}, {"vocab", vocab}, {"byte_fallback", true}};
  const std::string mark(kSpaceMark);
  const auto replace = [](const std::string& from, const std::string& to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  const Json decoder = {
      {"type", "Sequence"},
      {"decoders", Json::array({replace(mark, " "), Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}})}};
  return Assemble(training, replace(" ", mark), Split(kUnigramWords.data()), decoder, model);
}

std::string TokenizerConfigJson(const TokenizerTraining& training) {
  Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const std::pair<const char*, const std::string&> named[] = {{"unk_token", training.unk},
                                                              {"bos_token", training.bos},
                                                              {"eos_token", training.eos},
                                                              {"pad_token", training.pad}};
  for (const auto& [key, token] : named) {
    if (!token.empty()) json[key] = token;
  }
  const auto has = [&](const char* token) {
    return std::find(training.special.begin(), training.special.end(), token) != training.special.end();
  };
  if (has("<|im_start|>") && has("<|im_end|>")) {
    json["chat_template"] =
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  }
  return json.dump(1) + "\n";
}

}  // namespace hew
