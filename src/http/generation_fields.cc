#include "http/generation_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

#include "base/shown.h"

namespace hew {
namespace {

constexpr size_t kMostStops = 64, kMostStopBytes = 1024, kMostBiases = 4096;

std::vector<std::string> ReadStop(Fields& fields) {
  const Json* stop = fields.Get("stop");
  if (!stop) return {};
  std::vector<std::string> texts;
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kMostStops)
    fields.Fail("stop", fmt::format("expected at most {} texts, found {}", kMostStops, list.size()));
  for (const auto& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().size() > kMostStopBytes) {
      fields.Fail("stop", fmt::format("expected a text or a list of texts of at most {} bytes, found {}",
                                      kMostStopBytes, Found(text)));
    } else if (!text.get_ref<const std::string&>().empty()) {
      texts.push_back(text.get<std::string>());
    }
  }
  return texts;
}

std::map<int32_t, float> ReadLogitBias(ApiContext& context, Fields& fields) {
  std::map<int32_t, float> out;
  const Json* bias = fields.Object("logit_bias");
  if (!bias) return out;
  if (bias->size() > kMostBiases)
    fields.Fail("logit_bias", fmt::format("expected at most {} tokens, found {}", kMostBiases, bias->size()));
  const int64_t vocab = context.models.base().model->config.vocab_size;
  for (const auto& [key, value] : bias->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= vocab) {
      fields.Fail("logit_bias", fmt::format("expected token ids below {}, found '{}'", vocab, Shown(key, 40)));
    } else if (!value.is_number() || !(std::abs(value.get<double>()) <= 100)) {
      fields.Fail("logit_bias", fmt::format("expected numbers from -100 to 100, found {}", Found(value)));
    } else {
      out[id] = value.get<float>();
    }
  }
  return out;
}

}  // namespace

GenerationFields ReadGeneration(ApiContext& context, Fields& fields) {
  GenerationFields out;
  SamplingSettings& s = out.sampling;
  const auto real = [](std::optional<double> value, float fallback) {
    return value ? static_cast<float>(*value) : fallback;
  };
  s.temperature = real(fields.Number("temperature", 0, 2), s.temperature);
  s.top_p = real(fields.Number("top_p", 0, 1), s.top_p);
  s.top_k = std::max<int64_t>(0, fields.Integer("top_k", s.top_k, -1, INT32_MAX));
  s.min_p = real(fields.Number("min_p", 0, 1), s.min_p);
  s.repeat_penalty = real(fields.Number("repetition_penalty", 0.01, 100), s.repeat_penalty);
  s.repeat_penalty = real(fields.Number("repeat_penalty", 0.01, 100), s.repeat_penalty);
  s.repeat_last_n = fields.Integer("repeat_last_n", s.repeat_last_n, -1, INT32_MAX);
  s.presence_penalty = real(fields.Number("presence_penalty", -2, 2), s.presence_penalty);
  s.frequency_penalty = real(fields.Number("frequency_penalty", -2, 2), s.frequency_penalty);
  const auto seed = fields.Integer("seed", INT64_MIN, INT64_MAX);
  std::random_device random;
  s.seed = seed ? static_cast<uint64_t>(*seed) : (uint64_t{random()} << 32 | random());
  out.stop = ReadStop(fields);
  out.logit_bias = ReadLogitBias(context, fields);
  out.n = fields.Integer("n", 1, 1, 128);
  out.stream = fields.Flag("stream", false);
  out.lookup = fields.Flag("lookup", true);
  if (const Json* options = fields.Object("stream_options")) {
    Fields inner(*options, "stream_options");
    out.include_usage = inner.Flag("include_usage", false);
    if (auto status = inner.status(); !status) fields.Fail("stream_options", status.error().message);
    if (!out.stream) fields.Fail("stream_options", "expected only with \"stream\": true");
  }
  return out;
}

Api<std::shared_ptr<const Grammar>> GrammarOfFormat(ApiContext& context, const Json& format, const std::string& param) {
  Fields fields(format, param);
  const std::string type = fields.OneOf("type", "text", {"text", "json_object", "json_schema"});
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (type == "text") return std::shared_ptr<const Grammar>();
  if (type == "json_object") return context.GrammarOf(Json(true), param);
  const Json* named = fields.Object("json_schema");
  const Json* holder = named ? named : &format;  // /v1/responses has the schema beside the type
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  const std::string path = named ? param + ".json_schema.schema" : param + ".schema";
  const auto schema = holder->find("schema");
  if (schema == holder->end() || (!schema->is_object() && !schema->is_boolean()))
    return BadField(path,
                    fmt::format("expected a JSON schema, found {}", schema == holder->end() ? "none" : Found(*schema)));
  return context.GrammarOf(*schema, path);
}

Api<std::shared_ptr<const Grammar>> ReadResponseFormat(ApiContext& context, Fields& fields) {
  const Json* format = fields.Object("response_format");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!format) return std::shared_ptr<const Grammar>();
  return GrammarOfFormat(context, *format, "response_format");
}

BatchRequest MakeBatchRequest(const GenerationFields& fields, const ServedModel& model, std::vector<int32_t> prompt,
                              int64_t max_tokens, int64_t i) {
  BatchRequest request;
  request.generate = {std::move(prompt), fields.sampling, max_tokens, fields.stop, fields.lookup};
  request.generate.sampling.seed += static_cast<uint64_t>(i);
  request.adapters = model.adapters;
  request.adapter_key = model.adapter_key;
  request.logit_bias = fields.logit_bias;
  return request;
}

Json UsageJson(int64_t prompt_tokens, int64_t completion_tokens, int64_t cached_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}}};
}

}  // namespace hew
