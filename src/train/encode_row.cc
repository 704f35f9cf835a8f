// One row as token ids with their weights: rendered by the model's template where it is a conversation.
#include <algorithm>

#include "base/json.h"
#include "train/dataset.h"

namespace hew {
namespace {

struct Span {
  size_t begin = 0, end = 0;  // bytes of the rendered text
  float weight = 1;
};

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

}  // namespace

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

}  // namespace hew
