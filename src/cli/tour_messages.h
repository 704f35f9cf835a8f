// What the guide says on the tour, in English and Korean.
#pragma once

#include "cli/messages.h"

namespace hew::msg {

inline constexpr Message kTourHello = {
    "A tour of a language model, from the inside. Nine short steps, each run live on\n"
    "{} on this machine. Nothing is sent anywhere.\n",
    "언어 모델의 속을 둘러봅니다. 짧은 아홉 걸음이고, 모두 이 컴퓨터에서\n"
    "{} 로 직접 실행합니다. 밖으로 보내는 것은 없습니다.\n"};
inline constexpr Message kTourGoOn = {"\n[Enter: go on   q: leave] ", "\n[Enter: 다음   q: 그만] "};
inline constexpr Message kTourTook = {"({:.1f} s)\n", "({:.1f}초)\n"};
inline constexpr Message kTourByHand = {"  by hand:  ", "  직접 해 보기:  "};
inline constexpr Message kTourStep = {"step {:>4}   loss {:.2f}", "{:>4}걸음   손실 {:.2f}"};
inline constexpr Message kTourLeft = {"Come back any time: hew tour --step {} goes on here.\n",
                                      "언제든 다시 오세요. hew tour --step {} 로 여기부터 이어집니다.\n"};

// 1
inline constexpr Message kTourNext = {"1. One thing only: what comes next?", "1. 하는 일은 하나: 다음에 올 말 맞히기"};
inline constexpr Message kTourNextText = {
    "A language model reads a text and says, for every word piece it knows, how likely\n"
    "that piece is to come next. That is all it does. We give it:\n\n    {}\n\n",
    "언어 모델은 글을 읽고, 자기가 아는 모든 말 조각에 대해 그것이 다음에 올\n"
    "가능성을 말합니다. 하는 일은 그것뿐입니다. (이 작은 모델은 주로 영어를 읽고\n"
    "배워서 예문이 영어입니다.) 이렇게 물어봅니다.\n\n    {}\n\n"};
inline constexpr Message kTourNextThen = {
    "\nEach bar is a bet; over all {} pieces they add up to 100%.\n"
    "Writing is this, again and again: take a likely piece, put it behind the text, ask\n"
    "again. Always taking the likeliest, from another beginning:\n\n    {}\n\n"
    "It reads well and may still be wrong: likely is not the same as true.\n",
    "\n막대 하나가 내기 하나이고, {}개 조각 모두 더하면 100%입니다.\n"
    "글쓰기는 이 일의 되풀이입니다. 그럴듯한 조각을 골라 뒤에 붙이고 다시 묻습니다.\n"
    "다른 글머리에서, 늘 가장 그럴듯한 것만 고르면 이렇게 됩니다.\n\n    {}\n\n"
    "말이 매끄러워도 틀릴 수 있습니다. 그럴듯함은 참이라는 뜻이 아닙니다.\n"};

// 2
inline constexpr Message kTourTokens = {"2. The pieces: tokens", "2. 말 조각: 토큰"};
inline constexpr Message kTourTokensText = {
    "The pieces are called tokens. A common word is one token, a rare one is put together\n"
    "from several, and the space before a word belongs to it. The model itself sees only\n"
    "the numbers, never letters:\n\n",
    "말 조각을 토큰이라고 부릅니다. 흔한 낱말은 토큰 하나, 드문 낱말은 여러 토큰을\n"
    "이어 만듭니다. 낱말 앞의 빈칸도 토큰의 일부입니다. 모델은 글자가 아니라\n"
    "토큰의 번호만 봅니다.\n\n"};
inline constexpr Message kTourTokensOne = {"    {}\n      = {} tokens: {}\n      numbers: {}\n\n",
                                           "    {}\n      = 토큰 {}개: {}\n      번호: {}\n\n"};
inline constexpr Message kTourTokensThen = {
    "This model has a list of {} tokens, made from what its makers gave it to read, mostly\n"
    "English. So Korean falls apart into many small bits (\"?\" stands for a part of a letter):\n"
    "more work for the same meaning. That is why a model for Korean should have its own list,\n"
    "and why hew train-tokenizer exists.\n",
    "이 모델의 토큰 목록은 {}개이고, 주로 영어 글로 만들었습니다. 그래서 한국어는\n"
    "잘게 부서집니다 (\"?\" 는 글자의 일부입니다). 같은 뜻에 일이 더 듭니다. 한국어\n"
    "모델에 한국어 토큰 목록이 필요한 까닭이고, hew train-tokenizer 가 있는 까닭입니다.\n"};

// 3
inline constexpr Message kTourWeights = {"3. What it is made of: numbers", "3. 모델은 무엇으로 되어 있나: 숫자"};
inline constexpr Message kTourWeightsText = {
    "No rules and no sentences are stored in the file: only numbers, called weights. This model\n"
    "has {} of them, and the file is {}. Here are the first few of one table:\n\n    {} …\n\n",
    "파일 안에는 규칙도 문장도 없습니다. 가중치라는 숫자뿐입니다. 이 모델에는 숫자가\n"
    "{}개 있고 파일은 {} 입니다. 표 하나의 처음 몇 개를 봅시다.\n\n    {} …\n\n"};
inline constexpr Message kTourGroupEmbeddings = {"embeddings: a row of numbers for each token",
                                                 "임베딩: 토큰마다 숫자 한 줄"};
inline constexpr Message kTourGroupAttention = {"attention: looking back at earlier tokens",
                                                "어텐션: 앞에 나온 토큰을 돌아봄"};
inline constexpr Message kTourGroupFeedForward = {"feed-forward: working on each token by itself",
                                                  "피드포워드: 토큰 하나하나를 다듬음"};
inline constexpr Message kTourGroupOther = {"norms and the rest: keeping the numbers in range",
                                            "정규화 등: 숫자를 알맞은 크기로 유지"};
inline constexpr Message kTourWeightsRound = {
    "(Some look alike: to be small, this file keeps its numbers rounded. More in step 7.)\n\n",
    "(같은 숫자가 보이는 것은, 작게 하려고 어림해 적은 파일이기 때문입니다. 7번에서 봅니다.)\n\n"};
inline constexpr Message kTourWeightsUse = {"What they are used for:\n\n", "숫자들이 하는 일:\n\n"};
inline constexpr Message kTourLens = {
    "\nA text goes through {} layers, one after the other, each a table of such numbers that\n"
    "changes it a little. If the model had to answer after an early layer, what would it say\n"
    "to {}?\n\n",
    "\n글은 {}개의 층을 차례로 지나고, 층마다 이런 숫자 표가 조금씩 바꿉니다. 앞쪽 층에서\n"
    "바로 답해야 한다면 {} 다음에 무엇이라고 할까요?\n\n"};
inline constexpr Message kTourLensRow = {"    after layer {:>2}:  {}  {:>5.1f}% for the final answer\n",
                                         "    {:>2}층 뒤:  {}  마지막 답의 확률 {:>5.1f}%\n"};
inline constexpr Message kTourLensThen = {"\nThe answer takes shape on the way; the last layers settle it.\n",
                                          "\n답은 지나는 동안 만들어지고 마지막 층들에서 정해집니다.\n"};

// 4
inline constexpr Message kTourLearn = {"4. Where the numbers come from: learning from text",
                                       "4. 숫자는 어디서 오나: 글에서 배우기"};
inline constexpr Message kTourLearnText = {
    "Nobody writes the numbers. They begin as dice throws, and then the model reads: at each\n"
    "place it bets on the next token, sees what really came, and every number is moved a tiny\n"
    "bit so that the bet would have been better. That is learning, all of it. The loss says\n"
    "how surprised it was on average: lower is better.\n\n"
    "We do it now, with a very small model and {} lines such as these:\n\n",
    "숫자를 손으로 쓰는 사람은 없습니다. 처음에는 주사위를 던져 정하고, 그다음 모델이\n"
    "글을 읽습니다. 자리마다 다음 토큰에 내기를 걸고, 실제로 온 것을 보고, 내기가 더\n"
    "나아졌을 쪽으로 모든 숫자를 아주 조금 움직입니다. 배움은 이것이 전부입니다. 손실은\n"
    "평균적으로 얼마나 놀랐는지이고, 작을수록 좋습니다.\n\n"
    "지금 아주 작은 모델과 이런 글 {}줄로 해 봅시다.\n\n"};
inline constexpr Message kTourLearnWatch = {
    "\n{} numbers, {:.1f} seconds. On the way it was asked, now and then, to go on from \"{}\":\n\n",
    "\n숫자 {}개, {:.1f}초 걸렸습니다. 배우는 동안 가끔 \"{}\" 뒤를 이어 보라고 했습니다.\n\n"};
inline constexpr Message kTourLearnRow = {"    after {:>3} steps:  {}\n", "    {:>3}걸음 뒤:  {}\n"};
inline constexpr Message kTourLearnThen = {
    "\nFirst noise, then words, then sentences. The large models you know did just this, with\n"
    "a million times the text.\n",
    "\n처음에는 잡음, 다음에는 낱말, 그다음에는 문장입니다. 널리 알려진 큰 모델들도 바로 이\n"
    "일을 했습니다. 글이 백만 배 많았을 뿐입니다.\n"};

inline constexpr Message kTourLearnFirst = {"(The small model of step 4 is made first.)\n",
                                            "(4번의 작은 모델을 먼저 만듭니다.)\n"};
inline constexpr Message kTourTeachFirst = {"(The bookshop of step 6 is taught first.)\n",
                                            "(6번의 책방을 먼저 가르칩니다.)\n"};

// 5
inline constexpr Message kTourContext = {"5. Context decides", "5. 맥락이 결정한다"};
inline constexpr Message kTourContextLove = {
    "The same model, the same numbers; only what came before differs. The real model first:\n\n",
    "같은 모델, 같은 숫자입니다. 앞에 나온 말만 다릅니다. 먼저 진짜 모델에게 물어봅니다.\n\n"};
inline constexpr Message kTourContextRow = {"    {}  →  {}\n", "    {}  →  {}\n"};
inline constexpr Message kTourContextSmall = {
    "\nAnd the small one that learned a moment ago. The last words are the same each time, and none\n"
    "of these sentences was in its text, only others like them:\n\n",
    "\n그리고 방금 배운 작은 모델입니다. 끝의 말은 거의 같고, 아래 문장들은 배운 글에 없던\n"
    "것입니다 (비슷한 것만 있었습니다).\n\n"};
inline constexpr Message kTourContextThen = {
    "\n{} of {} as expected. No rule says so: it has found out by itself that the cause earlier in\n"
    "the line decides the word at its end. Looking back like this is what attention does.\n",
    "\n{1}개 가운데 {0}개가 기대한 대로입니다. 그렇게 하라는 규칙은 없습니다. 앞에 나온 까닭이 끝의\n"
    "낱말을 정한다는 것을 스스로 알아냈습니다. 이렇게 돌아보는 일을 어텐션이 합니다.\n"};

// 6
inline constexpr Message kTourFacts = {"6. Teaching a finished model something new", "6. 다 만든 모델에 새것 가르치기"};
inline constexpr Message kTourFactsText = {
    "We made up a bookshop, Lantern Books. No model can know it. We ask first, then teach from\n"
    "{} example answers. The model's own numbers stay as they are: frozen. All that is learned\n"
    "goes into a small extra set of numbers laid over them, called an adapter (LoRA).\n\n",
    "등불책방이라는 가게를 지어냈습니다. 어떤 모델도 알 수 없습니다. 먼저 물어보고, 예시\n"
    "답 {}개로 가르칩니다. 모델의 숫자는 그대로 얼려 둡니다. 배운 것은 그 위에 덧대는\n"
    "작은 숫자 묶음에만 들어가고, 이것을 어댑터(LoRA)라고 부릅니다.\n\n"};
inline constexpr Message kTourFactsAnswer = {"    {}\n      before:  {}\n      after:   {}{}\n\n",
                                             "    {}\n      전:  {}\n      후:  {}{}\n\n"};
inline constexpr Message kTourRight = {"   ✓", "   ✓"};
inline constexpr Message kTourFactsThen = {
    "The questions were worded as no example was. Sizes: the model {}, the adapter {}; all weights\n"
    "together moved by {:.1f}% of their size.\n"
    "Take the adapter off and the old answer is back, word for word: {}.\n"
    "The last question has nothing to do with the shop; small data can shift such answers, too,\n"
    "so always look (hew test, and the gate in step 8).\n",
    "질문은 예시에 없던 말로 물었습니다. 크기는 모델 {}, 어댑터 {} 이고, 가중치는 모두 합쳐 제\n"
    "크기의 {:.1f}%만큼 움직였습니다.\n"
    "어댑터를 떼면 예전 답이 글자 그대로 돌아옵니다: {}.\n"
    "마지막 질문은 가게와 상관이 없습니다. 적은 자료로 가르치면 이런 답도 바뀔 수 있으니\n"
    "늘 확인하세요 (hew test, 그리고 8번의 관문).\n"};
inline constexpr Message kTourYes = {"yes", "네"};
inline constexpr Message kTourNo = {"no", "아니요"};

// 7
inline constexpr Message kTourSizes = {"7. The same model, smaller: quantising", "7. 같은 모델을 더 작게: 양자화"};
inline constexpr Message kTourSizesText = {
    "A weight needs 32 bits to be written exactly, but it need not be exact. Written roughly, with\n"
    "8 or 4 bits, the file shrinks, and as running a model is mostly reading its numbers, it also gets\n"
    "faster. This is called quantising. The small model of step 4, and the same few numbers in it:\n\n",
    "숫자 하나를 정확히 적으려면 32비트가 들지만, 꼭 정확할 필요는 없습니다. 8비트나 4비트로\n"
    "대충 적으면 파일이 작아집니다. 모델을 돌리는 일은 대부분 숫자를 읽는 일이라 빨라지기도\n"
    "합니다. 이것을 양자화라고 합니다. 4번의 작은 모델과 그 속의 같은 숫자 몇 개입니다.\n\n"};
inline constexpr Message kTourSizesNext = {"\nand its bets after {}:\n\n", "\n{} 다음에 거는 내기:\n\n"};
inline constexpr Message kTourSizesThen = {
    "\nThe numbers are rounded, the bets hardly move. {0} itself, the model you have been talking to,\n"
    "is stored as {1}: {2} instead of {3} at 32 bits.\n",
    "\n숫자는 어림되었지만 내기는 거의 그대로입니다. 지금까지 이야기한 {0} 도 {1} 로 적혀\n"
    "있습니다. 32비트라면 {2} 대신 {3} 였을 것입니다.\n"};

// 8
inline constexpr Message kTourVersions = {"8. A fault, mended without breaking the rest: versions",
                                          "8. 다른 것을 망가뜨리지 않고 고치기: 버전"};
inline constexpr Message kTourVersionsText = {
    "A model in use is never finished: somebody finds a wrong answer. Hew keeps versions, as programmers\n"
    "do. In a fresh workspace (hew init) the model is v0, the bookshop adapter becomes v1. Then:\n\n",
    "쓰이는 모델은 완성되는 법이 없습니다. 누군가 틀린 답을 찾아냅니다. Hew 는 프로그래머처럼\n"
    "버전을 남깁니다. 새 작업 공간(hew init)에서 모델은 v0, 책방 어댑터는 v1 이 됩니다.\n\n"};
inline constexpr Message kTourVersionsBad = {
    "    asked:    {}\n    v1 says:  {}\n    right is: {}\n\n"
    "hew flag marks it: the right answer becomes training data and, forever, a test. hew fix trains v2\n"
    "from {} new rows beside {} old ones, so that nothing is forgotten:\n\n",
    "    질문:     {}\n    v1 의 답: {}\n    옳은 답:  {}\n\n"
    "hew flag 로 표시하면 옳은 답은 학습 자료가 되고, 영원히 시험도 됩니다. hew fix 가 새 자료 {}행과\n"
    "예전 자료 {}행으로 v2 를 만듭니다. 잊지 않게 하려고 섞는 것입니다.\n\n"};
inline constexpr Message kTourVersionsAfter = {
    "    v2 says:  {}\n\nand what it knew before: {} of {} facts still right.\n\n"
    "Before v2 may replace v1, the gate asks its questions (wordings that were never learned, and\n"
    "whether ordinary text became stranger to it):\n\n",
    "    v2 의 답: {}\n\n예전에 알던 것: 사실 {} / {} 개를 여전히 맞힙니다.\n\n"
    "v2 가 v1 을 대신하기 전에 관문이 묻습니다 (배우지 않은 말로 물어도 맞는지,\n"
    "보통 글이 더 낯설어지지는 않았는지).\n\n"};
inline constexpr Message kTourVersionsThen = {
    "\nIf a version disappoints, hew rollback takes the one before back in a moment. Nothing is lost.\n"
    "Where the gate says no, v1 simply stays; where the tests are too few to tell, it says \"unsure\".\n"
    "Both are honest answers.\n",
    "\n새 버전이 마음에 들지 않으면 hew rollback 으로 바로 되돌립니다. 잃는 것은 없습니다.\n"
    "관문이 막으면 v1 이 그대로 남습니다. 시험이 모자라면 \"불확실\" 이라고 합니다. 둘 다 정직한\n"
    "답입니다.\n"};

// 9
inline constexpr Message kTourEnd = {"9. What next", "9. 다음에 할 일"};
inline constexpr Message kTourEndText = {
    "You have seen all of it: bets on the next token, numbers, learning, adapters, sizes, versions.\n"
    "Everything here was small so that it takes seconds; the large ones are the same, only larger.\n\n"
    "  talk with it           hew chat {0}\n"
    "  which word mattered    hew why-word {0} \"The capital of France is\"\n"
    "  layer by layer         hew lens {0} \"The capital of France is\"\n"
    "  teach it your own      hew tune --base {0} --data my.jsonl --out my-adapter\n"
    "  what that changed      hew diff-model {0} --adapter my-adapter --chat --prompt \"...\"\n"
    "  a model from nothing   hew pretrain --data book.txt --out my-model --preset 3m --snapshots 8\n"
    "  and how it learned     hew watch my-model --prompt \"Once upon a\"\n"
    "  a Korean one           examples/korean/run.sh\n",
    "이제 다 보았습니다. 다음 토큰에 거는 내기, 숫자, 배움, 어댑터, 크기, 버전.\n"
    "몇 초에 끝나도록 모두 작게 했습니다. 큰 모델도 똑같고, 클 뿐입니다.\n\n"
    "  이야기하기            hew chat {0}\n"
    "  어느 낱말이 중요했나  hew why-word {0} \"The capital of France is\"\n"
    "  층별로 보기           hew lens {0} \"The capital of France is\"\n"
    "  내 것 가르치기        hew tune --base {0} --data my.jsonl --out my-adapter\n"
    "  무엇이 바뀌었나       hew diff-model {0} --adapter my-adapter --chat --prompt \"...\"\n"
    "  처음부터 만들기       hew pretrain --data book.txt --out my-model --preset 3m --snapshots 8\n"
    "  배우는 과정 보기      hew watch my-model --prompt \"옛날 옛적에\"\n"
    "  한국어 모델           examples/korean/run.sh\n"};

}  // namespace hew::msg
