// POST /v1/completions: plain continuation of texts or token ids.
#include "base/shown.h"
#include "http/answer_job.h"
#include "http/generation_fields.h"
#include "http/token_json.h"

namespace hew {
namespace {

constexpr size_t kMostAnswers = 1024;  // prompts times n: what may wait in the queue

struct CompletionShape {
  std::string id, model, fingerprint;
  int64_t created = 0;
  int64_t n = 1;  // answers for each prompt
  bool stream = false, include_usage = false, echo = false, generates = true;
  int64_t logprobs = -1;                      // -1: none
  std::vector<std::vector<int32_t>> prompts;  // ids
  std::vector<std::string> texts;             // of the prompts, as echoed
};

class CompletionWriter : public AnswerWriter {
 public:
  CompletionWriter(const Tokenizer& tokenizer, CompletionShape shape) : shape_(std::move(shape)) {
    const size_t count = shape_.prompts.size() * static_cast<size_t>(shape_.n);
    for (size_t i = 0; i < count; ++i) answers_.emplace_back(tokenizer, shape_.logprobs);
  }

  void Begin(HttpReply& reply) override {
    if (shape_.stream) reply.BeginEvents();
    if (!shape_.echo) return;
    for (size_t i = 0; i < answers_.size(); ++i) {
      if (shape_.logprobs >= 0) {
        answers_[i].logprobs.AddFirst(shape_.prompts[PromptOf(i)][0]);
      } else if (shape_.stream) {
        SendChunk(reply, i, shape_.texts[PromptOf(i)], nullptr);
      }
    }
  }

  void OnPrompt(size_t index, const std::vector<TokenChoice>& prompt) override {
    if (shape_.logprobs >= 0) answers_[index].logprobs.Add(prompt);
  }

  void OnText(HttpReply& reply, size_t index, std::string_view text, const std::vector<TokenChoice>& tokens) override {
    Answer& answer = answers_[index];
    if (shape_.logprobs >= 0 && shape_.generates) answer.logprobs.Add(tokens);
    if (!shape_.stream || (text.empty() && (shape_.logprobs < 0 || tokens.empty()))) return;
    SendChunk(reply, index, EchoOnce(index) + std::string(text), nullptr);
  }

  void OnDone(HttpReply& reply, size_t index, const GenerateResult& result) override {
    Answer& answer = answers_[index];
    if (index % static_cast<size_t>(shape_.n) == 0) {
      prompt_tokens_ += result.prompt_tokens;
      cached_tokens_ += result.cached_tokens;
    }
    completion_tokens_ += static_cast<int64_t>(result.ids.size());
    if (shape_.stream) return SendChunk(reply, index, EchoOnce(index), result.finish_reason);
    answer.whole = {{"index", index},
                    {"text", (shape_.echo ? shape_.texts[PromptOf(index)] : "") + result.text},
                    {"logprobs", shape_.logprobs >= 0 ? answer.logprobs.Take() : Json()},
                    {"finish_reason", result.finish_reason}};
  }

  void End(HttpReply& reply) override {
    const Json usage = UsageJson(prompt_tokens_, completion_tokens_, cached_tokens_);
    Json body = Envelope();
    body["choices"] = Json::array();
    for (auto& answer : answers_) {
      if (!shape_.stream) body["choices"].push_back(std::move(answer.whole));
    }
    body["usage"] = usage;
    if (!shape_.stream) return SendJson(reply, body);
    if (shape_.include_usage) reply.Event(DumpJson(body));
    reply.Event("[DONE]");
    reply.End();
  }

  void Fail(HttpReply& reply, const ApiError& error) override {
    if (!shape_.stream) return SendError(reply, error);
    reply.Event(DumpJson(ErrorBody(error)));
    reply.Event("[DONE]");
    reply.End();
  }

 private:
  struct Answer {
    Answer(const Tokenizer& tokenizer, int64_t top) : logprobs(tokenizer, top) {}
    CompletionLogprobs logprobs;
    bool echoed = false;
    Json whole;
  };

  size_t PromptOf(size_t index) const { return index / static_cast<size_t>(shape_.n); }

  // With logprobs, a stream's prompt comes with the first chunk, since its probabilities are not known before.
  std::string EchoOnce(size_t index) {
    if (!shape_.echo || shape_.logprobs < 0 || std::exchange(answers_[index].echoed, true)) return "";
    return shape_.texts[PromptOf(index)];
  }

  Json Envelope() const {
    return {{"id", shape_.id},
            {"object", "text_completion"},
            {"created", shape_.created},
            {"model", shape_.model},
            {"system_fingerprint", shape_.fingerprint}};
  }

  void SendChunk(HttpReply& reply, size_t index, const std::string& text, const Json& finish_reason) {
    Json chunk = Envelope();
    Json logprobs;
    if (shape_.logprobs >= 0) logprobs = answers_[index].logprobs.Take();
    chunk["choices"] = Json::array(
        {{{"index", index}, {"text", text}, {"logprobs", std::move(logprobs)}, {"finish_reason", finish_reason}}});
    if (shape_.include_usage) chunk["usage"] = nullptr;
    reply.Event(DumpJson(chunk));
  }

  const CompletionShape shape_;
  std::vector<Answer> answers_;
  int64_t prompt_tokens_ = 0, completion_tokens_ = 0, cached_tokens_ = 0;
};

bool IsIds(const Json& value) { return value.is_array() && !value.empty() && value[0].is_number(); }

// A text, a list of texts, a list of ids, or a list of lists of ids.
ApiStatus ReadPrompts(ApiContext& context, Fields& fields, bool add_special, CompletionShape* shape) {
  const Json* prompt = fields.Get("prompt");
  if (auto status = fields.status(); !status) return status;
  if (!prompt) return BadField("prompt", "expected text, token ids or a list of them, found none");
  const Json list = prompt->is_array() && !IsIds(*prompt) ? *prompt : Json::array({*prompt});
  if (list.empty()) return BadField("prompt", "expected at least one, found none");
  const bool many = prompt->is_array() && !IsIds(*prompt);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = many ? fmt::format("prompt[{}]", i) : "prompt";
    if (list[i].is_string()) {
      shape->texts.push_back(list[i].get<std::string>());
      shape->prompts.push_back(
          context.tokenizer().Encode(shape->texts.back(), {.add_special = add_special, .parse_special = true}));
      continue;
    }
    if (!IsIds(list[i])) return BadField(path, fmt::format("expected text or token ids, found {}", Found(list[i])));
    API_ASSIGN(std::vector<int32_t> ids, ReadIds(list[i], path));
    if (auto status = context.CheckPrompt(ids, 0, path); !status) return status;
    shape->texts.push_back(context.tokenizer().Decode(ids, true));
    shape->prompts.push_back(std::move(ids));
  }
  return {};
}

ApiStatus CreateCompletion(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const GenerationFields generation = ReadGeneration(context, fields);
  CompletionShape shape;
  shape.echo = fields.Flag("echo", false);
  // With echo, 0 only looks at the prompt. The batch gives a token in any case, which is then left out.
  const int64_t max_tokens = fields.Integer("max_tokens", 16, shape.echo ? 0 : 1, INT32_MAX);
  shape.logprobs = fields.Integer("logprobs", -1, 0, 20);
  const int64_t best_of = fields.Integer("best_of", generation.n, 1, 128);
  if (best_of != generation.n) fields.Fail("best_of", "expected as many as n (choosing among more is not supported)");
  fields.Unsupported("suffix", "");
  const bool add_special = fields.Flag("add_special_tokens", true);
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindModel(fields));
  API_ASSIGN(const auto grammar, ReadResponseFormat(context, fields));
  if (auto status = ReadPrompts(context, fields, add_special, &shape); !status) return status;
  if (shape.prompts.size() * static_cast<size_t>(generation.n) > kMostAnswers)
    return BadField("prompt", fmt::format("expected at most {} answers, found {} prompts and n {}", kMostAnswers,
                                          shape.prompts.size(), generation.n));

  std::vector<BatchRequest> requests;
  for (size_t i = 0; i < shape.prompts.size(); ++i) {
    const std::string path = shape.prompts.size() > 1 ? fmt::format("prompt[{}]", i) : "prompt";
    if (auto status = context.CheckPrompt(shape.prompts[i], max_tokens > 0 ? 1 : 0, path); !status) return status;
    for (int64_t j = 0; j < generation.n; ++j) {
      requests.push_back(MakeBatchRequest(generation, model, shape.prompts[i],
                                          std::min(max_tokens, context.models.context_size()), j));
      requests.back().grammar = grammar;
      requests.back().top_logprobs = shape.logprobs;
      requests.back().prompt_logprobs = shape.echo && shape.logprobs >= 0;
    }
  }
  shape.id = NewId("cmpl-");
  shape.model = model.id;
  shape.fingerprint = context.models.fingerprint();
  shape.created = UnixSeconds();
  shape.n = generation.n;
  shape.stream = generation.stream;
  shape.include_usage = generation.include_usage;
  shape.generates = max_tokens > 0;
  return Answer(context, std::move(requests), std::make_shared<CompletionWriter>(context.tokenizer(), std::move(shape)),
                reply);
}

}  // namespace

void AddCompletionRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/v1/completions", Handle(context, CreateCompletion));
}

}  // namespace hew
