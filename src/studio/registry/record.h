// From a finished run to a version: its files and data go into the object store, then it is recorded. Until the record
// is committed there is no version; after it, all of it is there.
#pragma once

#include <string>
#include <vector>

#include "base/runtime.h"
#include "studio/registry/workspace.h"
#include "text/chat_template.h"
#include "train/data_file.h"
#include "train/settings.h"

namespace hew {

// A row's identity: SHA-256 of its JSON with keys sorted, or of its text.
struct RowEntry {
  std::string digest;
  int64_t line = 0;
};
Result<std::string> MakeManifest(const std::string& path, int64_t* rows);  // "DIGEST LINE" a row
std::vector<RowEntry> ParseManifest(std::string_view manifest);

// The rows of a stored data file, which was called `path`; gzip or not.
Status ReadStoredRows(std::string_view bytes, const std::string& path, const std::function<Status(DataRow&&)>& take);

// Stores a data file and its manifest.
Result<DataInput> StoreData(const Workspace& workspace, const std::string& role, const std::string& path);
// All files that training is going to read, as they are now: before it begins, under an ObjectLock that is held until
// the version is recorded. An adapter to start from is among them unless it is a version's.
Result<std::vector<DataInput>> StoreInputs(const Workspace& workspace, const TuneSettings& settings, bool from_version);

// The program that runs: name, version, digest of its file.
Status SetProgram(Version* version, const Runtime& rt);

struct TuneRecord {
  TuneSettings settings;  // as trained, `out` and `init_adapter` as paths
  JinjaClock now;         // that templates saw
  std::string name, made_by = "tune";
  std::optional<int64_t> parent;  // whose adapter settings.init_adapter is
  std::vector<DataInput> inputs;  // from StoreInputs
  std::string folder;             // with what Tune left
};
// The number of the new version.
Result<int64_t> RecordTune(Workspace& workspace, const Runtime& rt, const TuneRecord& record);

struct PretrainRecord {
  TuneSettings settings;  // as trained
  std::string name;
  std::optional<int64_t> parent;  // the version that settings.base is, if it is one
  std::string folder;             // with what Pretrain left
};
// A model of its own. Its text is not kept, only its digests: it may be far larger than the model.
Result<int64_t> RecordPretrain(Workspace& workspace, const Runtime& rt, const PretrainRecord& record);

// Where the states that a run kept on the way (train/snapshots.h) stay once its own folder is gone: beside what hew
// watch needs of them. gc leaves them alone; they may be removed.
std::string SnapshotsOf(const Workspace& workspace, const Version& version);
// Moves those of the run in `folder` there, if it has some.
Status KeepSnapshots(const Workspace& workspace, const Version& version, const std::string& folder);

struct MergeRecord {
  std::string base;                   // path
  std::vector<std::string> adapters;  // "PATH" or "PATH=SCALE", versions already resolved
  std::string type;                   // as asked for; "" = chosen
  uint64_t max_shard_bytes = 0;       // of a folder's files
  std::string name;
  std::optional<int64_t> parent;
  std::string path;  // the file or folder written
  Json metrics;      // the export's report
};
Result<int64_t> RecordMerge(Workspace& workspace, const Runtime& rt, const MergeRecord& record);

}  // namespace hew
