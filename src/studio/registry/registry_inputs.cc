// The registry's tables of bases, suites and answers.
#include "studio/registry/registry.h"

namespace hew {

Result<std::optional<std::pair<std::string, std::string>>> Registry::BaseOf(const std::string& digest) const {
  HEW_ASSIGN(auto row,
             database_.Query("SELECT path, stamp FROM bases WHERE digest=? ORDER BY seen DESC LIMIT 1", digest));
  HEW_ASSIGN(const bool found, row.Step());
  if (!found) return std::optional<std::pair<std::string, std::string>>();
  return std::optional(std::pair(row.Text(0), row.Text(1)));
}

Result<std::optional<std::string>> Registry::BaseByStamp(const std::string& path, const std::string& stamp) const {
  HEW_ASSIGN(auto row, database_.Query("SELECT digest FROM bases WHERE path=? AND stamp=?", path, stamp));
  HEW_ASSIGN(const bool found, row.Step());
  return found ? std::optional(row.Text(0)) : std::nullopt;
}

Status Registry::SetBase(const std::string& digest, const std::string& path, const std::string& stamp) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  HEW_RETURN_IF_ERROR(database_.Run("DELETE FROM bases WHERE path=?", path));  // what lay there before is gone
  HEW_RETURN_IF_ERROR(database_.Run("INSERT INTO bases VALUES (?,?,?,?)", digest, path, stamp, UtcNow()));
  return transaction.Commit();
}

Status Registry::SetSuite(const std::string& name, const std::string& path, const std::string& object) {
  return database_.Run("INSERT INTO suites VALUES (?1,?2,?3) ON CONFLICT(name) DO UPDATE SET path=?2, object=?3", name,
                       path, object);
}

Result<std::vector<Registry::Suite>> Registry::Suites() const {
  HEW_ASSIGN(auto row, database_.Query("SELECT name, path, object FROM suites ORDER BY name"));
  std::vector<Suite> suites;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return suites;
    suites.push_back({row.Text(0), row.Text(1), row.Text(2)});
  }
}

Status Registry::SaveAnswers(int64_t version, const std::vector<StoredCase>& cases,
                             const std::vector<StoredAnswer>& answers) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  HEW_ASSIGN(auto add_case, database_.Prepare("INSERT OR IGNORE INTO cases(suite, id, digest, body) VALUES (?,?,?,?)"));
  for (const auto& c : cases) {
    add_case.BindAll(c.suite, c.id, c.digest, DumpJson(c.body));
    HEW_ASSIGN([[maybe_unused]] const bool row, add_case.Step());
    add_case.Reset();
  }
  HEW_ASSIGN(auto add, database_.Prepare("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"));
  for (const auto& a : answers) {
    add.BindAll(version, a.suite, a.id, a.digest, a.passed, a.must_pass, DumpJson(Json(a.tags)), a.score, a.answer,
                a.why, a.arithmetic, DumpJson(a.details));
    HEW_ASSIGN([[maybe_unused]] const bool row, add.Step());
    add.Reset();
  }
  HEW_RETURN_IF_ERROR(
      database_.Run("INSERT OR REPLACE INTO counts SELECT version, suite, sum(passed), count(*), ? FROM answers "
                    "WHERE version=? GROUP BY suite",
                    UtcNow(), version));
  return transaction.Commit();
}

Result<std::vector<StoredAnswer>> Registry::Answers(int64_t version, const std::string& suite) const {
  HEW_ASSIGN(
      auto row,
      database_.Query(
          "SELECT suite, id, digest, answer, why, passed, must_pass, tags, score, arithmetic, details FROM answers "
          "WHERE version=?1 AND (?2='' OR suite=?2)",
          version, suite));
  std::vector<StoredAnswer> answers;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return answers;
    StoredAnswer a{row.Text(0),     row.Text(1), row.Text(2),         row.Text(3), row.Text(4), row.Int(5) != 0,
                   row.Int(6) != 0, {},          row.OptionalReal(8), row.Text(9), {}};
    a.details = Json::parse(row.Text(10), nullptr, false);
    const Json tags = Json::parse(row.Text(7), nullptr, false);
    if (tags.is_array()) {
      for (const auto& tag : tags) a.tags.push_back(tag.is_string() ? tag.get<std::string>() : std::string());
    }
    answers.push_back(std::move(a));
  }
}

Status Registry::KeepOnly(int64_t version, const std::string& suite, const std::vector<std::string>& ids) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  HEW_RETURN_IF_ERROR(
      database_.Run("DELETE FROM answers WHERE version=? AND suite=? AND id NOT IN (SELECT value FROM json_each(?))",
                    version, suite, DumpJson(Json(ids))));
  HEW_RETURN_IF_ERROR(
      database_.Run("INSERT OR REPLACE INTO counts SELECT version, suite, sum(passed), count(*), ? FROM answers "
                    "WHERE version=? AND suite=? GROUP BY suite",
                    UtcNow(), version, suite));
  return transaction.Commit();
}

Result<std::optional<StoredCase>> Registry::FindCase(const std::string& id, const std::string& suite) const {
  HEW_ASSIGN(
      auto row,
      database_.Query(
          "SELECT suite, id, digest, body FROM cases WHERE id=?1 AND (?2='' OR suite=?2) ORDER BY key DESC LIMIT 1", id,
          suite));
  HEW_ASSIGN(const bool found, row.Step());
  if (!found) return std::optional<StoredCase>();
  return std::optional(StoredCase{row.Text(0), row.Text(1), row.Text(2), Json::parse(row.Text(3), nullptr, false)});
}

Result<std::vector<SuiteCount>> Registry::Counts(int64_t version) const {
  HEW_ASSIGN(auto row,
             database_.Query("SELECT suite, passed, cases, at FROM counts WHERE version=? ORDER BY suite", version));
  std::vector<SuiteCount> counts;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return counts;
    counts.push_back({row.Text(0), row.Int(1), row.Int(2), row.Text(3)});
  }
}

}  // namespace hew
