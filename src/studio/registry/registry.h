// The record of a workspace in SQLite: versions, aliases with their history, suites with their cases, and answers.
// Every change is one transaction; objects that it names are in the store, durable, before it is committed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "studio/registry/sqlite.h"
#include "studio/registry/version.h"

namespace hew {

struct VersionSummary {  // a line of `hew list`
  int64_t id = 0;
  std::string name, made_by, created;
  std::optional<int64_t> parent;
  std::vector<std::string> aliases;
  int64_t passed = 0, cases = 0;  // over all suites tested
};

struct AliasEvent {
  std::string alias, action;  // "promote", "rollback"
  int64_t version = 0;
  std::optional<int64_t> from;
  std::string at;
};

// One case of a suite as it stood when it was asked. A case that was edited is another case.
struct StoredCase {
  std::string suite, id;
  std::string digest;  // of all that decides its answer: messages, checks, length
  Json body;           // as in the suite's file
};

struct StoredAnswer {
  std::string suite, id, digest;
  std::string answer, why;
  bool passed = false, must_pass = false;
  std::vector<std::string> tags;
  std::optional<double> score;  // log-likelihood, perplexity or the judge's mark
  std::string arithmetic;       // "avx512/default": other arithmetic may answer differently
  Json details;                 // what else was measured; null: nothing
};

struct SuiteCount {
  std::string suite;
  int64_t passed = 0, cases = 0;
  std::string at;
};

class Registry {
 public:
  // Opens or makes .hew/registry.db. Errors: not ours, or made by a later Hew.
  static Result<Registry> Open(const std::string& path);

  // Gives it the next number (or version.id, where that is kBaseVersion).
  Result<int64_t> Add(const Version& version);
  Result<Version> Get(int64_t id) const;
  // "v12", an alias, or a name (the latest of that name). nullopt: nothing is called so.
  Result<std::optional<int64_t>> Find(const std::string& name) const;
  Result<std::vector<VersionSummary>> List(int64_t last) const;  // newest first; last < 0: all
  Result<std::vector<int64_t>> Ids() const;
  // A version that holds a file of this digest; nullopt: none.
  Result<std::optional<int64_t>> VersionWithFile(const std::string& digest) const;
  // Every digest that any version refers to, manifests and data too.
  Result<std::vector<std::string>> ReferencedObjects() const;

  Status Promote(const std::string& alias, int64_t version);
  // To the version before the last promotion; gives it. Error: there is none.
  Result<int64_t> Rollback(const std::string& alias);
  Result<std::map<std::string, int64_t>> Aliases() const;
  Result<std::vector<AliasEvent>> AliasHistory(const std::optional<int64_t>& version) const;  // oldest first

  // Where a base of this digest was last seen: {path, stamp}; nullopt: never.
  Result<std::optional<std::pair<std::string, std::string>>> BaseOf(const std::string& digest) const;
  // The digest of a file whose stamp is still this one; nullopt: not known.
  Result<std::optional<std::string>> BaseByStamp(const std::string& path, const std::string& stamp) const;
  Status SetBase(const std::string& digest, const std::string& path, const std::string& stamp);

  // A suite by name, with where its file is and the object with its text.
  Status SetSuite(const std::string& name, const std::string& path, const std::string& object);
  struct Suite {
    std::string name, path, object;
  };
  Result<std::vector<Suite>> Suites() const;

  // Answers of a version; those to the same case are replaced. The counts of `List` and `Counts` follow.
  Status SaveAnswers(int64_t version, const std::vector<StoredCase>& cases, const std::vector<StoredAnswer>& answers);
  Result<std::vector<StoredAnswer>> Answers(int64_t version, const std::string& suite = "") const;  // "": all suites
  Result<std::vector<SuiteCount>> Counts(int64_t version) const;
  // Forgets answers of a suite to cases that it no longer has.
  Status KeepOnly(int64_t version, const std::string& suite, const std::vector<std::string>& ids);
  // The latest form of a case that any version was asked. nullopt: no version was.
  Result<std::optional<StoredCase>> FindCase(const std::string& id, const std::string& suite = "") const;

  const Database& database() const { return database_; }  // for the tables of other files: fixes, chats

 private:
  explicit Registry(Database database) : database_(std::move(database)) {}
  Database database_;
};

std::string UtcNow();  // "2026-11-24T20:51:07Z"

}  // namespace hew
