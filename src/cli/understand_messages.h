// What a person reads of lens, why-word, watch and diff-model, in English and Korean.
#pragma once

#include "cli/messages.h"

namespace hew::msg {

inline constexpr Message kLensHead = {"after {} the model says {} ({:.1f}%); what each layer would say:\n",
                                      "{} 다음에 모델은 {} ({:.1f}%) 라고 합니다. 층마다 거기서 멈추었다면 할 말:\n"};
inline constexpr Message kLensColumns = {"  layer  of the answer  rank    likeliest tokens\n",
                                         "  층     답의 확률      순위    가장 그럴듯한 토큰\n"};
inline constexpr Message kLensEmbedding = {"start", "입력"};
inline constexpr Message kLensAllHead = {
    "after each token: what the model says next, and from which layer on it does\n",
    "토큰마다: 모델이 다음에 할 말과, 몇 번째 층부터 그 말이 되는지\n"};
inline constexpr Message kLensFrom = {"from layer {}", "{}층부터"};
inline constexpr Message kLensNote = {
    "(The middle is read with the model's last step, which was made for the end: early rows often mean little.)\n",
    "(중간 층도 마지막 단계로 읽은 것이라, 앞쪽 층의 말은 뜻이 없을 때가 많습니다.)\n"};

inline constexpr Message kWhyWordAnswer = {"the answer: {}{}   log-probability {:.2f}\n",
                                           "답: {}{}   로그 확률 {:.2f}\n"};
inline constexpr Message kWhyWordOwn = {"", ""};
inline constexpr Message kWhyWordGiven = {" (given)", " (주어진 답)"};
inline constexpr Message kWhyWordColumns = {"without the word, the answer becomes\n", "그 낱말을 빼면 답의 확률은\n"};
inline constexpr Message kLessLikely = {"{} times less likely", "{}배 작아짐"};
inline constexpr Message kMoreLikely = {"{} times likelier", "{}배 커짐"};
inline constexpr Message kWhyWordNote = {
    "(This is the effect of taking the word out, nothing else: words that can stand for each other each look small.)\n",
    "(낱말을 뺀 효과일 뿐입니다. 서로 대신할 수 있는 낱말은 각각 작게 보입니다.)\n"};

inline constexpr Message kWatchLoss = {"loss {:.3f} → {:.3f} over {} steps  {}\n",
                                       "손실 {:.3f} → {:.3f}, {}걸음  {}\n"};
inline constexpr Message kWatchEval = {"on held-out rows {:.3f} → {:.3f}\n", "따로 둔 자료에서 {:.3f} → {:.3f}\n"};
inline constexpr Message kWatchPrompt = {"\n{}   followed: {}\n", "\n{}   따라가는 토큰: {}\n"};
inline constexpr Message kWatchSamples = {"\nwhat the run wrote down while it learned:\n",
                                          "\n배우는 동안 적어 둔 말:\n"};
inline constexpr Message kWatchNothing = {
    "no states were kept to ask: train with --snapshots 8, then hew watch asks each of them\n",
    "물어볼 중간 상태가 없습니다. --snapshots 8 로 학습하면 hew watch 가 하나씩 물어봅니다\n"};

inline constexpr Message kDiffModelHead = {"before: {}\nafter:  {}\n", "이전: {}\n이후: {}\n"};
inline constexpr Message kDiffModelBase = {"the model: {} weights, {}\n", "모델: 가중치 {}개, {}\n"};
inline constexpr Message kDiffModelAdapter = {"the adapter: {} numbers, {}: {:.2f}% of the model\n",
                                              "어댑터: 숫자 {}개, {}: 모델의 {:.2f}%\n"};
inline constexpr Message kDiffModelMoved = {
    "how far the weights moved, as a share of their size: {:.2f}% in all, at most {:.2f}% ({})\n",
    "가중치가 움직인 정도 (제 크기에 대한 비율): 전체 {:.2f}%, 가장 많이 {:.2f}% ({})\n"};
inline constexpr Message kDiffModelStill = {"no weight moved\n", "움직인 가중치가 없습니다\n"};
inline constexpr Message kDiffModelLayer = {"layer", "층"};
inline constexpr Message kDiffModelPrompt = {"\n{}   (KL {:.4f})\n", "\n{}   (KL {:.4f})\n"};

}  // namespace hew::msg
