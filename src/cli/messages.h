// What a person reads of the workspace's commands, in English and Korean: one table. Reports for programs (--json) and
// errors, which name fields and files, are the same in every language.
#pragma once

namespace hew {

struct Message {
  const char* en;
  const char* ko;
};

namespace msg {

inline constexpr Message kInit = {"a workspace in {}\n", "{} 에 작업 공간을 만들었습니다\n"};
inline constexpr Message kInitBase = {"its base model: {}\n", "바탕 모델: {}\n"};
inline constexpr Message kRecorded = {"recorded as v{}\n", "v{} 로 기록했습니다\n"};
inline constexpr Message kNoVersions = {
    "no versions yet: hew tune --base MODEL --data FILE makes the first\n",
    "아직 버전이 없습니다. hew tune --base MODEL --data FILE 로 첫 버전을 만드세요\n"};
inline constexpr Message kMoreVersions = {"({} earlier versions: hew list --all)\n",
                                          "(이전 버전 {}개 더 있음: hew list --all)\n"};
inline constexpr Message kPromoted = {"{} is v{} now (before: {})\n", "{} 이(가) 이제 v{} 입니다 (이전: {})\n"};
inline constexpr Message kRolledBack = {"{} is v{} again\n", "{} 을(를) v{} 로 되돌렸습니다\n"};
inline constexpr Message kNothing = {"none", "없음"};

inline constexpr Message kParent = {"parent", "부모"};
inline constexpr Message kBase = {"base", "바탕"};
inline constexpr Message kMadeBy = {"made by", "만든 명령"};
inline constexpr Message kData = {"data", "자료"};
inline constexpr Message kRows = {"{} ({} rows)", "{} ({}행)"};
inline constexpr Message kRecipe = {"recipe", "설정"};
inline constexpr Message kMetrics = {"metrics", "측정"};
inline constexpr Message kTests = {"tests", "시험"};
inline constexpr Message kAliases = {"aliases", "별명"};

inline constexpr Message kDiffRows = {"rows: {} the same, {} added, {} removed\n",
                                      "자료: 같음 {}행, 추가 {}행, 삭제 {}행\n"};
inline constexpr Message kDiffMoreRows = {"    … and {} more\n", "    … 외 {}행\n"};
inline constexpr Message kDiffRecipeSame = {"recipe: the same\n", "설정: 같음\n"};
inline constexpr Message kDiffRecipe = {"recipe:\n", "설정:\n"};
inline constexpr Message kDiffWeights = {
    "weights: the change to the base went from {:.3f} to {:.3f}; the two are {:.3f} apart\n",
    "가중치: 바탕에서 변한 크기 {:.3f} → {:.3f}, 둘 사이의 거리 {:.3f}\n"};
inline constexpr Message kDiffNoWeights = {"weights: {}, not compared\n", "가중치: {}, 비교하지 않음\n"};
inline constexpr Message kDiffMost = {"    most in {} ({:.3f})\n", "    가장 많이 변한 곳: {} ({:.3f})\n"};
inline constexpr Message kDiffAnswers = {"answers: {} broken, {} fixed, {} changed, {} the same\n",
                                         "답변: 고장 {}, 고침 {}, 바뀜 {}, 같음 {}\n"};
inline constexpr Message kDiffNoAnswers = {"answers: no case was asked of both (hew test)\n",
                                           "답변: 두 버전 모두에게 물은 문항이 없습니다 (hew test)\n"};
inline constexpr Message kBroken = {"broken", "고장"};
inline constexpr Message kFixed = {"fixed", "고침"};
inline constexpr Message kChanged = {"changed", "바뀜"};
inline constexpr Message kBefore = {"before", "이전"};
inline constexpr Message kAfter = {"after", "이후"};

inline constexpr Message kVerified = {"{} versions, {} objects, {}: all whole\n",
                                      "버전 {}개, 파일 {}개, {}: 모두 온전합니다\n"};
inline constexpr Message kFaults = {"{} faults:\n", "이상 {}건:\n"};
inline constexpr Message kCollected = {"{} files removed, {} freed\n", "파일 {}개 삭제, {} 확보\n"};
inline constexpr Message kWouldCollect = {"{} files could go, {}\n", "삭제할 수 있는 파일 {}개, {}\n"};
inline constexpr Message kRebuiltSame = {"v{} again: the same bits (sha256 {})\n",
                                         "v{} 재현: 비트까지 같습니다 (sha256 {})\n"};
inline constexpr Message kRebuiltOther = {"v{} again: other bits (expected {}, found {})\n",
                                          "v{} 재현: 다릅니다 (기대 {}, 결과 {})\n"};
inline constexpr Message kRebuildInputs = {"v{} cannot be made again: what it was made from has changed\n",
                                           "v{} 을(를) 재현할 수 없습니다. 재료가 바뀌었습니다\n"};
inline constexpr Message kInputChanged = {"  changed: {}\n", "  바뀐 것: {}\n"};

inline constexpr Message kChatKept = {"(chat {}: if this is wrong, hew flag --chat {0} --good \"...\" --tag ...)\n",
                                      "(대화 {}: 틀렸다면 hew flag --chat {0} --good \"...\" --tag ...)\n"};
inline constexpr Message kFlagged = {"fix {}: a training row, a preference pair and {} tests, tagged {}\n",
                                     "수정 {}: 학습 행, 선호 쌍, 시험 {}개를 만들었습니다 (꼬리표 {})\n"};
inline constexpr Message kFlaggedNext = {"next: hew fix --tag {}\n", "다음: hew fix --tag {}\n"};
inline constexpr Message kFixPlan = {
    "{} new rows of {} fixes, {} rows of what v{} has learned; {} left out because a test asks the same\n",
    "새 행 {}개(수정 {}건), 예전에 배운 행 {}개(v{}), 시험과 겹쳐 뺀 행 {}개\n"};
inline constexpr Message kFixAsked = {
    "note: {} cases of your suites ask just what was flagged, so passing them proves nothing; the held-out wordings "
    "do\n",
    "참고: 시험 문항 {}개는 표시한 질문과 같아 통과해도 증거가 아닙니다. 따로 둔 표현이 증거입니다\n"};
inline constexpr Message kGateHead = {"v{} against v{}\n", "v{} 을(를) v{} 와 비교\n"};
inline constexpr Message kVerdictPass = {"pass", "통과"};
inline constexpr Message kVerdictFail = {"FAIL", "실패"};
inline constexpr Message kVerdictInconclusive = {"unsure", "불확실"};
inline constexpr Message kVerdictNotAsked = {"-", "-"};
inline constexpr Message kAskFixed = {"fixed?", "고쳤나?"};
inline constexpr Message kAskPromises = {"broke a promise?", "약속을 어겼나?"};
inline constexpr Message kAskSuite = {"a suite worse?", "시험이 나빠졌나?"};
inline constexpr Message kAskBaseSuite = {"forgot?", "잊었나?"};
inline constexpr Message kAskPerplexity = {"forgot? (perplexity)", "잊었나? (혼란도)"};
inline constexpr Message kAskDrift = {"forgot? (KL)", "잊었나? (KL)"};
inline constexpr Message kAskSpeed = {"dearer? (speed)", "비싸졌나? (속도)"};
inline constexpr Message kAskMemory = {"dearer? (memory)", "비싸졌나? (기억)"};
inline constexpr Message kNoFixHere = {"no fix was made by this version", "이 버전이 한 수정이 없습니다"};
inline constexpr Message kMeasuredFixed = {"{} of {}", "{1}개 중 {0}개"};
inline constexpr Message kMeasuredPromises = {"{} of {} must-pass cases broken", "반드시 통과할 문항 {1}개 중 고장 {0}개"};
inline constexpr Message kMeasuredSuite = {
    "{} broken, {} fixed of {}: {:+.1f} points (95% interval {:+.1f} to {:+.1f}), McNemar p {:.3g}",
    "고장 {}, 고침 {}, 전체 {}: {:+.1f}점 (95% 구간 {:+.1f} ~ {:+.1f}), 맥니머 p {:.3g}"};
inline constexpr Message kMeasuredBaseSuite = {"{} broken, {} fixed of {} ({:.1f}% turned to the worse)",
                                               "고장 {}, 고침 {}, 전체 {} ({:.1f}%가 나빠짐)"};
inline constexpr Message kMeasuredPerplexity = {"{:.3f} times ({:.2f} to {:.2f} on {} tokens)",
                                                "{0:.3f}배 (토큰 {3}개에서 {1:.2f} → {2:.2f})"};
inline constexpr Message kMeasuredDrift = {"{:.4f} nats a token", "토큰당 {:.4f}내트"};
inline constexpr Message kMeasuredSpeed = {"{:+.1f}% tokens per second", "초당 토큰 {:+.1f}%"};
inline constexpr Message kMeasuredMemory = {"{:+.1f}% memory", "메모리 {:+.1f}%"};
inline constexpr Message kRuleFixed = {"at least {:.0f}% of held-out paraphrases", "따로 둔 표현의 {:.0f}% 이상"};
inline constexpr Message kRulePromises = {"at most {:g} broken", "고장 {:g}개 이하"};
inline constexpr Message kRuleSuite = {"lower bound above {:+g} points", "구간의 아래 끝이 {:+g}점 초과"};
inline constexpr Message kRuleBaseSuite = {"at most {:g}% turned", "나빠진 문항 {:g}% 이하"};
inline constexpr Message kRulePerplexity = {"at most {:g} times", "{:g}배 이하"};
inline constexpr Message kRuleDrift = {"at most {:g}", "{:g} 이하"};
inline constexpr Message kRuleSpeed = {"above {:+.0f}%", "{:+.0f}% 초과"};
inline constexpr Message kRuleMemory = {"at most {:+.0f}%", "{:+.0f}% 이하"};
inline constexpr Message kRule = {"rule: {}", "기준: {}"};
inline constexpr Message kCasesMissing = {"too few cases to tell: about {} more would",
                                          "문항이 모자랍니다. 약 {}개가 더 필요합니다"};
inline constexpr Message kNeverEnough = {"not even many more cases would show it within the rule",
                                         "문항을 늘려도 기준 안이라고 보이기 어렵습니다"};
inline constexpr Message kGatePass = {"the gate is open\n", "내보내도 됩니다\n"};
inline constexpr Message kGateFail = {"the gate is closed\n", "내보낼 수 없습니다\n"};
inline constexpr Message kGateInconclusive = {"the gate cannot tell yet\n", "아직 판단할 수 없습니다\n"};
inline constexpr Message kBisectFound = {"{} turned in v{} (v{} still passed)\n",
                                         "{} 은(는) v{} 에서 틀리기 시작했습니다 (v{} 는 통과)\n"};
inline constexpr Message kBisectNever = {"{}: v{} passes it; nothing to look for\n",
                                         "{}: v{} 가 통과합니다. 찾을 것이 없습니다\n"};
inline constexpr Message kBisectAlways = {"{}: no version up to v{} passed it; v{} is the oldest asked\n",
                                          "{}: v{} 까지 통과한 버전이 없습니다. 가장 오래된 것은 v{}\n"};
inline constexpr Message kBisectRows = {"rows that v{} learned and v{} did not, nearest first (by words, BM25):\n",
                                        "v{} 가 배우고 v{} 는 배우지 않은 행, 가까운 순서 (낱말, BM25):\n"};
inline constexpr Message kBisectLost = {"rows that v{} had learned and v{} did not:\n",
                                        "v{} 는 배웠으나 v{} 는 배우지 않은 행:\n"};
inline constexpr Message kBisectNoRows = {"the two learned the same rows: look at the recipe (hew diff v{} v{})\n",
                                          "두 버전의 자료는 같습니다. 설정을 보세요 (hew diff v{} v{})\n"};

inline constexpr Message kWhyHead = {"v{}, {} rows; the answer: {}\n", "v{}, 자료 {}행, 답변: {}\n"};
inline constexpr Message kWhyBm25 = {"tier 1, words (BM25):\n", "1단계, 낱말 (BM25):\n"};
inline constexpr Message kWhyCosine = {"tier 1, words (cosine of hidden states):\n",
                                       "1단계, 낱말 (은닉 상태의 코사인):\n"};
inline constexpr Message kWhyGradients = {"tier 2, gradients (damped Gauss-Newton), an estimate:\n",
                                          "2단계, 기울기 (감쇠 가우스-뉴턴), 어림값:\n"};
inline constexpr Message kWhyExact = {
    "tier 3, trained again without the first {} rows (log-likelihood of the answer in brackets):\n",
    "3단계, 앞의 {}행 없이 다시 학습 (괄호는 답변의 로그 우도):\n"};

inline constexpr Message kServing = {"{} is served at {} (Ctrl-C ends it)\n",
                                     "{} 을(를) {} 에서 제공합니다 (Ctrl-C 로 끝냅니다)\n"};

}  // namespace msg
}  // namespace hew
