// What the lessons of the tour came to, for programs.
#include "studio/understand/tour.h"

namespace hew {
namespace {

Json AnswersJson(const std::vector<FactAnswer>& answers) {
  Json list = Json::array();
  for (const auto& a : answers) {
    list.push_back({{"question", a.question},
                    {"before", a.before},
                    {"after", a.after},
                    {"taught", a.taught},
                    {"right_before", a.right_before},
                    {"right_after", a.right_after}});
  }
  return list;
}

}  // namespace

Json ToJson(const WeightsLesson& l) {
  return {{"parameters", l.parameters}, {"layers", l.layers},         {"hidden_size", l.hidden_size},
          {"vocab_size", l.vocab_size}, {"file_bytes", l.file_bytes}, {"type", l.type},
          {"groups", l.groups},         {"numbers_of", l.numbers_of}, {"numbers", l.numbers}};
}

Json ToJson(const LearningLesson& l) {
  return {{"parameters", l.parameters},
          {"text_bytes", l.text_bytes},
          {"lines", l.lines},
          {"report", ToJson(l.report)},
          {"watch", ToJson(l.watch)}};
}

Json ToJson(const std::vector<ProbeAnswer>& answers) {
  Json list = Json::array();
  for (const auto& a : answers) {
    list.push_back({{"text", a.probe.text},
                    {"expected", a.probe.expected},
                    {"word", a.word},
                    {"right", a.right},
                    {"next", ToJson(a.next)}});
  }
  return list;
}

Json ToJson(const FactsLesson& l) {
  return {{"rows", l.rows},
          {"report", ToJson(l.report)},
          {"answers", AnswersJson(l.answers)},
          {"same_without_adapter", l.same_without},
          {"diff", ToJson(l.diff)}};
}

Json ToJson(const SizesLesson& l) {
  Json models = Json::array();
  for (const auto& m : l.models) {
    models.push_back(
        {{"type", m.type}, {"bytes", m.bytes}, {"numbers", m.numbers}, {"next", ToJson(m.next)}, {"kl", m.kl}});
  }
  return {{"prompt", l.prompt}, {"models", models}};
}

Json ToJson(const VersionsLesson& l) {
  return {{"question", l.question}, {"bad", l.bad},
          {"good", l.good},         {"after", l.after},
          {"new_rows", l.new_rows}, {"replayed_rows", l.replayed_rows},
          {"gate", ToJson(l.gate)}, {"still", AnswersJson(l.still)}};
}

}  // namespace hew
