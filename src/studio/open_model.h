// Opens what a command names MODEL, with its tokenizer, chat template and adapters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "infer/generator.h"
#include "model/lora.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hew {

inline constexpr int64_t kDefaultContext = 8192;  // tokens a sequence may hold unless the model holds fewer

struct OpenedModel {
  std::string path;
  std::optional<int64_t> version;  // of the workspace, when that is what was named
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::unique_ptr<LoraAdapter>> adapters;
  std::optional<ChatTemplate> chat_template;  // absent when the model has none

  // An engine over these parts; context_size 0 takes min(the model's, 8192).
  Result<Engine> MakeEngine(const Runtime& rt, int64_t context_size = 0) const;
  // The template, or the error that says that the model has none.
  Result<const ChatTemplate*> Chat() const;
};

// `name`: a path, or a version, alias or name of the workspace (studio/registry/workspace.h), whose adapter comes
// before the given ones. `adapters`: each "PATH", "PATH=SCALE" or a version. `template_path`: a file that replaces the
// model's own template, "" for none. `cache`: see LoadModel.
Result<OpenedModel> OpenModel(const Runtime& rt, const std::string& name, const std::vector<std::string>& adapters,
                              const std::string& template_path = "", const PackedCache& cache = {});

// Splits "PATH=0.5" into path and scale (1 when absent).
Result<std::pair<std::string, float>> ParseAdapterSpec(const std::string& spec);

// The prompt of a conversation as ids: the template with the assistant's turn opened, special tokens parsed, no second
// BOS.
Result<std::vector<int32_t>> ChatPrompt(const OpenedModel& opened, const nlohmann::ordered_json& messages,
                                        const nlohmann::ordered_json& tools, const JinjaClock& now);

}  // namespace hew
