// Training rows as the model sees them: token ids, and how much each token counts in the loss.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/data_format.h"

namespace hew {

struct TrainingExample {
  std::vector<int32_t> ids;
  std::vector<float>
      weights;       // [ids]: of -log p(ids[i] | before); 0: not learned; weights[0] is 0, nothing precedes it
  std::vector<float> kept;  // [ids] of one that is kept, not learned: -log p of each token at the start (train/keep.h)
  int32_t file = 0;  // index into Dataset::files
  int64_t line = 0;  // where its row begins

  int64_t size() const { return static_cast<int64_t>(ids.size()); }
  int64_t learned() const;        // tokens with a weight above 0
  int64_t first_learned() const;  // index of the first of them; size() if there is none
  double weight() const;          // sum of weights
};

struct DataCounts {
  int64_t rows = 0, tokens = 0, learned_tokens = 0, longest = 0;
  int64_t duplicates = 0;     // rows equal to an earlier one; they are kept
  int64_t cut = 0;            // rows shortened to max_length
  int64_t unlearned = 0;      // rows left out because nothing in them is learned
  int64_t calls_as_text = 0;  // rows whose tool calls the template cannot write
};

struct DatasetOptions {
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat = nullptr;  // null: the model has none
  bool template_knows_tools = false;
  JinjaClock now;
  DataFormat format = DataFormat::kAuto;
  bool pairs = false;      // rows are preference pairs
  int64_t context = 0;     // the model's
  int64_t max_length = 0;  // > 0: longer rows are cut to it; 0: rows longer than the context are refused
};

struct Dataset {
  std::vector<std::string> files;
  std::vector<TrainingExample> examples;  // of pairs: chosen and rejected of the first row, of the second, ...
  bool pairs = false;
  DataCounts counts;

  int64_t rows() const { return static_cast<int64_t>(examples.size()) / (pairs ? 2 : 1); }

  void Append(Dataset other);  // its examples behind these, in order

  std::string Where(const TrainingExample& example) const;  // "train.jsonl:3"
  std::string Digest() const;                               // SHA-256 of ids, weights and their order
};

// Reads files in order. Chat-shaped rows need a template; a prompt with its completion is taken as a conversation
// of two turns where there is one, else as plain text with EOS at its end. A plain text document longer than the window
// (max_length, else 512 or the context) becomes several examples and loses nothing. With options.pairs each row is a
// preference pair; one of which nothing is learned, or whose answers are the same, is left out.
// Errors name file, line and field; so does a data set in which nothing is learned.
Result<Dataset> ReadDataset(const std::vector<std::string>& files, const DatasetOptions& options);

// One row; `example` is left without learned tokens if there are none. Not cut.
Result<TrainingExample> EncodeRow(const NormalRow& row, const std::string& where, const DatasetOptions& options);

// Rows of `eval` whose question (all before the last answer; the whole of a text) also stands in `train`.
struct Overlap {
  int64_t rows = 0;
  std::string first;  // "eval.jsonl:2"
};
Overlap FindOverlap(const Dataset& train, const Dataset& eval);

}  // namespace hew
