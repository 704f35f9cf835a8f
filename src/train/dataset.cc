#include "train/dataset.h"

#include <algorithm>
#include <unordered_set>

#include "base/digest.h"

namespace hew {
namespace {

constexpr int64_t kTextWindow = 512;  // tokens of an example cut out of a plain text file

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

void Dataset::Append(Dataset other) {
  const auto before = static_cast<int32_t>(files.size());
  files.insert(files.end(), other.files.begin(), other.files.end());
  for (auto& example : other.examples) {
    example.file += before;
    examples.push_back(std::move(example));
  }
  counts.tokens += other.counts.tokens;
  counts.longest = std::max(counts.longest, other.counts.longest);
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
