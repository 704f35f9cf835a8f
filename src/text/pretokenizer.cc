#include "text/pretokenizer.h"

#include <algorithm>

#include "base/shown.h"

namespace hew {

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// The patterns belong to the models: each is what the model's makers trained their vocabulary with.
#define HEW_CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
constexpr const char* kLlama3 = HEW_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 = HEW_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kCased =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr const char* kHanHangul = R"([一-龥ࠀ-一가-퟿]+)";

struct NamedPatterns {
  std::vector<std::string> names;
  std::vector<const char*> patterns;
  bool ignore_merges = false, add_bos = false;
};

const std::vector<NamedPatterns>& Table() {
  static const std::vector<NamedPatterns> table = {
      {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4"}, {kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"}, {kLlama3}, true, true},
      {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {kLlama3}},
      {{"glm4"}, {kLlama3}, true},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan"}, {kQwen2}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, {R"(\p{N})", kGpt2}},
      {{"deepseek-llm"}, {R"([\r\n])", kCased, R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)", kHanHangul, R"(\p{N}+)"}},
      {{"deepseek-coder"}, {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kHanHangul, R"(\p{N})"}},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
      {{"tekken"}, {kTekken}, true, true},
  };
  return table;
}

// Cuts `text` at `step`'s matches and hands every piece to `emit`.
void Cut(const PreTokenizer::Step& step, std::string_view text, const std::function<void(std::string_view)>& emit) {
  struct Piece {
    size_t begin, end;
    bool match;
  };
  std::vector<Piece> pieces;
  size_t at = 0;
  step.regex.ForEach(text, [&](size_t begin, size_t end) {
    if (begin > at) pieces.push_back({at, begin, step.invert});
    pieces.push_back({begin, end, !step.invert});
    at = end;
  });
  if (at < text.size()) pieces.push_back({at, text.size(), step.invert});

  std::vector<Piece> joined;
  for (const Piece& piece : pieces) {
    const bool has_last = !joined.empty();
    switch (step.behavior) {
      case SplitBehavior::kRemoved:
        if (!piece.match) joined.push_back(piece);
        continue;
      case SplitBehavior::kMergedWithPrevious:
        if (piece.match && has_last && !joined.back().match) {
          joined.back() = {joined.back().begin, piece.end, true};
          continue;
        }
        break;
      case SplitBehavior::kMergedWithNext:
        if (!piece.match && has_last && joined.back().match) {
          joined.back() = {joined.back().begin, piece.end, false};
          continue;
        }
        break;
      case SplitBehavior::kContiguous:
        if (has_last && joined.back().match == piece.match) {
          joined.back().end = piece.end;
          continue;
        }
        break;
      case SplitBehavior::kIsolated:
        break;
    }
    joined.push_back(piece);
  }
  for (const Piece& piece : joined) emit(text.substr(piece.begin, piece.end - piece.begin));
}

}  // namespace

Result<PreTokenizer> PreTokenizer::FromGgufName(const std::string& name) {
  for (const auto& entry : Table()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) == entry.names.end()) continue;
    PreTokenizer pre;
    pre.ignore_merges = entry.ignore_merges;
    pre.add_bos = entry.add_bos;
    for (const char* pattern : entry.patterns) {
      HEW_ASSIGN(auto regex, Regex::Compile(pattern));
      pre.AddStep({std::move(regex), SplitBehavior::kIsolated, false});
    }
    return pre;
  }
  std::string known;
  for (const auto& entry : Table()) {
    for (const auto& n : entry.names) known += (known.empty() ? "" : ", ") + n;
  }
  return BadInput("tokenizer.ggml.pre: expected one of {}; found '{}'", known, Shown(name));
}

void PreTokenizer::Split(std::string_view text, const std::function<void(std::string_view)>& fn) const {
  const std::function<void(size_t, std::string_view)> run = [&](size_t step, std::string_view piece) {
    if (step == steps_.size()) {
      if (!piece.empty()) fn(piece);
      return;
    }
    Cut(steps_[step], piece, [&](std::string_view part) { run(step + 1, part); });
  };
  run(0, text);
}

}  // namespace hew
