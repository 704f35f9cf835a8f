// What the registry remembers of a version: enough to use it, to compare it and to make it again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace hew {

inline constexpr int64_t kBaseVersion = 0;  // v0 is the workspace's first base model itself

enum class VersionKind {
  kBase,
  kAdapter,
  kModel
};  // what opens it: a path elsewhere, base + adapter, a model of its own

// A file that went into training.
struct DataInput {
  std::string role;      // "data", "eval_data", "template"
  std::string path;      // as the user named it
  std::string digest;    // SHA-256 of the file; the object store has it
  std::string manifest;  // object: one line a row, "DIGEST LINE"; "" for a template
  int64_t rows = 0;
};

struct VersionFile {
  std::string name;    // "adapter_model.safetensors"
  std::string digest;  // its object
};

struct Version {
  int64_t id = -1;
  std::string name;  // "first"; "" when none was given
  VersionKind kind = VersionKind::kAdapter;
  std::string made_by;            // "tune", "fix", "merge", "base"
  std::optional<int64_t> parent;  // whose adapter it began with, or what was merged
  std::string base;               // digest of the base model, see DigestOfModel
  Json recipe;                    // all settings, with the clock that templates saw; null for a base
  std::vector<DataInput> data;
  std::vector<VersionFile> files;
  Json metrics;                // the run's report
  std::string program;         // "hew 0.1.0"
  std::string program_digest;  // SHA-256 of the executable: other bits may come of another one
  std::string isa, precision;  // "avx512", "default"
  std::string created;         // "2026-11-24T20:51:07Z"

  std::string Label() const { return "v" + std::to_string(id); }
  // The digest of a file by name; "" when it has none such.
  std::string FileDigest(const std::string& file) const;
};

std::string_view NameOf(VersionKind kind);  // "base", "adapter", "model"
Json ToJson(const Version& version);

// "v12" to 12; nullopt for anything else.
std::optional<int64_t> VersionNumber(std::string_view text);

}  // namespace hew
