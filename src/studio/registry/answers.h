// Testing versions: suites by name, answers kept as they come, and none asked for twice.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "studio/registry/workspace.h"
#include "studio/test_suite.h"

namespace hew {

struct NamedSuite {
  std::string name;  // "examples/helpdesk/test": the file's path from the workspace, without its ending
  std::string path;
  std::vector<TestCase> cases;
};

// `word` is a file, or a suite that this workspace has seen: its name, or the end of it where only one ends so. Its
// file is read again, and where that is gone, the stored copy.
Result<NamedSuite> OpenSuite(Workspace* workspace, const std::string& word);

// A model that is opened when it is first needed.
class LazyModel {
 public:
  LazyModel(const Runtime& rt, std::string name, int64_t context_size = 0)
      : rt_(rt), name_(std::move(name)), context_size_(context_size) {}
  // Opened by `open` instead of by its name.
  LazyModel(const Runtime& rt, std::string name, std::function<Result<OpenedModel>()> open)
      : rt_(rt), name_(std::move(name)), context_size_(0), open_(std::move(open)) {}
  Result<const OpenedModel*> Opened();
  Result<const Engine*> engine();
  const std::string& name() const { return name_; }
  const Runtime& rt() const { return rt_; }

 private:
  Runtime rt_;
  std::string name_;
  int64_t context_size_;
  std::function<Result<OpenedModel>()> open_;  // may be empty
  std::unique_ptr<OpenedModel> opened_;
  std::unique_ptr<Engine> engine_;
};

std::string ArithmeticOf(const Runtime& rt);  // "avx512/default"

// All answers of a version to a suite, in the suite's order: known ones (to the same case, by the same arithmetic) are
// taken, others asked for and kept, some at a time, so that a run that was stopped goes on where it was. `again`: ask
// all.
Result<SuiteResult> TestVersion(Workspace& workspace, int64_t version, const NamedSuite& suite, LazyModel& model,
                                const SuiteOptions& options, bool again);

}  // namespace hew
