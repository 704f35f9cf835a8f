// What the formats of training rows are read with: fields, messages, tools. Errors begin with `where`, which names the
// row. Internal to train/.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "train/data_format.h"

namespace hew {

std::string FieldNames(const Json& object);  // "prompt, answer", for errors

// A field that must be text.
Result<std::string> TextField(const Json& object, const std::string& where, const char* field, bool required = true);

// Adds messages, checked and brought into one shape; assistant messages weigh what their "weight" says, else 1.
Status AddMessages(const Json& messages, const std::string& where, NormalRow* row);
void AddTurn(std::string_view role, std::string content, NormalRow* row);

// OpenAI writes a call's arguments as JSON in a string, templates expect the object itself.
Status UnwrapArguments(const std::string& where, Json* calls);
// "tools" of a row as a list, or as such a list written in a string (ShareGPT sets do so); each wrapped as a function.
Status AddTools(const Json& object, const std::string& where, NormalRow* row);

// Adds the turns of "conversations", and what "system" and "tools" say.
Status AddConversations(const Json& object, const std::string& where, NormalRow* row);
// One ShareGPT turn ({"from", "value"}).
Status AddSpeakerTurn(const Json& turn, const std::string& where, NormalRow* row);

}  // namespace hew
