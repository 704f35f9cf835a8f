// POST /v1/embeddings.
#include <cstring>

#include "http/generation_fields.h"

namespace hew {
namespace {

constexpr size_t kMostInputs = 2048;

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out.push_back(j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=');
  }
  return out;
}

// Little-endian floats, as NumPy reads them.
std::string Packed(const std::vector<float>& row) {
  std::string bytes;
  for (const float value : row) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift & 0xFF));
  }
  return bytes;
}

// A text, a list of texts, a list of ids, or a list of lists of ids.
Api<std::vector<std::vector<int32_t>>> ReadInputs(ApiContext& context, Fields& fields) {
  const Json* input = fields.Get("input");
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!input) return BadField("input", "expected text, token ids or a list of them, found none");
  const bool one = input->is_string() || (input->is_array() && !input->empty() && (*input)[0].is_number());
  const Json list = one ? Json::array({*input}) : *input;
  if (!list.is_array() || list.empty() || list.size() > kMostInputs)
    return BadField("input", fmt::format("expected 1 to {} texts or lists of token ids, found {}", kMostInputs,
                                         list.is_array() ? std::to_string(list.size()) : Found(list)));
  std::vector<std::vector<int32_t>> inputs;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = one ? "input" : fmt::format("input[{}]", i);
    std::vector<int32_t> ids;
    if (list[i].is_string()) {
      ids = context.tokenizer().Encode(list[i].get_ref<const std::string&>(), {.add_special = true});
    } else if (list[i].is_array()) {
      API_ASSIGN(ids, ReadIds(list[i], path));
    } else {
      return BadField(path, fmt::format("expected text or token ids, found {}", Found(list[i])));
    }
    if (auto status = context.CheckPrompt(ids, 0, path); !status) return tl::unexpected(status.error());
    inputs.push_back(std::move(ids));
  }
  return inputs;
}

ApiStatus CreateEmbeddings(ApiContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  const std::string format = fields.OneOf("encoding_format", "float", {"float", "base64"});
  const int64_t hidden = context.models.base().model->config.hidden_size;
  fields.Integer("dimensions", hidden, hidden, hidden);
  const std::string name = fields.Text("model", context.models.base_id());
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(const ServedModel model, context.FindNamed(name));
  if (!model.adapters.empty())
    return BadField("model",
                    fmt::format("expected {} (embeddings are the base's), found '{}'", context.models.base_id(), name));
  API_ASSIGN(const auto inputs, ReadInputs(context, fields));
  const auto rows = context.models.engine().Embed(inputs);
  if (!rows) return tl::unexpected(context.FromEngine(rows.error()));
  Json data = Json::array();
  for (size_t i = 0; i < rows->size(); ++i) {
    Json embedding = format == "base64" ? Json(Base64(Packed((*rows)[i]))) : Json((*rows)[i]);
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(embedding)}});
  }
  int64_t tokens = 0;
  for (const auto& ids : inputs) tokens += static_cast<int64_t>(ids.size());
  SendJson(*reply, {{"object", "list"},
                    {"data", std::move(data)},
                    {"model", model.id},
                    {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
  return {};
}

}  // namespace

void AddEmbeddingRoutes(Router& router, const std::shared_ptr<ApiContext>& context) {
  router.Add("POST", "/v1/embeddings", Handle(context, CreateEmbeddings));
}

}  // namespace hew
