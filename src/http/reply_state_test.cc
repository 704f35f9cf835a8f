#include "http/reply_state.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

struct State {
  int wakes = 0;
  std::shared_ptr<ReplyState> state = std::make_shared<ReplyState>(100, [this] { ++wakes; });
  std::shared_ptr<HttpReply> reply = MakeReply(state);
};

TEST(ReplyState, SendsOnce) {
  State s;
  s.reply->Send(404, "text/plain", "no");
  s.reply->Send(200, "text/plain", "yes");
  s.reply->BeginEvents();
  const auto piece = s.state->Take();
  EXPECT_TRUE(piece.begun && piece.last);
  EXPECT_EQ(piece.bytes, "no");
  EXPECT_EQ(s.state->head().status, 404);
  EXPECT_EQ(s.wakes, 1);
}

TEST(ReplyState, StreamsEventsAndWakesOnceForAllThatWait) {
  State s;
  s.reply->BeginEvents();
  s.reply->Event("one");
  s.reply->NamedEvent("ping", "{}");
  EXPECT_EQ(s.wakes, 1);
  auto piece = s.state->Take();
  EXPECT_EQ(piece.bytes, "data: one\n\nevent: ping\ndata: {}\n\n");
  EXPECT_FALSE(piece.last);
  s.reply->Event("two");
  EXPECT_EQ(s.wakes, 2);
  s.reply->End();
  s.reply->Event("three");
  piece = s.state->Take();
  EXPECT_EQ(piece.bytes, "data: two\n\n");
  EXPECT_TRUE(piece.last);
}

TEST(ReplyState, ASlowReaderLosesItsStream) {
  State s;
  s.reply->BeginEvents();
  for (int i = 0; i < 20; ++i) s.reply->Event("0123456789");
  EXPECT_TRUE(s.reply->closed());
  const auto piece = s.state->Take();
  EXPECT_TRUE(piece.overflow);
  EXPECT_LE(piece.bytes.size(), 100u);
}

TEST(ReplyState, TellsOnceThatTheClientLeft) {
  State s;
  int told = 0;
  s.reply->OnClosed([&] { ++told; });
  s.state->Close();
  s.state->Close();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(s.reply->closed());
  s.reply->OnClosed([&] { ++told; });  // has left already
  EXPECT_EQ(told, 2);
}

TEST(ReplyState, AnEndedReplyIsNotLeft) {
  State s;
  int told = 0;
  s.reply->OnClosed([&] { ++told; });
  s.reply->Send(200, "text/plain", "all");
  s.state->Close();
  EXPECT_EQ(told, 0);
}

TEST(ReplyState, AHandlerThatGivesUpIsAnError) {
  State s;
  s.reply = nullptr;
  EXPECT_TRUE(s.state->Take().last);
  EXPECT_EQ(s.state->head().status, 500);
}

TEST(ReplyState, ACallbackMayHoldTheReply) {
  State s;
  s.reply->OnClosed([reply = s.reply] { (void)reply; });
  const auto state = s.state;
  s.reply->Send(200, "text/plain", "all");
  s.reply = nullptr;
  EXPECT_TRUE(state->Take().last);
}

}  // namespace
}  // namespace hew
