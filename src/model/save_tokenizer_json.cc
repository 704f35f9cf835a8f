// GGUF metadata -> tokenizer.json and its companions.
#include <unordered_set>

#include "formats/end_of_turn.h"
#include "formats/sentencepiece_spelling.h"
#include "model/save_pretokenizer.h"
#include "model/save_sentencepiece.h"
#include "model/save_tokenizer.h"

namespace hew {
namespace {

struct GgufVocabulary {
  const std::vector<std::string>* tokens = nullptr;
  const std::vector<int32_t>* types = nullptr;  // may be null: all normal
  std::vector<std::string> merges;
  bool is_sentencepiece = false, space_prefix = false;
  PreTokenizerRule rule;  // of byte-level BPE
  std::optional<int64_t> bos, eos, pad, unk;
  bool add_bos = false, add_eos = false;
  std::string chat_template, model_name;
};

Result<std::optional<int64_t>> SpecialId(const GgufMetadata& metadata, const std::string& key, size_t count) {
  if (!metadata.Find(key)) return std::optional<int64_t>();
  HEW_ASSIGN(const int64_t id, metadata.GetInt(key));
  if (id < 0 || id >= static_cast<int64_t>(count))
    return BadInput("{}: expected an id below {}, found {}", key, count, id);
  return std::optional<int64_t>(id);
}

Status CheckTokens(const GgufVocabulary& v) {
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < v.tokens->size(); ++i) {
    const std::string& token = (*v.tokens)[i];
    if (FindInvalidUtf8(token) != std::string::npos) {
      return BadInput("tokenizer.ggml.tokens: {}: expected UTF-8, found {}", i, Shown(token));
    }
    if (!seen.insert(token).second) {
      return BadInput(
          "tokenizer.ggml.tokens: {}: expected every token once (tokenizer.json maps tokens to ids), found '{}' again",
          i, Shown(token));
    }
  }
  for (const std::string& merge : v.merges) {
    if (FindInvalidUtf8(merge) != std::string::npos)
      return BadInput("tokenizer.ggml.merges: expected UTF-8, found {}", Shown(merge));
  }
  return {};
}

Status ReadMerges(const GgufMetadata& metadata, GgufVocabulary* v) {
  HEW_ASSIGN(const std::string pre, metadata.GetStringOr("tokenizer.ggml.pre", "gpt-2"));
  auto rule = PreTokenizerNamed(pre);
  if (!rule) return BadInput("tokenizer.ggml.pre: expected one of {}, found {}", KnownPreTokenizers(), Shown(pre));
  v->rule = *std::move(rule);
  HEW_ASSIGN(const auto* merges, metadata.GetArray<std::string>("tokenizer.ggml.merges"));
  if (!merges) return BadInput("tokenizer.ggml.merges: expected a list, found none");
  v->merges = *merges;
  return {};
}

Status ReadScores(const GgufMetadata& metadata, GgufVocabulary* v) {
  HEW_ASSIGN(const auto* scores, metadata.GetArray<float>("tokenizer.ggml.scores"));
  if (!scores || scores->size() != v->tokens->size() || !v->types) {
    return BadInput("tokenizer.ggml.{}: expected {} entries, found {}", v->types ? "scores" : "token_type",
                    v->tokens->size(), scores && v->types ? scores->size() : 0);
  }
  v->merges = MergesFromScores(*v->tokens, *v->types, *scores);
  HEW_ASSIGN(v->space_prefix, metadata.GetBoolOr("tokenizer.ggml.add_space_prefix", true));
  return {};
}

Result<GgufVocabulary> ReadVocabulary(const GgufMetadata& metadata) {
  GgufVocabulary v;
  HEW_ASSIGN(const std::string model, metadata.GetString("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return BadInput("tokenizer.ggml.model: expected gpt2 or llama, found {}: no folder can be made of it",
                    Shown(model));
  }
  v.is_sentencepiece = model == "llama";
  HEW_ASSIGN(v.tokens, metadata.GetArray<std::string>("tokenizer.ggml.tokens"));
  HEW_ASSIGN(v.types, metadata.GetArray<int32_t>("tokenizer.ggml.token_type"));
  if (!v.tokens) return BadInput("tokenizer.ggml.tokens: expected a list, found none");
  if (v.types && v.types->size() != v.tokens->size()) {
    return BadInput("tokenizer.ggml.token_type: expected {} entries, found {}", v.tokens->size(), v.types->size());
  }
  HEW_RETURN_IF_ERROR(v.is_sentencepiece ? ReadScores(metadata, &v) : ReadMerges(metadata, &v));
  HEW_RETURN_IF_ERROR(CheckTokens(v));
  const size_t count = v.tokens->size();
  HEW_ASSIGN(v.bos, SpecialId(metadata, "tokenizer.ggml.bos_token_id", count));
  HEW_ASSIGN(v.eos, SpecialId(metadata, "tokenizer.ggml.eos_token_id", count));
  HEW_ASSIGN(v.pad, SpecialId(metadata, "tokenizer.ggml.padding_token_id", count));
  HEW_ASSIGN(v.unk, SpecialId(metadata, "tokenizer.ggml.unknown_token_id", count));
  if (v.is_sentencepiece && count > 2) {  // llama.cpp's ids where the file names none
    v.bos = v.bos.value_or(1);
    v.eos = v.eos.value_or(2);
    v.unk = v.unk.value_or(0);
  }
  HEW_ASSIGN(v.add_bos, metadata.GetBoolOr("tokenizer.ggml.add_bos_token", v.is_sentencepiece || v.rule.adds_bos));
  HEW_ASSIGN(v.add_eos, metadata.GetBoolOr("tokenizer.ggml.add_eos_token", false));
  HEW_ASSIGN(v.model_name, metadata.GetStringOr("general.name", ""));
  HEW_ASSIGN(v.chat_template, metadata.GetStringOr("tokenizer.chat_template", ""));
  if (FindInvalidUtf8(v.chat_template) != std::string::npos) {
    return BadInput("tokenizer.chat_template: expected UTF-8, found {}", Shown(v.chat_template));
  }
  return v;
}

const std::string& Spelling(const GgufVocabulary& v, int64_t id) { return (*v.tokens)[static_cast<size_t>(id)]; }

Json AddedTokens(const GgufVocabulary& v) {
  Json list = Json::array();
  for (size_t i = 0; v.types && i < v.tokens->size(); ++i) {
    const int32_t type = (*v.types)[i];
    const bool ends_turn = EndsTurn((*v.tokens)[i]);  // special whatever the file says, as the reader has it
    const bool unknown = v.is_sentencepiece && type == kGgufUnknown;
    if (type != kGgufControl && type != kGgufUserDefined && !unknown && !ends_turn) continue;
    list.push_back({{"id", i},
                    {"content", (*v.tokens)[i]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", TakesSpaceBehind(v.model_name, (*v.tokens)[i])},
                    {"normalized", false},
                    {"special", type != kGgufUserDefined || ends_turn}});
  }
  return list;
}

// BOS and EOS around a text, or the plain byte-level step that changes no id.
Json PostProcessor(const GgufVocabulary& v) {
  const bool bos = v.add_bos && v.bos, eos = v.add_eos && v.eos;
  if (!bos && !eos && v.is_sentencepiece) return nullptr;
  if (!bos && !eos)
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  Json single = Json::array(), pair = Json::array(), special = Json::object();
  const auto add_special = [&](Json& list, int64_t id, int type_id) {
    const std::string& token = Spelling(v, id);
    list.push_back({{"SpecialToken", {{"id", token}, {"type_id", type_id}}}});
    special[token] = {{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}};
  };
  const auto add_text = [&](Json& list, const char* name, int type_id) {
    if (bos) add_special(list, *v.bos, type_id);
    list.push_back({{"Sequence", {{"id", name}, {"type_id", type_id}}}});
    if (eos) add_special(list, *v.eos, type_id);
  };
  add_text(single, "A", 0);
  add_text(pair, "A", 0);
  add_text(pair, "B", 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

Json TokenizerJson(const GgufVocabulary& v) {
  Json vocab = Json::object();
  auto& items = vocab.get_ref<Json::object_t&>();  // appended without the search that operator[] makes
  items.reserve(v.tokens->size());
  for (size_t i = 0; i < v.tokens->size(); ++i)
    static_cast<Json::object_t::Container&>(items).emplace_back((*v.tokens)[i], i);
  const bool spm = v.is_sentencepiece;
  Json model = {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", spm && v.unk ? Json(Spelling(v, *v.unk)) : Json()},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", spm},
                {"byte_fallback", spm},
                {"ignore_merges", v.rule.ignore_merges}};
  model["vocab"] = std::move(vocab);
  model["merges"] = v.merges;
  Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", AddedTokens(v)},
      {"normalizer", spm ? SentencePieceNormalizerJson(v.space_prefix) : v.rule.normalizer},
      {"pre_tokenizer", spm ? Json() : v.rule.pre_tokenizer},
      {"post_processor", PostProcessor(v)},
      {"decoder",
       spm ? SentencePieceDecoderJson(v.space_prefix)
           : Json{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}}};
  json["model"] = std::move(model);
  return json;
}

Json TokenizerConfigJson(const GgufVocabulary& v, int64_t context_length) {
  Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (context_length > 0) json["model_max_length"] = context_length;
  for (const auto& [key, id] :
       {std::pair{"bos_token", v.bos}, {"eos_token", v.eos}, {"pad_token", v.pad}, {"unk_token", v.unk}}) {
    if (id) json[key] = Spelling(v, *id);
  }
  if (!v.chat_template.empty()) json["chat_template"] = v.chat_template;
  return json;
}

Json GenerationConfigJson(const GgufVocabulary& v) {
  Json json = {{"_from_model_config", true}};
  for (const auto& [key, id] : {std::pair{"bos_token_id", v.bos}, {"eos_token_id", v.eos}, {"pad_token_id", v.pad}}) {
    if (id) json[key] = *id;
  }
  return json;
}

}  // namespace

Result<std::vector<NamedFile>> TokenizerFilesFromGguf(const GgufMetadata& metadata, const std::string& name) {
  auto read = ReadVocabulary(metadata);
  if (!read) return Annotate(name, std::move(read).error());
  const GgufVocabulary& v = *read;
  HEW_ASSIGN(const std::string architecture, metadata.GetStringOr("general.architecture", ""));
  HEW_ASSIGN(const int64_t context_length, metadata.GetIntOr(architecture + ".context_length", 0));
  std::vector<NamedFile> files = {{"tokenizer.json", TokenizerJson(v).dump(1) + "\n"},
                                  {"tokenizer_config.json", TokenizerConfigJson(v, context_length).dump(2) + "\n"},
                                  {"generation_config.json", GenerationConfigJson(v).dump(2) + "\n"}};
  if (!v.chat_template.empty()) files.push_back({"chat_template.jinja", v.chat_template});
  return files;
}

}  // namespace hew
