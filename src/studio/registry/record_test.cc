// From training to a version and back: recorded whole, opened by its number, made again with the same bits.
#include "studio/registry/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "studio/export_test_support.h"
#include "studio/open_model.h"
#include "studio/registry/diff.h"
#include "studio/registry/maintenance.h"
#include "train/tune.h"

namespace hew {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

class RecordTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "tiny");
    folder_.Put("a.txt", "the first of two\n\nanother line to learn");
    folder_.Put("b.txt", "the first of two\n\nsomething else to learn");
    auto made = Workspace::Init(folder_.path());
    ASSERT_TRUE(made) << made.error().message;
    workspace_.emplace(*std::move(made));
  }

  // As hew tune does it.
  Result<int64_t> TuneAndRecord(const std::string& data, double lr, std::optional<int64_t> parent = std::nullopt) {
    TuneRequest request;
    TuneSettings& s = request.settings;
    s.base = folder_.Path("tiny");
    s.data = {folder_.Path(data)};
    s.rank = 2, s.epochs = 2, s.lr = lr;
    HEW_ASSIGN(s.out, workspace_->NewRunFolder(""));
    if (parent) {
      HEW_ASSIGN(const Version version, workspace_->registry().Get(*parent));
      HEW_ASSIGN(s.init_adapter, workspace_->Checkout(version));
    }
    HEW_ASSIGN(const OpenedModel opened, OpenModel(rt_, s.base, {}));
    request.model = opened.model;
    request.tokenizer = opened.tokenizer;
    request.quiet = true;
    HEW_ASSIGN(const auto inputs, StoreInputs(*workspace_, s, parent.has_value()));
    HEW_RETURN_IF_ERROR(Tune(rt_, request));
    return RecordTune(*workspace_, rt_, {s, request.now, "named", "tune", parent, inputs, s.out});
  }

  TestFolder folder_;
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  std::optional<Workspace> workspace_;
};

TEST_F(RecordTest, AVersionHoldsAllThatItWasMadeOf) {
  const auto id = TuneAndRecord("a.txt", 1e-3);
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*id, 1);
  const Version v = *workspace_->registry().Get(1);
  EXPECT_EQ(v.parent, kBaseVersion);
  EXPECT_EQ(v.recipe["lr"], 1e-3);
  EXPECT_FALSE(v.recipe.contains("out"));
  EXPECT_GT(v.recipe["micro_tokens"], 0);
  ASSERT_EQ(v.data.size(), 1u);
  EXPECT_EQ(v.data[0].rows, 2);
  EXPECT_EQ(v.isa, NameOf(rt_.isa));
  EXPECT_EQ(v.program_digest.size(), 64u);
  EXPECT_GT(v.metrics.value("train_loss", 0.0), 0);
  const auto report = Verify(*workspace_);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->faults, IsEmpty());
  // Opened by number from below the workspace, the version is its base with its adapter.
  const auto ref = ResolveModel("v1", folder_.path());
  ASSERT_TRUE(ref) << ref.error().message;
  EXPECT_EQ(ref->adapters.size(), 1u);
  EXPECT_TRUE(OpenModel(rt_, ref->path, ref->adapters));
}

TEST_F(RecordTest, RebuildGivesTheSameBitsOrNamesWhatChanged) {
  ASSERT_TRUE(TuneAndRecord("a.txt", 1e-3));
  ASSERT_TRUE(TuneAndRecord("b.txt", 1e-3, 1));
  folder_.Put("a.txt", "edited since");  // the version has its own copy
  fs::remove(folder_.Path("b.txt"));
  for (int64_t id : {1, 2}) {
    const auto again = Rebuild(*workspace_, rt_, *workspace_->registry().Get(id), true, nullptr);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->same) << id;
    EXPECT_THAT(again->changed, IsEmpty());
  }
  EXPECT_TRUE(fs::is_empty(workspace_->Path("runs")) || !fs::exists(workspace_->Path("runs/run-3")))
      << "nothing stays behind";

  Runtime other = rt_;
  other.precision = Precision::kFp32;
  if (rt_.bf16()) {
    const auto again = Rebuild(*workspace_, other, *workspace_->registry().Get(1), true, nullptr);
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->same);
    EXPECT_THAT(again->changed, testing::ElementsAre(HasSubstr("precision")));
  }
  std::ofstream(folder_.Path("tiny/config.json"), std::ios::app) << "\n";
  const auto changed = Rebuild(*workspace_, rt_, *workspace_->registry().Get(1), true, nullptr);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(changed->same);
  EXPECT_EQ(changed->found, "");
  EXPECT_THAT(changed->changed, testing::ElementsAre(HasSubstr("tiny")));
}

TEST_F(RecordTest, DiffShowsRowsRecipeAndWeights) {
  ASSERT_TRUE(TuneAndRecord("a.txt", 1e-3));
  ASSERT_TRUE(TuneAndRecord("b.txt", 5e-3));
  const auto diff = DiffVersions(*workspace_, *workspace_->registry().Get(1), *workspace_->registry().Get(2));
  ASSERT_TRUE(diff) << diff.error().message;
  EXPECT_EQ(diff->rows.same, 1);
  ASSERT_EQ(diff->rows.added.size(), 1u);
  EXPECT_EQ(diff->rows.added[0].text, "something else to learn");
  EXPECT_EQ(diff->rows.removed[0].text, "another line to learn");
  std::vector<std::string> fields;
  for (const auto& change : diff->recipe) fields.push_back(change.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("data", "lr"));
  EXPECT_GT(diff->weights.difference_norm, 0);
  const auto same = DiffVersions(*workspace_, *workspace_->registry().Get(1), *workspace_->registry().Get(1));
  ASSERT_TRUE(same);
  EXPECT_NEAR(same->weights.difference_norm, 0, 1e-3 * same->weights.before_norm);
  // Against the base, the whole change counts.
  const auto base = DiffVersions(*workspace_, *workspace_->registry().Get(0), *workspace_->registry().Get(1));
  ASSERT_TRUE(base) << base.error().message;
  EXPECT_EQ(base->weights.difference_norm, base->weights.after_norm);
  EXPECT_EQ(base->rows.added_count, 2);
}

TEST(Manifest, ARowIsItsContentWhateverTheOrderOfKeys) {
  const TestFolder folder;
  int64_t rows = 0;
  const auto a =
      MakeManifest(folder.Put("a.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\"}\n{\"text\": \"t\"}\n"), &rows);
  ASSERT_TRUE(a);
  EXPECT_EQ(rows, 2);
  const auto b = MakeManifest(folder.Put("b.jsonl", "\n{\"completion\":\"c\",\"prompt\":\"p\"}\n"), &rows);
  ASSERT_TRUE(b);
  const auto x = ParseManifest(*a), y = ParseManifest(*b);
  ASSERT_EQ(x.size(), 2u);
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(x[0].digest, y[0].digest);
  EXPECT_NE(x[1].digest, y[0].digest);
  EXPECT_EQ(y[0].line, 2);
}

}  // namespace
}  // namespace hew
