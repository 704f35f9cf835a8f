// Preference pairs in the shapes that people have them in.
#include <algorithm>

#include "base/json.h"
#include "train/data_messages.h"

namespace hew {
namespace {

struct Answers {
  const char *chosen = "chosen", *rejected = "rejected";  // fields
};

Result<const Json*> Field(const DataRow& data, const char* field) {
  const auto found = data.object.find(field);
  if (found != data.object.end() && !found->is_null()) return &*found;
  return BadInput("{}: {}: expected an answer, found no such field (fields: {})", data.where, field,
                  FieldNames(data.object));
}

// An answer: text, a list of messages, one message, or one ShareGPT turn.
Status AddAnswer(const Json& answer, const std::string& where, NormalRow* row) {
  if (answer.is_string()) {
    AddTurn("assistant", answer.get<std::string>(), row);
  } else if (answer.is_object() && answer.contains("from")) {
    HEW_RETURN_IF_ERROR(AddSpeakerTurn(answer, where, row));
  } else {
    HEW_RETURN_IF_ERROR(AddMessages(answer.is_object() ? Json::array({answer}) : answer, where, row));
  }
  if (std::any_of(row->weights.begin(), row->weights.end(), [](float w) { return w > 0; })) return {};
  return BadInput("{}: expected an answer of the assistant, found none", where);
}

// Both answers behind one question, whose messages are not learned.
Result<PreferenceRow> Behind(const DataRow& data, NormalRow question, const Answers& fields) {
  question.kind = NormalRow::Kind::kConversation;
  std::fill(question.weights.begin(), question.weights.end(), 0.0f);
  PreferenceRow row{question, std::move(question)};
  for (const auto& [field, side] : {std::pair(fields.chosen, &row.chosen), std::pair(fields.rejected, &row.rejected)}) {
    HEW_ASSIGN(const Json* answer, Field(data, field));
    HEW_RETURN_IF_ERROR(AddAnswer(*answer, fmt::format("{}: {}", data.where, field), side));
  }
  return row;
}

// Whole conversations: what both begin with is the question.
Result<PreferenceRow> Whole(const DataRow& data, const Json& chosen, const Json& rejected) {
  PreferenceRow row;
  for (const auto& [field, messages, side] :
       {std::tuple("chosen", &chosen, &row.chosen), std::tuple("rejected", &rejected, &row.rejected)}) {
    side->kind = NormalRow::Kind::kConversation;
    HEW_RETURN_IF_ERROR(AddMessages(*messages, fmt::format("{}: {}", data.where, field), side));
    HEW_RETURN_IF_ERROR(AddTools(data.object, data.where, side));
  }
  const size_t last = std::min(row.chosen.messages.size(), row.rejected.messages.size()) - 1;
  size_t common = 0;
  while (common < last && row.chosen.messages[common] == row.rejected.messages[common]) ++common;
  if (common == 0) {
    return BadInput("{}: prompt: expected a question, or two conversations that begin with one, found neither",
                    data.where);
  }
  for (NormalRow* side : {&row.chosen, &row.rejected}) std::fill_n(side->weights.begin(), common, 0.0f);
  return row;
}

bool BeginsWithQuestion(const Json& answer) {
  if (!answer.is_array() || answer.empty() || !answer[0].is_object()) return false;
  const auto role = answer[0].find("role");
  return role != answer[0].end() && *role != "assistant";
}

Result<PreferenceRow> FromOpenAi(const DataRow& data) {
  const auto input = data.object.find("input");
  const Json* messages = nullptr;
  if (input != data.object.end() && input->is_object() && input->contains("messages")) messages = &(*input)["messages"];
  if (!messages) return BadInput("{}: input.messages: expected a list of messages, found no such field", data.where);
  NormalRow question;
  HEW_RETURN_IF_ERROR(AddMessages(*messages, data.where + ": input.messages", &question));
  HEW_RETURN_IF_ERROR(AddTools(*input, data.where + ": input", &question));
  return Behind(data, std::move(question), {"preferred_output", "non_preferred_output"});
}

// Alpaca's fields, with two outputs.
Result<PreferenceRow> FromInstruction(const DataRow& data) {
  PreferenceRow row;
  for (const auto& [field, side] : {std::pair("chosen", &row.chosen), std::pair("rejected", &row.rejected)}) {
    HEW_ASSIGN(std::string answer, TextField(data.object, data.where, field));
    DataRow one = data;
    one.object["output"] = std::move(answer);
    HEW_ASSIGN(*side, NormaliseRow(one, DataFormat::kAlpaca));
  }
  return row;
}

Result<PreferenceRow> FromPrompt(const DataRow& data) {
  HEW_ASSIGN(const Json* chosen, Field(data, "chosen"));
  HEW_ASSIGN(const Json* rejected, Field(data, "rejected"));
  const auto prompt = data.object.find("prompt");
  const bool none = prompt == data.object.end() || prompt->is_null();
  if (BeginsWithQuestion(*chosen) && BeginsWithQuestion(*rejected) && (none || prompt->is_string()))
    return Whole(data, *chosen, *rejected);
  if (none) {
    return BadInput("{}: prompt: expected text or a list of messages, found no such field (fields: {})", data.where,
                    FieldNames(data.object));
  }
  if (prompt->is_string() && chosen->is_string() && rejected->is_string()) {
    NormalRow row;
    row.kind = NormalRow::Kind::kPair;
    row.prompt = prompt->get<std::string>();
    PreferenceRow pair{row, std::move(row)};
    pair.chosen.completion = chosen->get<std::string>();
    pair.rejected.completion = rejected->get<std::string>();
    return pair;
  }
  NormalRow question;
  if (prompt->is_string()) {
    AddTurn("user", prompt->get<std::string>(), &question);
  } else {
    HEW_RETURN_IF_ERROR(AddMessages(*prompt, data.where + ": prompt", &question));
  }
  HEW_RETURN_IF_ERROR(AddTools(data.object, data.where, &question));
  return Behind(data, std::move(question), {});
}

}  // namespace

Result<PreferenceRow> NormalisePreference(const DataRow& row) {
  const auto has = [&](const char* field) { return row.object.contains(field); };
  if (row.plain || !(has("chosen") || has("rejected") || has("preferred_output") || has("non_preferred_output"))) {
    return BadInput(
        "{}: expected a preference pair (prompt, chosen and rejected), found {}, to be learned with --method sft",
        row.where, row.plain ? "plain text" : fmt::format("a row to imitate (fields: {})", FieldNames(row.object)));
  }
  if (has("preferred_output") || has("non_preferred_output")) return FromOpenAi(row);
  if (has("conversations")) {
    NormalRow question;
    HEW_RETURN_IF_ERROR(AddConversations(row.object, row.where, &question));
    return Behind(row, std::move(question), {});
  }
  return has("instruction") ? FromInstruction(row) : FromPrompt(row);
}

}  // namespace hew
