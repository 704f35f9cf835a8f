// A dropped file: what is in it, what of it would be learned, and what that would cost.
#include <algorithm>

#include "base/file.h"
#include "http/page_context.h"
#include "kernels/machine_peak.h"
#include "studio/memory_plan.h"
#include "studio/plan.h"
#include "train/tune.h"

namespace hew {
namespace {

constexpr int64_t kShownTokens = 400;      // of a row, around the first learned ones
constexpr double kUsualUtilization = 0.4;  // of the measured peak of products, where no run on this base is known

// The last part of what the browser calls the file, without what a shell or a path would take for more.
std::string CleanName(const std::string& name) {
  std::string clean;
  for (const char c : name.substr(name.find_last_of("/\\") == name.npos ? 0 : name.find_last_of("/\\") + 1)) {
    const auto byte = static_cast<unsigned char>(c);
    clean += std::isalnum(byte) || byte >= 0x80 || c == '.' || c == '-' || c == '_' ? c : '-';
  }
  while (!clean.empty() && (clean[0] == '.' || clean[0] == '-')) clean.erase(0, 1);
  if (clean.size() > 80) clean = clean.substr(clean.size() - 80);
  return clean.empty() || FindInvalidUtf8(clean) != std::string_view::npos ? "data.jsonl" : clean;
}

Json Pieces(const Tokenizer& tokenizer, const TrainingExample& example) {
  const int64_t size = example.size();
  const int64_t begin =
      std::clamp<int64_t>(example.first_learned() - kShownTokens / 2, 0, std::max<int64_t>(0, size - kShownTokens));
  const int64_t end = std::min(size, begin + kShownTokens);
  Json pieces = Json::array();
  if (begin > 0) pieces.push_back({{"text", "…"}, {"learned", false}});
  for (int64_t i = begin; i < end;) {
    const bool learned = example.weights[static_cast<size_t>(i)] > 0;
    std::string text;
    for (; i < end && (example.weights[static_cast<size_t>(i)] > 0) == learned; ++i)
      text += tokenizer.TokenBytes(example.ids[static_cast<size_t>(i)], true);
    pieces.push_back({{"text", text}, {"learned", learned}});
  }
  if (end < size) pieces.push_back({{"text", "…"}, {"learned", false}});
  return pieces;
}

// Tokens a second that the newest run on this base reached; else what the machine should reach. 0: unknown.
Api<double> TokensPerSecond(PageContext& context, const Workspace& workspace, int64_t rank) {
  API_ASSIGN(const auto recent, OrError(workspace.registry().List(20)));
  for (const auto& summary : recent) {
    API_ASSIGN(const Version version, OrError(workspace.registry().Get(summary.id)));
    if (version.base != context.models.base_digest() || !version.metrics.is_object()) continue;
    const auto rate = version.metrics.find("tokens_per_s");
    if (rate != version.metrics.end() && rate->is_number() && rate->get<double>() > 0) return rate->get<double>();
  }
  double peak = 0;
  context.RunExclusive({}, [&](const Engine& engine) { peak = MeasureProductPeak(engine.rt) * 1e9; });
  PlanRequest request;
  request.shape = ShapeOf(context.models.base().model->config);
  request.tokens = 1e6;
  request.lora = true;
  request.rank = rank;
  request.device = {"this machine", peak, kUsualUtilization, 0, 0};
  const auto plan = MakePlan(request);
  return plan && plan->seconds > 0 ? request.tokens / plan->seconds : 0;
}

Api<Json> PreviewJson(PageContext& context, const DroppedData& dropped, const HttpRequest& request) {
  const auto& examples = dropped.data.examples;
  const auto rows = static_cast<int64_t>(examples.size());
  API_ASSIGN(const int64_t row, QueryInteger(request, "row", 0, 0, std::max<int64_t>(0, rows - 1)));
  API_ASSIGN(const int64_t epochs, QueryInteger(request, "epochs", 3, 1, 100000));
  API_ASSIGN(const int64_t rank, QueryInteger(request, "rank", 16, 1, 4096));
  API_ASSIGN(const int64_t batch_size, QueryInteger(request, "batch_size", 8, 1, 100000));
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  const OpenedModel& base = context.models.base();
  const ModelConfig& config = base.model->config;
  API_ASSIGN(const double rate, TokensPerSecond(context, workspace, rank));
  LoraConfig lora;
  lora.rank = rank;
  const DataCounts& counts = dropped.data.counts;
  const auto tokens = static_cast<double>(counts.tokens * epochs);
  return Json{{"data", dropped.id},
              {"name", dropped.name},
              {"rows", rows},
              {"tokens", counts.tokens},
              {"learned_tokens", counts.learned_tokens},
              {"longest", counts.longest},
              {"duplicates", counts.duplicates},
              {"unlearned", counts.unlearned},
              {"row", row},
              {"where", dropped.data.Where(examples[static_cast<size_t>(row)])},
              {"pieces", Pieces(*base.tokenizer, examples[static_cast<size_t>(row)])},
              {"steps", (rows + batch_size - 1) / batch_size * epochs},
              {"trainable_parameters", LoraParameters(ShapeOf(config), rank)},
              {"memory_bytes",
               TuneBytes(config, lora, context.models.settings().rt.bf16(), std::max(kMicroTokens, counts.longest))},
              {"seconds", rate > 0 ? tokens / rate : 0}};
}

ApiStatus PostData(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  if (request.body.empty()) return BadField("", "body: expected a file, found nothing");
  auto dropped = std::make_shared<DroppedData>();
  dropped->name = CleanName(QueryText(request, "name"));
  const std::string folder = workspace.Path("uploads/" + NewId("drop-"));
  if (const auto made = MakeFolder(folder); !made) return tl::unexpected(FromError(made.error()));
  dropped->folder = folder;
  dropped->path = folder + "/" + dropped->name;
  if (const auto written = WriteFileAtomically(dropped->path, request.body); !written)
    return tl::unexpected(FromError(written.error()));
  API_ASSIGN(const JinjaClock now, OrError(context.models.Now()));
  auto data = ReadDataset({dropped->path}, context.DataOptions(now));
  if (!data) {
    Error error = data.error();  // speaks of the file as the user calls it
    if (const size_t at = error.message.find(folder + "/"); at != std::string::npos)
      error.message.erase(at, folder.size() + 1);
    return tl::unexpected(FromError(error, "body"));
  }
  dropped->data = *std::move(data);
  context.Keep(dropped);
  API_ASSIGN(const Json preview, PreviewJson(context, *dropped, request));
  SendJson(*reply, preview);
  return {};
}

ApiStatus GetPreview(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  const auto dropped = context.Data(request.parameters.at("id"));
  if (!dropped) return tl::unexpected(PlainError(404, "data: expected a file that was dropped lately, found none"));
  API_ASSIGN(const Json preview, PreviewJson(context, *dropped, request));
  SendJson(*reply, preview);
  return {};
}

}  // namespace

void AddDataRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("POST", "/api/data", Handle(context, PostData));
  router.Add("GET", "/api/data/{id}/preview", Handle(context, GetPreview));
}

}  // namespace hew
