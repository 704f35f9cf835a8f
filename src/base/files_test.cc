// file.h, digest.h, result.h, progress.h
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/git_blob.h"
#include "base/partial_file.h"
#include "base/progress.h"
#include "base/test_folder.h"

namespace hew {
namespace {

TEST(MappedFile, ShowsTheWholeFile) {
  const TestFolder folder;
  const std::string bytes("a\0b\xff\n", 5);
  auto file = MappedFile::Open(folder.Put("x", bytes));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->bytes(), bytes);
  EXPECT_EQ(file->path(), folder.Path("x"));
  const std::string_view before = file->bytes();
  const MappedFile moved = *std::move(file);
  EXPECT_EQ(moved.bytes().data(), before.data());
}

TEST(MappedFile, ForgottenBytesComeFromTheFileAgain) {
  const TestFolder folder;
  const std::string bytes(100'000, 'x');
  const auto file = MappedFile::Open(folder.Put("x", bytes));
  ASSERT_TRUE(file) << file.error().message;
  ForgetMapped(file->bytes().substr(5, 90'000));
  ForgetMapped("");
  EXPECT_EQ(file->bytes(), bytes);
}

TEST(MappedFile, AnEmptyFileIsEmpty) {
  const TestFolder folder;
  const auto file = MappedFile::Open(folder.Put("empty", ""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TestFolder folder;
  ASSERT_EQ(::mkfifo(folder.Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder.Path("absent"), folder.path(), folder.Path("pipe")}) {
    const auto file = MappedFile::Open(path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code, ErrorCode::kBadInput);
    EXPECT_TRUE(file.error().message.starts_with(path)) << file.error().message;
  }
}

TEST(ReadFile, ReadsUpToItsLimit) {
  const TestFolder folder;
  const std::string path = folder.Put("x", std::string(200'000, 'x'));
  EXPECT_EQ(ReadFile(path)->size(), 200'000u);
  EXPECT_EQ(ReadFile(path, 200'000)->size(), 200'000u);
  EXPECT_EQ(ReadFile(path, 199'999).error().message, path + ": expected at most 199999 bytes, found more");
  EXPECT_FALSE(ReadFile(folder.Path("absent")));
  EXPECT_FALSE(ReadFile(folder.path()));
}

TEST(PartialFile, GoesOnWhereAnEarlierOneStopped) {
  const TestFolder folder;
  const std::string path = folder.Path("x");
  {
    auto first = PartialFile::Open(path);
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(first->Write("abc"));
    const auto second = PartialFile::Open(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kEnvironment);
  }
  auto again = PartialFile::Open(path);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->size(), 3u);
  ASSERT_TRUE(again->Write("de"));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(again->Sync());
  ASSERT_TRUE(again->Install());
  EXPECT_EQ(folder.Get("x"), "abcde");
  EXPECT_EQ(folder.Count(), 1u);
}

TEST(PartialFile, RestartsAndFollowsNoLink) {
  const TestFolder folder;
  folder.Put("x.part", "old");
  auto file = PartialFile::Open(folder.Path("x"));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(file->Restart());
  ASSERT_TRUE(file->Write("n"));
  EXPECT_EQ(folder.Get("x.part"), "n");
  std::filesystem::create_symlink(folder.Path("x.part"), folder.Path("y.part"));
  EXPECT_FALSE(PartialFile::Open(folder.Path("y")));
}

TEST(Digest, NamesBlobsAsGitDoes) {
  const TestFolder folder;
  EXPECT_EQ(GitBlobSha1OfFile(folder.Put("x", "hello\n")).value(), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(GitBlobSha1OfFile(folder.Put("x", "")).value(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(AtomicFile, TheOldFileStaysUntilCommit) {
  const TestFolder folder;
  folder.Put("x", "old");
  auto file = AtomicFile::Create(folder.Path("x"));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(file->Write("new "));
  ASSERT_TRUE(file->Write("text"));
  EXPECT_EQ(file->size(), 8u);
  EXPECT_EQ(folder.Get("x"), "old");
  ASSERT_TRUE(file->Commit());
  EXPECT_EQ(folder.Get("x"), "new text");
  EXPECT_EQ(folder.Count(), 1u);
}

TEST(AtomicFile, UncommittedLeavesNothing) {
  const TestFolder folder;
  folder.Put("x", "old");
  {
    auto file = AtomicFile::Create(folder.Path("x"));
    ASSERT_TRUE(file && file->Write("half"));
    const AtomicFile moved = *std::move(file);  // only the last owner removes it
    EXPECT_EQ(folder.Count(), 2u);
  }
  EXPECT_EQ(folder.Count(), 1u);
  EXPECT_EQ(folder.Get("x"), "old");
}

TEST(AtomicFile, ErrorsNameThePath) {
  const TestFolder folder;
  const auto nowhere = AtomicFile::Create(folder.Path("absent/x"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kEnvironment);
  EXPECT_NE(nowhere.error().message.find("absent/x"), std::string::npos);

  ASSERT_TRUE(MakeFolder(folder.Path("taken/inside")));
  const auto taken = WriteFileAtomically(folder.Path("taken"), "text");  // a folder is in the way of the rename
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kEnvironment);
  EXPECT_EQ(folder.Count(), 1u) << "the temporary file is gone";
}

TEST(AtomicFile, AFullDiskIsAnError) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  const TestFolder folder;
  // The temporary file itself is a link to a device that takes nothing.
  const std::string temporary = fmt::format("{}.tmp.{}", folder.Path("x"), ::getpid());
  std::filesystem::create_symlink("/dev/full", temporary);
  auto file = AtomicFile::Create(folder.Path("x"));
  ASSERT_TRUE(file) << file.error().message;
  const Status status = file->Write("text");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kEnvironment);
  EXPECT_NE(status.error().message.find("cannot write at byte 0"), std::string::npos) << status.error().message;
}

TEST(MakeFolder, MakesParentsAndMayExist) {
  const TestFolder folder;
  EXPECT_TRUE(MakeFolder(folder.Path("a/b/c")));
  EXPECT_TRUE(MakeFolder(folder.Path("a/b/c")));
  EXPECT_TRUE(std::filesystem::is_directory(folder.Path("a/b/c")));
  folder.Put("file", "x");
  EXPECT_FALSE(MakeFolder(folder.Path("file/inside")));
}

// FIPS 180-2, appendix B, and the empty text.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.Update(std::string(1000, 'a'));
  EXPECT_EQ(million.HexDigest(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfAFile) {
  const TestFolder folder;
  EXPECT_EQ(*Sha256OfFile(folder.Put("x", "abc")), Sha256Hex("abc"));
  EXPECT_EQ(*Sha256OfFile(folder.Put("empty", "")), Sha256Hex(""));
  EXPECT_FALSE(Sha256OfFile(folder.Path("absent")));
}

Result<int> Half(int n) {
  if (n % 2 != 0) return BadInput("expected an even number, found {}", n);
  return n / 2;
}
Result<int> Quarter(int n) {
  HEW_ASSIGN(const int half, Half(n));
  HEW_ASSIGN(const int quarter, Half(half));
  return quarter;
}
Status CheckQuarter(int n) {
  HEW_RETURN_IF_ERROR(Quarter(n));
  return {};
}

TEST(Result, ErrorsPassThrough) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).error().message, "expected an even number, found 3");
  EXPECT_TRUE(CheckQuarter(8));
  const Status status = CheckQuarter(7);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
  EXPECT_EQ(Annotate("n", status.error()).value().message, "n: expected an even number, found 7");
  EXPECT_EQ(EnvironmentError("full").value().code, ErrorCode::kEnvironment);
}

TEST(Progress, HumanTexts) {
  EXPECT_EQ(HumanDuration(44.6), "45 s");
  EXPECT_EQ(HumanDuration(190), "3 min 10 s");
  EXPECT_EQ(HumanDuration(7500), "2 h 5 min");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(98'200'000), "98.2 MB");
  EXPECT_EQ(HumanBytes(999'999'999), "1.0 GB");
  EXPECT_GT(PeakRssBytes(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace hew
