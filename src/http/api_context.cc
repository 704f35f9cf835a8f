#include "http/api_context.h"

#include <ctime>
#include <random>

#include "base/shown.h"
#include "http/routes.h"

namespace hew {

constexpr size_t kGrammarsKept = 32;

void AddApiRoutes(Router& router, ServedModels& models, ServeMetrics& metrics) {
  const auto context = std::make_shared<ApiContext>(models, metrics);
  AddModelRoutes(router, context);
  AddTokenRoutes(router, context);
  AddChatRoutes(router, context);
  AddCompletionRoutes(router, context);
  AddEmbeddingRoutes(router, context);
  AddResponsesRoutes(router, context);
  AddMessagesRoutes(router, context);
}

std::string NewId(const char* prefix) {
  std::random_device random;  // the system's: no two servers give the same
  return fmt::format("{}{:08x}{:08x}{:08x}", prefix, random(), random(), random());
}

int64_t UnixSeconds() { return static_cast<int64_t>(std::time(nullptr)); }

Api<ServedModel> ApiContext::FindNamed(const std::string& name) {
  auto found = models.Find(name);
  if (!found) {
    ApiError error = FromError(found.error(), "model");
    error.status = 500;  // the workspace is damaged: no mistake of this client
    return tl::unexpected(std::move(error));
  }
  if (*found) return **std::move(found);
  ApiError error = PlainError(404, fmt::format("model: expected one of GET /v1/models, found '{}'", Shown(name)));
  error.param = "model";
  error.code = "model_not_found";
  return tl::unexpected(std::move(error));
}

Api<ServedModel> ApiContext::FindModel(Fields& fields) {
  const std::string name = fields.Text("model");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  return FindNamed(name);
}

Api<std::shared_ptr<const Grammar>> ApiContext::GrammarOf(const Json& schema, const std::string& param) {
  const std::string key = DumpJson(schema);
  std::shared_ptr<const TokenTable> table;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = grammars_.begin(); at != grammars_.end(); ++at) {
      if (at->first != key) continue;
      grammars_.splice(grammars_.begin(), grammars_, at);
      return at->second;
    }
    if (!table_) table_ = MakeTokenTable(tokenizer());
    table = table_;
  }
  auto grammar = JsonGrammar(schema, std::move(table));
  if (!grammar) return tl::unexpected(FromError(grammar.error(), param));
  const std::lock_guard lock(mutex_);
  grammars_.emplace_front(key, *grammar);
  if (grammars_.size() > kGrammarsKept) grammars_.pop_back();
  return *std::move(grammar);
}

ApiStatus ApiContext::CheckPrompt(const std::vector<int32_t>& ids, int64_t room, const std::string& param) const {
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t most = models.context_size() - room, vocab = models.base().model->config.vocab_size;
  if (count == 0) return BadField(param, "expected at least one token, found none");
  if (count > most) {
    ApiError error =
        BadField(param, fmt::format("expected at most {} tokens (a context of {}, {} for the answer), found {}", most,
                                    models.context_size(), room, count))
            .value();
    error.code = "context_length_exceeded";
    error.more = {{"n_prompt_tokens", count}, {"n_ctx", models.context_size()}};
    return tl::unexpected(std::move(error));
  }
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab) return BadField(param, fmt::format("expected token ids below {}, found {}", vocab, id));
  }
  return {};
}

Api<std::vector<int32_t>> ApiContext::RenderChat(const Json& messages, const Json& tools) const {
  const auto now = models.Now();
  if (!now) return tl::unexpected(FromError(now.error()));
  auto ids = ChatPrompt(models.base(), messages, tools, *now);
  if (!ids) return tl::unexpected(FromError(ids.error(), "messages"));
  return *std::move(ids);
}

ApiError ApiContext::FromEngine(const Error& error) const {
  ApiError out = FromError(error);
  if (error.code == ErrorCode::kBadInput) return out;
  out.status = models.stopping() ? 503 : 429;
  out.headers["Retry-After"] = models.stopping() ? "10" : "1";
  return out;
}

}  // namespace hew
