#include "studio/open_model.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/memory.h"
#include "studio/memory_plan.h"
#include "studio/registry/workspace.h"

namespace hew {

Result<Engine> OpenedModel::MakeEngine(const Runtime& rt, int64_t context_size) const {
  const int64_t most = model->config.max_position_embeddings;
  if (context_size < 0 || context_size > most) {
    return BadInput("--ctx-size: expected 1 to {} (the model's own), found {}", most, context_size);
  }
  if (context_size == 0) context_size = std::min(most, kDefaultContext);
  HEW_RETURN_IF_ERROR(CheckFits(path, fmt::format("for a context of {} tokens", context_size),
                                ChatBytes(model->config, rt.bf16(), context_size), AvailableMemoryBytes(),
                                "lower --ctx-size"));
  Engine engine{rt, model.get(), tokenizer.get(), {}, context_size};
  for (const auto& adapter : adapters) engine.adapters.push_back(adapter.get());
  return engine;
}

Result<const ChatTemplate*> OpenedModel::Chat() const {
  if (!chat_template)
    return BadInput("{}: chat_template: expected one in the model or --template FILE, found none", path);
  return &*chat_template;
}

Result<std::pair<std::string, float>> ParseAdapterSpec(const std::string& spec) {
  const size_t at = spec.rfind('=');
  if (at == std::string::npos) return std::pair{spec, 1.0f};
  const std::string number = spec.substr(at + 1);
  float scale = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), scale);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(scale)) {
    return BadInput("--adapter {}: expected PATH or PATH=SCALE with a number, found '{}'", spec, number);
  }
  return std::pair{spec.substr(0, at), scale};
}

Result<OpenedModel> OpenModel(const Runtime& rt, const std::string& name, const std::vector<std::string>& adapters,
                              const std::string& template_path, const PackedCache& cache) {
  HEW_ASSIGN(ModelRef ref, ResolveModel(name));
  for (const auto& spec : adapters) {
    HEW_ASSIGN(std::string resolved, ResolveAdapter(spec));
    ref.adapters.push_back(std::move(resolved));
  }
  const std::string& path = ref.path;
  OpenedModel opened;
  opened.path = path;
  HEW_RETURN_IF_ERROR(CheckFits(path, "to load", LoadedBytes(path), AvailableMemoryBytes(),
                                "take a smaller model or one of fewer bits, or end other programs"));
  if (adapters.empty()) opened.version = ref.version;  // with another adapter it is no longer that version
  // The tokenizer is made by one thread, beside the weights.
  std::optional<Result<std::shared_ptr<const Tokenizer>>> tokenizer;
  std::thread reader([&] { tokenizer = Tokenizer::Open(path); });
  auto model = LoadModel(rt, path, cache);
  reader.join();
  HEW_ASSIGN(opened.model, std::move(model));
  HEW_ASSIGN(opened.tokenizer, *std::move(tokenizer));
  if (opened.tokenizer->vocab_size() > opened.model->config.vocab_size) {
    return BadInput("{}: tokenizer: expected at most {} tokens (the embedding's rows), found {}", path,
                    opened.model->config.vocab_size, opened.tokenizer->vocab_size());
  }
  for (const auto& spec : ref.adapters) {
    HEW_ASSIGN(const auto parsed, ParseAdapterSpec(spec));
    HEW_ASSIGN(auto adapter, LoadAdapter(rt, parsed.first, *opened.model, parsed.second));
    opened.adapters.push_back(std::make_unique<LoraAdapter>(std::move(adapter)));
  }
  std::string source = opened.tokenizer->chat_template();
  if (!template_path.empty()) {
    HEW_ASSIGN(source, ReadFile(template_path, 16 << 20));
  }
  if (!source.empty()) {
    const auto spelling = [&](std::optional<int32_t> id) {
      return id ? opened.tokenizer->TokenBytes(*id, true) : std::string();
    };
    HEW_ASSIGN(opened.chat_template,
               ChatTemplate::Create(source, spelling(opened.tokenizer->bos()), spelling(opened.tokenizer->eos())));
  }
  return opened;
}

Result<std::vector<int32_t>> ChatPrompt(const OpenedModel& opened, const nlohmann::ordered_json& messages,
                                        const nlohmann::ordered_json& tools, const JinjaClock& now) {
  HEW_ASSIGN(const ChatTemplate* chat, opened.Chat());
  HEW_ASSIGN(const ChatRender render, chat->RenderPrompt(messages, tools, true, now));
  return EncodeChat(*opened.tokenizer, render);
}

}  // namespace hew
