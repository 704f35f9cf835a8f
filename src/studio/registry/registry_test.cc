// The registry as a file on a machine that can fail: steps that fail, processes that die, two at once.
#include "studio/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/file_calls.h"
#include "base/test_folder.h"
#include "studio/registry/diff.h"
#include "studio/registry/maintenance.h"

namespace hew {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

Version WithFile(const std::string& name, const std::string& digest, std::optional<int64_t> parent = std::nullopt) {
  Version v;
  v.name = name;
  v.made_by = "tune";
  v.parent = parent;
  v.recipe = {{"lr", 0.001}};
  v.files = {{"adapter_model.safetensors", digest}};
  return v;
}

// An object and the version that names it, as recording does it.
Result<int64_t> Record(Workspace& workspace, const std::string& name, const std::string& bytes) {
  HEW_ASSIGN(const auto lock, ObjectLock::Take(workspace, ObjectLock::Kind::kShared));
  HEW_ASSIGN(const std::string digest, workspace.objects().Put(bytes));
  return workspace.registry().Add(WithFile(name, digest));
}

std::vector<std::string> Faults(const Workspace& workspace) {
  const auto report = Verify(workspace);
  return report ? report->faults : std::vector<std::string>{report.error().message};
}

TEST(Workspace, IsFoundFromBelowAndMadeOnce) {
  const TestFolder folder;
  fs::create_directories(folder.Path("a/b"));
  ASSERT_FALSE(*Workspace::Find(folder.Path("a/b")));
  EXPECT_THAT(Workspace::Require(folder.Path("a")).error().message, HasSubstr("hew init"));
  ASSERT_TRUE(Workspace::Init(folder.path()));
  const auto found = Workspace::Find(folder.Path("a/b"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->root(), fs::canonical(folder.path()).string());
  EXPECT_THAT(Workspace::Init(folder.path()).error().message, HasSubstr("expected a folder without a workspace"));
}

TEST(Workspace, RefusesARegistryThatIsNone) {
  const TestFolder folder;
  fs::create_directories(folder.Path(".hew"));
  folder.Put(".hew/registry.db", std::string(5000, 'x'));
  const auto found = Workspace::Find(folder.path());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(found.error().message, HasSubstr("registry.db"));
}

TEST(Registry, VersionsComeBackAsTheyWent) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace) << workspace.error().message;
  Version v = WithFile("first", std::string(64, 'a'));
  v.base = std::string(64, 'b');
  v.data = {{"data", "faq.jsonl", std::string(64, 'c'), std::string(64, 'd'), 12}};
  v.metrics = {{"train_loss", 0.25}};
  v.isa = "avx2";
  ASSERT_EQ(*workspace->registry().Add(v), 1);
  ASSERT_EQ(*workspace->registry().Add(WithFile("second", std::string(64, 'a'), 1)), 2);
  const auto back = workspace->registry().Get(1);
  ASSERT_TRUE(back) << back.error().message;
  v.id = 1;
  v.created = back->created;
  EXPECT_EQ(ToJson(*back), ToJson(v));
  EXPECT_EQ(back->data[0].manifest, std::string(64, 'd'));
  EXPECT_EQ(**workspace->registry().Find("second"), 2);
  EXPECT_FALSE(*workspace->registry().Find("third"));
  EXPECT_FALSE(*workspace->registry().Find("v3"));
  EXPECT_THAT(workspace->registry().Get(9).error().message, HasSubstr("v9"));
}

TEST(Registry, AliasesGoBackStepByStep) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  Registry& registry = workspace->registry();
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Record(*workspace, name, name));
  EXPECT_FALSE(registry.Rollback("stable"));
  for (int64_t v : {1, 2, 3}) ASSERT_TRUE(registry.Promote("stable", v));
  EXPECT_EQ(**registry.Find("stable"), 3);
  EXPECT_EQ(*registry.Rollback("stable"), 2);
  EXPECT_EQ(*registry.Rollback("stable"), 1);
  EXPECT_THAT(registry.Rollback("stable").error().message, HasSubstr("expected an earlier version"));
  EXPECT_EQ(**registry.Find("stable"), 1);
  EXPECT_EQ(registry.AliasHistory(std::nullopt)->size(), 5u);
  EXPECT_FALSE(registry.Promote("stable", 77)) << "no such version";
  EXPECT_EQ(**registry.Find("stable"), 1);
}

TEST(Registry, AnswersAreKeptPerVersionAndCompared) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  for (const char* name : {"a", "b"}) ASSERT_TRUE(Record(*workspace, name, name));
  const auto answer = [](const char* id, const char* text, bool passed, const char* digest = "1") {
    StoredAnswer a;
    a.suite = "s", a.id = id, a.digest = digest, a.answer = text, a.passed = passed;
    return a;
  };
  Registry& registry = workspace->registry();
  ASSERT_TRUE(
      registry.SaveAnswers(1, {},
                           {answer("broken", "x", true), answer("fixed", "x", false), answer("same", "x", true),
                            answer("changed", "x", true), answer("edited", "x", true), answer("gone", "x", true)}));
  ASSERT_TRUE(
      registry.SaveAnswers(2, {},
                           {answer("broken", "y", false), answer("fixed", "y", true), answer("same", "x", true),
                            answer("changed", "y", true), answer("edited", "x", true, "2"), answer("new", "x", true)}));
  const auto diff = DiffAnswers(registry, 1, 2);
  ASSERT_TRUE(diff) << diff.error().message;
  EXPECT_EQ(diff->broken, 1);
  EXPECT_EQ(diff->fixed, 1);
  EXPECT_EQ(diff->changed, 1);
  EXPECT_EQ(diff->same, 1);
  EXPECT_EQ(diff->only_before, 2);
  EXPECT_EQ(diff->only_after, 2);
  ASSERT_EQ(diff->cases.size(), 4u);
  EXPECT_EQ(diff->cases[0].id, "broken") << "broken ones come first";
  EXPECT_EQ((*registry.Counts(2))[0].passed, 5);
  // The same case again replaces its answer.
  ASSERT_TRUE(registry.SaveAnswers(2, {}, {answer("broken", "x", true)}));
  EXPECT_EQ((*registry.Counts(2))[0].passed, 6);
  EXPECT_EQ((*registry.Counts(2))[0].cases, 6);
}

// In memory, where there is such a folder: thousands of syncs are free there, and what they would save is played.
class FileFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (fs::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 0);
  }
};

// Every call that writes, of the program's and of SQLite's, fails once in each way; what was acknowledged before stays,
// what failed is not there, and the next try works.
TEST_F(FileFaults, ACallThatFailsLeavesNothingHalf) {
  for (const FaultKind kind : {FaultKind::kEio, FaultKind::kFull, FaultKind::kShort}) {
    for (int64_t failing = 1;; ++failing) {
      const TestFolder folder;
      {
        auto workspace = Workspace::Init(folder.path());
        ASSERT_TRUE(workspace);
        ASSERT_TRUE(Record(*workspace, "kept", "kept bytes"));
      }
      SetFileFault({failing, kind});
      auto opened = Workspace::Find(folder.path());
      auto added = opened && *opened ? Record(**opened, "new", "new bytes") : Result<int64_t>(EnvironmentError("not opened"));
      const int64_t calls = FileCalls();
      ClearFileFault();
      const ErrorCode code = added ? ErrorCode::kEnvironment : added.error().code;
      EXPECT_EQ(code, ErrorCode::kEnvironment) << failing;
      auto workspace = Workspace::Find(folder.path());
      ASSERT_TRUE(workspace && *workspace);
      EXPECT_THAT(Faults(**workspace), IsEmpty());
      EXPECT_EQ((*workspace)->registry().Ids()->size(), added ? 2u : 1u) << failing;
      EXPECT_TRUE(added || Record(**workspace, "new", "new bytes"));
      const auto names = (*workspace)->objects().List();
      ASSERT_TRUE(names) << names.error().message;
      for (const auto& name : *names) EXPECT_TRUE(IsDigest(name)) << "left behind: " << name;
      EXPECT_THAT(Faults(**workspace), IsEmpty());
      if (calls < failing) {
        EXPECT_TRUE(added) << added.error().message;
        EXPECT_GT(failing, 12) << "create, write, sync, rename, sync folder, and those of the commit";
        break;
      }
    }
  }
}

// The same with the process ended at each call, as by kill -9, and with the power gone: what was not synced is lost.
TEST_F(FileFaults, DyingAtAnyCallLosesNothingAcknowledged) {
  for (const FaultKind kind : {FaultKind::kKill, FaultKind::kCrash}) {
    for (int64_t dying = 1;; ++dying) {
      const TestFolder folder;
      ASSERT_TRUE(Workspace::Init(folder.path()));
      int told[2];  // the child says what it acknowledged
      ASSERT_EQ(::pipe(told), 0);
      const pid_t child = ::fork();
      if (child == 0) {
        SetFileFault({dying, kind});
        auto workspace = Workspace::Find(folder.path());
        for (const char* name : {"first", "second"}) {
          const bool done = workspace && *workspace && Record(**workspace, name, std::string(name) + " bytes");
          if (!done || ::write(told[1], "+", 1) != 1) ::_exit(1);
        }
        ::_exit(0);
      }
      ::close(told[1]);
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      char said[8];
      const auto acknowledged = std::max<ssize_t>(::read(told[0], said, sizeof(said)), 0);
      ::close(told[0]);
      auto workspace = Workspace::Find(folder.path());
      ASSERT_TRUE(workspace && *workspace) << workspace.error().message;
      const auto found = static_cast<ssize_t>((*workspace)->registry().Ids()->size());
      // The one at work may be there, whole, though nobody heard of it.
      EXPECT_GE(found, acknowledged) << "call " << dying;
      EXPECT_LE(found, acknowledged + 1);
      EXPECT_THAT(Faults(**workspace), IsEmpty()) << "call " << dying;
      ASSERT_TRUE(CollectGarbage(**workspace, false));
      EXPECT_EQ((*workspace)->objects().List()->size(), (*workspace)->registry().Ids()->size());
      if (WIFEXITED(status)) {
        EXPECT_EQ(WEXITSTATUS(status), 0);
        EXPECT_GT(dying, 25);
        break;
      }
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
    }
  }
}

TEST_F(FileFaults, TwoProcessesAtOnceBothSucceed) {
  const TestFolder folder;
  ASSERT_TRUE(Workspace::Init(folder.path()));
  constexpr int kEach = 10;
  std::vector<pid_t> children;
  for (int who = 0; who < 2; ++who) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    auto workspace = Workspace::Find(folder.path());
    bool good = workspace && *workspace;
    for (int i = 0; good && i < kEach; ++i) {
      const std::string name = fmt::format("{}-{}", who, i);
      const auto id = Record(**workspace, name, name);
      StoredAnswer answer;
      answer.suite = "s", answer.id = "1", answer.answer = name;
      good = id && (*workspace)->registry().SaveAnswers(*id, {}, {answer}) &&
             (*workspace)->registry().Promote("stable", *id);
    }
    ::_exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  auto workspace = Workspace::Find(folder.path());
  ASSERT_TRUE(workspace && *workspace);
  EXPECT_EQ((*workspace)->registry().Ids()->size(), 2u * kEach);
  EXPECT_EQ((*workspace)->registry().AliasHistory(std::nullopt)->size(), 2u * kEach);
  EXPECT_THAT(Faults(**workspace), IsEmpty());
}

TEST(Verify, NamesWhatIsDamagedOrGone) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  ASSERT_TRUE(Record(*workspace, "a", "first bytes"));
  ASSERT_TRUE(Record(*workspace, "b", "second bytes"));
  EXPECT_THAT(Faults(*workspace), IsEmpty());
  const std::string a = workspace->objects().PathOf(Sha256Hex("first bytes"));
  fs::permissions(a, fs::perms::owner_all);
  std::ofstream(a) << "other bytes";
  fs::remove(workspace->objects().PathOf(Sha256Hex("second bytes")));
  const auto faults = Faults(*workspace);
  EXPECT_EQ(faults.size(), 4u);
  EXPECT_THAT(faults, testing::Contains(HasSubstr("v1: adapter_model.safetensors")));
  EXPECT_THAT(faults, testing::Contains(HasSubstr("v2: adapter_model.safetensors")));
  // Putting the same bytes again mends the object.
  ASSERT_TRUE(workspace->objects().Put("first bytes"));
  ASSERT_TRUE(workspace->objects().Put("second bytes"));
  EXPECT_THAT(Faults(*workspace), IsEmpty());
}

TEST(Gc, TakesOnlyWhatNothingNames) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  ASSERT_TRUE(Record(*workspace, "a", "needed"));
  ASSERT_TRUE(workspace->objects().Put("not needed"));
  folder.Put(".hew/objects/0000.tmp.1", "left by a killed writer");
  EXPECT_EQ(CollectGarbage(*workspace, true)->removed, 2);
  EXPECT_EQ(workspace->objects().List()->size(), 3u);
  EXPECT_EQ(CollectGarbage(*workspace, false)->removed, 2);
  EXPECT_THAT(*workspace->objects().List(), ElementsAre(Sha256Hex("needed")));
  EXPECT_EQ(CollectGarbage(*workspace, false)->removed, 0);
}

TEST(Checkout, IsMadeAgainWhenItIsNotWhole) {
  const TestFolder folder;
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  ASSERT_TRUE(Record(*workspace, "a", "some bytes"));
  const Version version = *workspace->registry().Get(1);
  const auto laid = workspace->Checkout(version);
  ASSERT_TRUE(laid) << laid.error().message;
  EXPECT_EQ(*ReadFile(*laid + "/adapter_model.safetensors"), "some bytes");
  fs::remove(*laid + "/adapter_model.safetensors");
  ASSERT_TRUE(workspace->Checkout(version));
  EXPECT_EQ(*ReadFile(*laid + "/adapter_model.safetensors"), "some bytes");
}

}  // namespace
}  // namespace hew
