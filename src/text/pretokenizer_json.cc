#include "text/pretokenizer_json.h"

#include <algorithm>

#include "text/json_fields.h"
#include "text/pretokenizer_patterns.h"
#include "text/word_model.h"

namespace hew {
namespace {

// What Rust's char::is_ascii_punctuation and Unicode's category P take.
constexpr const char* kPunctuation = R"([\p{P}\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E])";

// Rust's \w: letters and what else is alphabetic, marks, digits, connecting punctuation, joiners.
#define HEW_WORD \
  R"(\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})"
constexpr const char* kWordsAndRest = "[" HEW_WORD "]+|[^" HEW_WORD R"(\s]+)";
#undef HEW_WORD

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  Status Add(const Json& json) {
    if (json.is_null()) return {};
    const std::string type = TextOf(json, "type");
    if (type == "Sequence" && FieldOf(json, "pretokenizers").is_array()) {
      for (const auto& part : FieldOf(json, "pretokenizers")) HEW_RETURN_IF_ERROR(Add(part));
      return {};
    }
    if (type == "ByteLevel") return AddByteLevel(json);
    if (type == "Metaspace") return AddMetaspace(json);
    if (type == "Split") return AddSplit(json);
    if (type == "Digits") return AddPattern(FlagOf(json, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
    if (type == "Punctuation") {
      HEW_ASSIGN(const SplitBehavior behavior, BehaviorOf(json, "Isolated"));
      return AddPattern(kPunctuation, behavior);
    }
    if (type == "Whitespace") return AddPattern(kWordsAndRest, SplitBehavior::kRemoved, true);
    if (type == "WhitespaceSplit") return AddPattern(R"(\s)", SplitBehavior::kRemoved);
    if (type == "CharDelimiterSplit")
      return AddPattern(Regex::Quote(TextOf(json, "delimiter")), SplitBehavior::kRemoved);
    if (type == "BertPreTokenizer") {
      HEW_RETURN_IF_ERROR(AddPattern(R"(\s)", SplitBehavior::kRemoved));
      return AddPattern(kPunctuation);
    }
    if (type == "FixedLength") {
      const Json& length = FieldOf(json, "length");
      const int64_t count = length.is_number_integer() ? length.get<int64_t>() : 5;
      if (count < 1 || count > 60000)
        return BadInput("{}: pre_tokenizer.FixedLength.length: expected 1 to 60000", name_);
      return AddPattern(fmt::format("(?s:.){{1,{}}}", count));
    }
    return BadInput(
        "{}: pre_tokenizer: expected ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
        "CharDelimiterSplit, BertPreTokenizer, FixedLength or Sequence, found '{}'",
        name_, Shown(type));
  }

  PreTokenizer Take() { return std::move(pre_); }

 private:
  Status AddPattern(const std::string& pattern, SplitBehavior behavior = SplitBehavior::kIsolated, bool invert = false,
                    PreTokenizer::Step step = {}) {
    auto regex = Regex::Compile(pattern, /*lines=*/true);
    if (!regex) return Annotate(name_ + ": pre_tokenizer", std::move(regex).error());
    step.regex = *std::move(regex);
    step.behavior = behavior;
    step.invert = invert;
    pre_.AddStep(std::move(step));
    return {};
  }

  Result<SplitBehavior> BehaviorOf(const Json& json, const std::string& otherwise) const {
    static const std::pair<const char*, SplitBehavior> kBehaviors[] = {
        {"Isolated", SplitBehavior::kIsolated},
        {"Removed", SplitBehavior::kRemoved},
        {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
        {"MergedWithNext", SplitBehavior::kMergedWithNext},
        {"Contiguous", SplitBehavior::kContiguous}};
    std::string name = TextOf(json, "behavior");
    if (name.empty()) name = otherwise;
    for (const auto& [known, behavior] : kBehaviors) {
      if (name == known) return behavior;
    }
    return BadInput("{}: pre_tokenizer.{}.behavior: expected Isolated, Removed or the like, found '{}'", name_,
                    TextOf(json, "type"), Shown(name));
  }

  Status AddByteLevel(const Json& json) {
    pre_.byte_level = true;
    PreTokenizer::Step step;
    if (FlagOf(json, "add_prefix_space")) step.prefix = " ", step.when = PrefixRule::kAlways;
    if (FlagOf(json, "use_regex", true))
      return AddPattern(kGpt2Pattern, SplitBehavior::kIsolated, false, std::move(step));
    if (!step.prefix.empty()) pre_.AddStep(std::move(step));
    return {};
  }

  // Spaces become a sign, which a text gets in front, too; a word begins at each.
  Status AddMetaspace(const Json& json) {
    PreTokenizer::Step step;
    step.space = TextOf(json, "replacement");
    if (step.space.empty()) step.space = kSpaceSign;
    step.prefix = step.space;
    // Older files have a flag instead of the scheme.
    std::string scheme = TextOf(json, "prepend_scheme");
    if (scheme.empty()) scheme = FlagOf(json, "add_prefix_space", true) ? "always" : "never";
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      return BadInput("{}: pre_tokenizer.Metaspace.prepend_scheme: expected always, first or never, found '{}'", name_,
                      Shown(scheme));
    }
    step.when = scheme == "always" ? PrefixRule::kAlways : scheme == "first" ? PrefixRule::kFirst : PrefixRule::kNever;
    if (!FlagOf(json, "split", true)) {
      pre_.AddStep(std::move(step));
      return {};
    }
    const std::string pattern = Regex::Quote(step.space);
    return AddPattern(pattern, SplitBehavior::kMergedWithNext, false, std::move(step));
  }

  Status AddSplit(const Json& json) {
    HEW_ASSIGN(const SplitBehavior behavior, BehaviorOf(json, ""));
    const Json& pattern = FieldOf(json, "pattern");
    std::string regex = TextOf(pattern, "Regex");
    if (regex.empty()) regex = Regex::Quote(TextOf(pattern, "String"));
    return AddPattern(regex, behavior, FlagOf(json, "invert"));
  }

  std::string name_;
  PreTokenizer pre_;
};

}  // namespace

Result<PreTokenizer> ReadPreTokenizer(const Json& json, const std::string& name) {
  Reader reader(name);
  HEW_RETURN_IF_ERROR(reader.Add(json));
  return reader.Take();
}

}  // namespace hew
