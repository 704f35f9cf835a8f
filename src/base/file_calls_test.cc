// Every call of a durable write fails once, in each way: what was there stays, what was acknowledged is there.
#include "base/file_calls.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_undo.h"
#include "base/partial_file.h"
#include "base/test_folder.h"

namespace hew {
namespace {

TEST(FileFaults, AFailedCallIsAnErrorAndChangesNothing) {
  for (const FaultKind kind : {FaultKind::kEio, FaultKind::kFull}) {
    for (int64_t call = 1;; ++call) {
      const TestFolder folder;
      const std::string path = folder.Put("x", "old");
      SetFileFault({call, kind});
      const Status status = WriteFileAtomically(path, "new text");
      const int64_t calls = FileCalls();
      ClearFileFault();
      if (calls < call) {
        EXPECT_TRUE(status);
        EXPECT_EQ(call, 6) << "create, write, sync, rename, sync folder";
        break;
      }
      ASSERT_FALSE(status) << call;
      EXPECT_EQ(status.error().code, ErrorCode::kEnvironment);
      EXPECT_NE(status.error().message.find(folder.path()), std::string::npos) << status.error().message;
      EXPECT_EQ(folder.Count(), 1u);
      EXPECT_EQ(folder.Get("x"), call < 5 ? "old" : "new text");  // the rename is done, only not known to be durable
    }
  }
}

TEST(FileFaults, AShortWriteGoesOn) {
  const TestFolder folder;
  SetFileFault({2, FaultKind::kShort});
  EXPECT_TRUE(WriteFileAtomically(folder.Path("x"), "some text"));
  ClearFileFault();
  EXPECT_EQ(folder.Get("x"), "some text");
}

TEST(FileFaults, AFailedReadIsAnError) {
  const TestFolder folder;
  const std::string path = folder.Put("x", "text");
  for (int64_t call : {1, 2}) {
    SetFileFault({call, FaultKind::kEio});
    EXPECT_FALSE(ReadFile(path));
    SetFileFault({1, FaultKind::kEio});
    EXPECT_FALSE(MappedFile::Open(path));
    ClearFileFault();
  }
}

// `work` in a process of its own, whose power goes at that call; gives whether it came to its end.
template <typename Work>
bool EndsBefore(int64_t call, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    SetFileFault({call, FaultKind::kCrash});
    work();
    UndoUnsynced();  // the power goes right after the last word
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status);
}

TEST(FileFaults, ALossOfPowerLeavesTheOldOrTheNew) {
  for (int64_t call = 1;; ++call) {
    const TestFolder folder;
    folder.Put("x", "old");
    const bool done = EndsBefore(call, [&] { (void)WriteFileAtomically(folder.Path("x"), "new text"); });
    const std::string now = folder.Get("x");
    EXPECT_TRUE(now == "new text" || (!done && now == "old")) << call << ": " << now;
    RemoveLeftovers(folder.Path("x"));
    EXPECT_EQ(folder.Count(), 1u) << call;
    if (done) break;
  }
}

TEST(FileFaults, WithoutASyncBytesAndNamesAreLost) {
  const TestFolder folder;
  folder.Put("log", "kept ");
  folder.Put("target", "old");
  EXPECT_TRUE(EndsBefore(0, [&] {
    auto log = AppendFile::Open(folder.Path("log"));
    (void)log->Write("synced ");
    (void)log->Sync();
    (void)log->Write("lost");
    (void)AppendFile::Open(folder.Path("new"))->Write("lost");
    (void)AppendFile::Open(folder.Path("source"))->Write("lost");
    (void)file_calls::Rename(folder.Path("source"), folder.Path("target"));
    (void)file_calls::MakeFolder(folder.Path("made"));
  }));
  EXPECT_EQ(folder.Get("log"), "kept synced ");
  EXPECT_EQ(folder.Get("target"), "old");
  EXPECT_EQ(folder.Count(), 2u);
}

TEST(FileFaults, WhatIsMadeAndSyncedStays) {
  const TestFolder folder;
  EXPECT_TRUE(EndsBefore(0, [&] {
    (void)MakeFolder(folder.Path("a/b"));
    (void)WriteFileAtomically(folder.Path("a/b/x"), "text");
    (void)RenamePath(folder.Path("a/b"), folder.Path("c"));
    auto part = PartialFile::Open(folder.Path("y"));
    (void)part->Write("part");
    (void)part->Sync();
    (void)part->Install();
  }));
  EXPECT_EQ(folder.Get("c/x"), "text");
  EXPECT_EQ(folder.Get("y"), "part");
}

TEST(AppendFile, GoesOnAndCuts) {
  const TestFolder folder;
  ASSERT_TRUE(AppendFile::Open(folder.Path("log"))->Write("one\n"));
  ASSERT_TRUE(AppendFile::Open(folder.Path("log"))->Write("two\n"));
  EXPECT_EQ(folder.Get("log"), "one\ntwo\n");
  auto cut = AppendFile::Open(folder.Path("log"), 4);
  ASSERT_TRUE(cut && cut->Write("three\n"));
  EXPECT_EQ(folder.Get("log"), "one\nthree\n");
  EXPECT_FALSE(AppendFile::Open(folder.Path("absent/log")));
}

}  // namespace
}  // namespace hew
