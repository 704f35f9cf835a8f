// Steps 1 to 5 of the tour: what a model says, what it reads, what it is made of, how it learns.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/progress.h"
#include "cli/terminal.h"
#include "cli/tour.h"
#include "cli/tour_messages.h"
#include "studio/understand/lens.h"

namespace hew {
namespace {

constexpr const char* kPrompt = "The capital of France is";
constexpr const char* kBeginning = "The sky is blue because";
constexpr size_t kLineColumns = 84;

bool Shows(const TourView& view) { return !view.context.common.json; }

std::string Grouped(int64_t number) {  // 49,152
  std::string digits = std::to_string(number), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

// The pieces of a text with bars between them; parts of letters as "?".
std::string Pieces(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string out;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::string piece = tokenizer.TokenBytes(ids[i], true);
    if (FindInvalidUtf8(piece) != std::string_view::npos) piece = "?";
    out += (i ? "|" : "") + piece;
  }
  return out;
}

std::string FirstSentence(const std::string& text) {
  const size_t end = text.find('.');
  return end == text.npos ? text : text.substr(0, end + 1);
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void ByHand(const TourView& view, const std::vector<std::string>& commands) {
  const std::string label = view.context.Text(msg::kTourByHand);
  for (size_t i = 0; i < commands.size(); ++i)
    fmt::print("{}{}{}\n", i == 0 ? "\n" : "", i == 0 ? label : std::string(Columns(label), ' '), commands[i]);
}

std::string ShortLine(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (const size_t bad = FindInvalidUtf8(line); bad != std::string_view::npos) line.resize(bad);
  return Columns(line) > kLineColumns ? Fit(line, kLineColumns) : line;
}

LossLine::LossLine(const CommandContext& context)
    : context_(context), quiet_(context.common.json), terminal_(isatty(STDOUT_FILENO) == 1) {}

void LossLine::End() {
  if (drawn_) fmt::print("\n");
  drawn_ = false;
}

TourHooks LossLine::hooks() {
  return {[this](const StepMetrics& metrics) { Show(metrics); }, &Cancelled()};
}

void LossLine::Show(const StepMetrics& m) {
  if (quiet_) return;
  const std::string text = context_.Text(msg::kTourStep, m.step, m.loss);
  if (terminal_) {
    const double share = static_cast<double>(m.step) / static_cast<double>(m.total_steps);
    fmt::print("\r    {} {}", Fit(Bar(share, 24), 24), text);
    std::fflush(stdout);
    drawn_ = true;
  } else if (m.step == 1 || m.step == m.total_steps || m.step % std::max<int64_t>(1, m.total_steps / 5) == 0) {
    fmt::print("    {}\n", text);
  }
}

Result<Json> TourNext(const TourView& view) {
  const Engine& engine = view.tour.engine();
  const auto ids = PromptIds(*engine.tokenizer, kPrompt);
  HEW_ASSIGN(const auto next, NextWords(engine, ids, 8));
  HEW_ASSIGN(const std::string text, GreedyText(engine, PromptIds(*engine.tokenizer, kBeginning), 24));
  if (Shows(view)) {
    view.context.Say(msg::kTourNextText, kPrompt);
    PrintNext(next);
    view.context.Say(msg::kTourNextThen, Grouped(engine.model->config.vocab_size),
                     kBeginning + ShortLine(FirstSentence(text)));
    ByHand(view, {fmt::format("hew next {} \"{}\"", view.model, kPrompt)});
  }
  return Json{{"prompt", kPrompt}, {"next", ToJson(next)}, {"beginning", kBeginning}, {"text", text}};
}

Result<Json> TourTokens(const TourView& view) {
  const Tokenizer& tokenizer = *view.tour.opened().tokenizer;
  Json list = Json::array();
  if (Shows(view)) view.context.Say(msg::kTourTokensText);
  for (const char* text : {"I love you", "unbelievably good", "나 배고파"}) {
    const auto ids = tokenizer.Encode(text);
    list.push_back({{"text", text}, {"ids", ids}});
    if (!Shows(view)) continue;
    std::string numbers;
    for (const int32_t id : ids) numbers += fmt::format("{}{}", numbers.empty() ? "" : " ", id);
    view.context.Say(msg::kTourTokensOne, text, ids.size(), Pieces(tokenizer, ids), numbers);
  }
  if (Shows(view)) {
    view.context.Say(msg::kTourTokensThen, Grouped(tokenizer.vocab_size()));
    ByHand(view, {fmt::format("hew tokenize {} --text \"I love you\"", view.model)});
  }
  return Json{{"tokens", list}, {"vocab_size", tokenizer.vocab_size()}};
}

Result<Json> TourWeights(const TourView& view) {
  HEW_ASSIGN(const WeightsLesson lesson, view.tour.Weights());
  const Engine& engine = view.tour.engine();
  LensOptions options;
  options.k = 1;
  HEW_ASSIGN(const LensReport lens, Lens(engine, PromptIds(*engine.tokenizer, kPrompt), options));
  if (!Shows(view)) return Json{{"weights", ToJson(lesson)}, {"lens", ToJson(lens)}};
  std::string numbers;
  for (const float v : lesson.numbers) numbers += fmt::format("{}{:.4f}", numbers.empty() ? "" : "  ", v);
  view.context.Say(msg::kTourWeightsText, Grouped(lesson.parameters), HumanBytes(lesson.file_bytes), numbers);
  if (lesson.type != "F32" && lesson.type != "F16" && lesson.type != "BF16") view.context.Say(msg::kTourWeightsRound);
  view.context.Say(msg::kTourWeightsUse);
  for (const Json& group : lesson.groups) {
    const std::string name = group["name"].get<std::string>();
    const Message& what = name == "embeddings"     ? msg::kTourGroupEmbeddings
                          : name == "attention"    ? msg::kTourGroupAttention
                          : name == "feed-forward" ? msg::kTourGroupFeedForward
                                                   : msg::kTourGroupOther;
    const double share = group["share"].get<double>();
    fmt::print("    {:>5.1f}%  {}  {}\n", 100 * share, Fit(Bar(share, 20), 20), view.context.In(what));
  }
  view.context.Say(msg::kTourLens, lesson.layers, Quoted(kPrompt));
  const auto& rows = lens.positions[0].rows;
  const auto last = static_cast<int64_t>(rows.size()) - 1;
  const int64_t late = std::max<int64_t>(1, last - 3), gap = std::max<int64_t>(1, last / 5);
  for (int64_t layer = gap; layer <= last; layer += layer + gap < late ? gap : layer < late ? late - layer : 1) {
    const LensRow& row = rows[static_cast<size_t>(layer)];
    view.context.Say(msg::kTourLensRow, layer, Fit(Quoted(row.likely[0].text), 16), 100 * std::exp(row.answer_logprob));
  }
  view.context.Say(msg::kTourLensThen);
  ByHand(view, {"hew inspect " + view.model, fmt::format("hew lens {} \"{}\"", view.model, kPrompt)});
  return Json();
}

Result<Json> TourLearn(const TourView& view) {
  const TourLanguage language = view.tour.language();
  if (Shows(view)) {
    const std::string text = TourText(language);
    view.context.Say(msg::kTourLearnText, std::count(text.begin(), text.end(), '\n'));
    for (size_t n = 0, at = 0; n < 3; ++n) {  // lines from all over
      at = text.find('\n', text.size() * (n + 1) / 4) + 1;
      fmt::print("    {}\n", text.substr(at, text.find('\n', at) - at));
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
  LossLine line(view.context);
  auto learned = view.tour.Learn(line.hooks());
  HEW_ASSIGN(const LearningLesson* lesson, std::move(learned));
  if (!Shows(view)) return ToJson(*lesson);
  line.End();
  view.context.Say(msg::kTourLearnWatch, Grouped(lesson->parameters), lesson->report.train_seconds,
                   lesson->watch.prompts[0]);
  for (const WatchPoint& point : lesson->watch.points)
    view.context.Say(msg::kTourLearnRow, *point.step,
                     ShortLine(lesson->watch.prompts[0] + FirstLine(point.answers[0].text)));
  view.context.Say(msg::kTourLearnThen);
  ByHand(view, {"hew pretrain --data book.txt --out my-model --preset 1m --snapshots 8"});
  return Json();
}

Result<Json> TourContext(const TourView& view) {
  const Engine& engine = view.tour.engine();
  Json large = Json::array();
  if (Shows(view)) view.context.Say(msg::kTourContextLove);
  for (const char* text : {"I love", "I love you, and I will always love", "We sat on the bank of the",
                           "He robbed the bank and took the"}) {
    HEW_ASSIGN(const auto next, NextWords(engine, PromptIds(*engine.tokenizer, text), 3));
    large.push_back({{"text", text}, {"next", ToJson(next)}});
    if (!Shows(view)) continue;
    std::string words;
    for (const auto& t : next)
      words += fmt::format("{}{} {:.0f}%", words.empty() ? "" : "  ", Quoted(t.text), 100 * t.probability());
    view.context.Say(msg::kTourContextRow, Fit(text, 44), words);
  }
  if (Shows(view) && !view.tour.learned()) view.context.Say(msg::kTourLearnFirst);
  LossLine line(view.context);
  HEW_ASSIGN(const auto answers, view.tour.Context(line.hooks()));
  if (!Shows(view)) return Json{{"model", large}, {"small_model", ToJson(answers)}};
  line.End();
  view.context.Say(msg::kTourContextSmall);
  int64_t right = 0;
  for (const ProbeAnswer& a : answers) {
    view.context.Say(msg::kTourContextRow, Fit(a.probe.text, 52), Bold(ShortLine(a.word), UseColor()));
    right += a.right;
  }
  view.context.Say(msg::kTourContextThen, right, answers.size());
  return Json();
}

}  // namespace hew
