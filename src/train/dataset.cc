#include "train/dataset.h"

#include <algorithm>
#include <unordered_set>

#include "base/digest.h"
#include "base/json.h"

namespace hew {
namespace {

constexpr int64_t kTextWindow = 512;  // tokens of an example cut out of a plain text file

struct Span {
  size_t begin = 0, end = 0;  // bytes of the rendered text
  float weight = 1;
};

template <typename T>
std::string_view BytesOf(const std::vector<T>& values, size_t count) {
  return {reinterpret_cast<const char*>(values.data()), count * sizeof(T)};
}

std::string Fingerprint(const TrainingExample& example, size_t tokens, bool with_weights) {
  Sha256 digest;
  digest.Update(BytesOf(example.ids, tokens));
  if (with_weights) digest.Update(BytesOf(example.weights, tokens));
  return digest.HexDigest();
}

// Tokens before the last run of learned ones: the question. All of them where that leaves nothing (plain text).
size_t QuestionTokens(const TrainingExample& example) {
  size_t end = example.ids.size();
  while (end > 0 && example.weights[end - 1] == 0) --end;
  while (end > 0 && example.weights[end - 1] > 0) --end;
  return end <= 1 ? example.ids.size() : end;
}

void Append(const std::vector<int32_t>& ids, float weight, TrainingExample* example) {
  example->ids.insert(example->ids.end(), ids.begin(), ids.end());
  example->weights.insert(example->weights.end(), ids.size(), weight);
}

void AppendOptional(std::optional<int32_t> id, float weight, TrainingExample* example) {
  if (id) Append({*id}, weight, example);
}

// Marks the tokens that begin inside a span. False if the tokens' bytes are not the text's (a tokenizer that
// normalises).
bool MarkByBytes(const Tokenizer& tokenizer, std::string_view text, const std::vector<Span>& spans,
                 TrainingExample* example) {
  size_t at = 0, span = 0;
  for (size_t i = 0; i < example->ids.size(); ++i) {
    std::string bytes = tokenizer.TokenBytes(example->ids[i], true);
    // The space that SentencePiece puts at the beginning and behind control tokens (and words a user added).
    if (tokenizer.adds_space() && bytes.starts_with(' ')) {
      const bool begins = i == 0 || tokenizer.IsSpecial(example->ids[i - 1]);
      if (begins || text.substr(at, bytes.size()) != bytes) bytes.erase(0, 1);
    }
    if (text.substr(at, bytes.size()) != bytes) return false;
    while (span < spans.size() && spans[span].end <= at) ++span;
    if (span < spans.size() && at >= spans[span].begin && !bytes.empty()) example->weights[i] = spans[span].weight;
    at += bytes.size();
  }
  return at == text.size();
}

// Encodes rendered text. Where bytes cannot be followed through the tokenizer, the text is cut at the spans' ends and
// the pieces are encoded one by one.
TrainingExample EncodeWithSpans(const Tokenizer& tokenizer, const ChatRender& render, const std::vector<Span>& spans) {
  TrainingExample example;
  Append(EncodeChat(tokenizer, render), 0, &example);
  if (MarkByBytes(tokenizer, render.text, spans, &example)) return example;
  example = TrainingExample();
  const auto append = [&](size_t begin, size_t end, float weight) {
    const ChatRender part{render.text.substr(begin, end - begin), SpansWithin(render.data_spans, begin, end), {}};
    Append(EncodeChat(tokenizer, part), weight, &example);
  };
  size_t at = 0;
  for (const auto& span : spans) {
    append(at, span.begin, 0);
    append(span.begin, span.end, span.weight);
    at = span.end;
  }
  append(at, render.text.size(), 0);
  return example;
}

Result<TrainingExample> EncodeConversation(const NormalRow& row, const std::string& where,
                                           const DatasetOptions& options) {
  if (!options.chat) {
    return BadInput(
        "{}: expected a model with a chat template (or --template FILE) for conversations, found a model without one",
        where);
  }
  Json messages = row.messages;
  std::vector<float> answers;  // weights of the assistant messages that are learned, in order
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i]["role"] != "assistant") continue;
    messages[i]["weight"] = row.weights[i];
    if (row.weights[i] > 0) answers.push_back(row.weights[i]);
  }
  auto rendered = options.chat->Render(messages, row.tools, false, options.now);
  if (!rendered) return Annotate(where, std::move(rendered).error());
  // An answer of nothing may have no span: no matter, unless it is unclear whose weight is whose.
  const bool same_weights = std::all_of(answers.begin(), answers.end(), [&](float w) { return w == answers[0]; });
  if (rendered->learned_spans.size() != answers.size() && (!same_weights || answers.empty())) {
    return BadInput("{}: expected the chat template to write {} answers with different weights, found {}", where,
                    answers.size(), rendered->learned_spans.size());
  }
  std::vector<Span> spans;
  for (size_t i = 0; i < rendered->learned_spans.size(); ++i) {
    const auto& [begin, end] = rendered->learned_spans[i];
    spans.push_back({begin, end, same_weights ? answers[0] : answers[i]});
  }
  return EncodeWithSpans(*options.tokenizer, *rendered, spans);
}

// As serving sees it: the prompt's own tokens, then the completion's. Where the two texts together give the same
// prompt tokens, the tokens of the whole are kept, since that is how running text is tokenised.
TrainingExample EncodePair(const NormalRow& row, const Tokenizer& tokenizer) {
  TrainingExample example;
  if (tokenizer.adds_bos()) AppendOptional(tokenizer.bos(), 0, &example);
  const auto prompt = tokenizer.Encode(row.prompt), whole = tokenizer.Encode(row.prompt + row.completion);
  Append(prompt, 0, &example);
  if (whole.size() >= prompt.size() && std::equal(prompt.begin(), prompt.end(), whole.begin())) {
    Append({whole.begin() + static_cast<ptrdiff_t>(prompt.size()), whole.end()}, 1, &example);
  } else {
    Append(tokenizer.Encode(row.completion), 1, &example);
  }
  AppendOptional(tokenizer.eos(), 1, &example);
  return example;
}

TrainingExample EncodeText(const NormalRow& row, const Tokenizer& tokenizer) {
  TrainingExample example;
  if (tokenizer.adds_bos()) AppendOptional(tokenizer.bos(), 0, &example);
  Append(tokenizer.Encode(row.completion), 1, &example);
  AppendOptional(tokenizer.eos(), 1, &example);
  return example;
}

// Cuts a document into windows; each but the first begins with the token before it, so that every token is learned
// once.
std::vector<TrainingExample> CutWindows(const TrainingExample& document, int64_t window) {
  std::vector<TrainingExample> out;
  for (int64_t begin = 0; begin + 1 < document.size() || out.empty(); begin += window - 1) {
    const int64_t end = std::min(document.size(), begin + window);
    TrainingExample piece;
    piece.ids.assign(document.ids.begin() + begin, document.ids.begin() + end);
    piece.weights.assign(document.weights.begin() + begin, document.weights.begin() + end);
    if (!piece.weights.empty()) piece.weights[0] = 0;
    out.push_back(std::move(piece));
  }
  return out;
}

// Gathers examples and what has to be said about them.
class Builder {
 public:
  explicit Builder(const DatasetOptions& options) : options_(options) { data_.pairs = options.pairs; }

  Status AddFile(const std::string& path) {
    data_.files.push_back(path);
    DataFormat format = options_.format;
    return ReadDataFile(path, [&](DataRow&& row) -> Status {
      if (options_.pairs && (format == DataFormat::kAuto || format == DataFormat::kPreference)) return AddPair(row);
      if (options_.pairs) return BadInput("format: expected preference (method dpo or orpo), found {}", NameOf(format));
      if (format == DataFormat::kAuto) {
        HEW_ASSIGN(format, RecogniseFormat(row));
      }
      return AddRow(row, format);
    });
  }

  Result<Dataset> Finish() {
    const std::string names = data_.files.empty() ? "data" : data_.files[0] + (data_.files.size() > 1 ? ", ..." : "");
    if (too_long_ > 0) {
      return BadInput(
          "{}: expected rows of at most {} tokens (the model's context), found {} longer, one of {} tokens; "
          "shorten them, or cut them with --max-length {}",
          first_too_long_, options_.context, too_long_, longest_, options_.context);
    }
    if (data_.counts.rows == 0) return BadInput("{}: expected at least one row, found none", names);
    if (data_.counts.learned_tokens == 0) {
      return BadInput("{}: expected rows with an answer to learn, found none in {} rows", names, data_.counts.rows);
    }
    return std::move(data_);
  }

 private:
  Status AddRow(const DataRow& row, DataFormat format) {
    HEW_ASSIGN(NormalRow normal, NormaliseRow(row, format));
    if (WriteCalls(&normal)) ++data_.counts.calls_as_text;
    HEW_ASSIGN(TrainingExample example, EncodeRow(normal, row.where, options_));
    if (!row.plain) return Add(std::move(example), row);
    const int64_t window = options_.max_length > 0 ? options_.max_length : std::min(options_.context, kTextWindow);
    for (auto& piece : CutWindows(example, window)) HEW_RETURN_IF_ERROR(Add(std::move(piece), row));
    return {};
  }

  Status AddPair(const DataRow& row) {
    HEW_ASSIGN(PreferenceRow normal, NormalisePreference(row));
    const bool chosen_calls = WriteCalls(&normal.chosen), rejected_calls = WriteCalls(&normal.rejected);
    if (chosen_calls || rejected_calls) ++data_.counts.calls_as_text;
    HEW_ASSIGN(TrainingExample chosen, EncodeRow(normal.chosen, row.where, options_));
    HEW_ASSIGN(TrainingExample rejected, EncodeRow(normal.rejected, row.where, options_));
    auto& counts = data_.counts;
    ++counts.rows;
    const bool cut = Cut(row, &chosen), also_cut = Cut(row, &rejected);
    if (cut || also_cut) ++counts.cut;
    if (TooLong(chosen.size() >= rejected.size() ? chosen : rejected, row)) return {};
    if (chosen.learned() == 0 || rejected.learned() == 0 || chosen.ids == rejected.ids) {
      ++counts.unlearned;
      return {};
    }
    if (!seen_.insert(Fingerprint(chosen, chosen.ids.size(), true) + Fingerprint(rejected, rejected.ids.size(), true))
             .second) {
      ++counts.duplicates;
    }
    Keep(std::move(chosen));
    Keep(std::move(rejected));
    return {};
  }

  // Whether the row calls tools in a way that the template cannot write: then its calls are text now.
  bool WriteCalls(NormalRow* row) const {
    if (!row->has_tool_calls || options_.template_knows_tools) return false;
    WriteToolCallsAsText(row);
    return true;
  }

  bool Cut(const DataRow& row, TrainingExample* example) const {
    example->file = static_cast<int32_t>(data_.files.size() - 1);
    example->line = row.line;
    if (options_.max_length <= 0 || example->size() <= options_.max_length) return false;
    example->ids.resize(static_cast<size_t>(options_.max_length));
    example->weights.resize(static_cast<size_t>(options_.max_length));
    return true;
  }

  bool TooLong(const TrainingExample& example, const DataRow& row) {
    if (example.size() <= options_.context) return false;
    if (too_long_++ == 0) first_too_long_ = row.where;
    longest_ = std::max(longest_, example.size());
    return true;
  }

  void Keep(TrainingExample example) {
    auto& counts = data_.counts;
    counts.tokens += example.size();
    counts.learned_tokens += example.learned();
    counts.longest = std::max(counts.longest, example.size());
    data_.examples.push_back(std::move(example));
  }

  Status Add(TrainingExample example, const DataRow& row) {
    auto& counts = data_.counts;
    ++counts.rows;
    if (Cut(row, &example)) ++counts.cut;
    if (TooLong(example, row)) return {};
    if (example.learned() == 0) {
      ++counts.unlearned;
      return {};
    }
    if (!seen_.insert(Fingerprint(example, example.ids.size(), true)).second) ++counts.duplicates;
    Keep(std::move(example));
    return {};
  }

  const DatasetOptions& options_;
  Dataset data_;
  std::unordered_set<std::string> seen_;
  int64_t too_long_ = 0, longest_ = 0;
  std::string first_too_long_;
};

}  // namespace

int64_t TrainingExample::learned() const {
  return std::count_if(weights.begin(), weights.end(), [](float w) { return w > 0; });
}

int64_t TrainingExample::first_learned() const {
  return std::find_if(weights.begin(), weights.end(), [](float w) { return w > 0; }) - weights.begin();
}

double TrainingExample::weight() const {
  double sum = 0;
  for (const float w : weights) sum += w;
  return sum;
}

std::string Dataset::Where(const TrainingExample& example) const {
  return fmt::format("{}:{}", files[static_cast<size_t>(example.file)], example.line);
}

std::string Dataset::Digest() const {
  Sha256 digest;
  for (const auto& example : examples) {
    const int64_t length = example.size();
    digest.Update({reinterpret_cast<const char*>(&length), sizeof length});
    digest.Update(BytesOf(example.ids, example.ids.size()));
    digest.Update(BytesOf(example.weights, example.weights.size()));
  }
  return digest.HexDigest();
}

Result<TrainingExample> EncodeRow(const NormalRow& row, const std::string& where, const DatasetOptions& options) {
  TrainingExample example;
  if (row.kind == NormalRow::Kind::kConversation) {
    HEW_ASSIGN(example, EncodeConversation(row, where, options));
  } else if (row.kind == NormalRow::Kind::kPair && options.chat) {
    HEW_ASSIGN(example, EncodeConversation(PairAsConversation(row), where, options));
  } else if (row.kind == NormalRow::Kind::kPair) {
    example = EncodePair(row, *options.tokenizer);
  } else {
    example = EncodeText(row, *options.tokenizer);
  }
  if (!example.weights.empty()) example.weights[0] = 0;
  return example;
}

Result<Dataset> ReadDataset(const std::vector<std::string>& files, const DatasetOptions& options) {
  if (options.max_length > options.context) {
    return BadInput("max_length: expected at most {} (the model's context), found {}", options.context,
                    options.max_length);
  }
  if (options.max_length == 1) return BadInput("max_length: expected at least 2 tokens, found 1");
  Builder builder(options);
  for (const auto& file : files) HEW_RETURN_IF_ERROR(builder.AddFile(file));
  return builder.Finish();
}

Overlap FindOverlap(const Dataset& train, const Dataset& eval) {
  std::unordered_set<std::string> questions;
  const auto of = [](const TrainingExample& example) { return Fingerprint(example, QuestionTokens(example), false); };
  const auto step = [](const Dataset& data) { return data.pairs ? size_t{2} : size_t{1}; };  // a pair has one question
  for (size_t i = 0; i < train.examples.size(); i += step(train)) questions.insert(of(train.examples[i]));
  Overlap overlap;
  for (size_t i = 0; i < eval.examples.size(); i += step(eval)) {
    if (!questions.contains(of(eval.examples[i]))) continue;
    if (overlap.rows++ == 0) overlap.first = eval.Where(eval.examples[i]);
  }
  return overlap;
}

}  // namespace hew
