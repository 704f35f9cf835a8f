#include "studio/registry/registry.h"

#include <ctime>
#include <set>

#include "studio/registry/schema.h"

namespace hew {
namespace {

Json Load(const std::string& text) {  // our own writing: damage shows as null
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

}  // namespace

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

Result<Registry> Registry::Open(const std::string& path) {
  HEW_ASSIGN(Database database, Database::Open(path));
  const auto version = [&]() -> Result<int64_t> {
    HEW_ASSIGN(auto statement, database.Query("PRAGMA user_version"));
    HEW_ASSIGN([[maybe_unused]] const bool row, statement.Step());
    return statement.Int(0);
  };
  HEW_ASSIGN(int64_t found, version());
  if (found == 0) {  // new, or another process is making it at this moment
    HEW_ASSIGN(Transaction transaction, Transaction::Begin(database));
    HEW_ASSIGN(found, version());
    if (found == 0) {
      HEW_RETURN_IF_ERROR(database.RunScript(kSchema));
      HEW_RETURN_IF_ERROR(database.RunScript(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str()));
      found = kSchemaVersion;
    }
    HEW_RETURN_IF_ERROR(transaction.Commit());
  }
  if (found != kSchemaVersion)
    return BadInput("{}: version: expected {}, found {} (made by another Hew)", path, kSchemaVersion, found);
  return Registry(std::move(database));
}

Result<int64_t> Registry::Add(const Version& v) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  const std::optional<int64_t> number =
      v.kind == VersionKind::kBase && v.id == kBaseVersion ? std::optional(kBaseVersion) : std::nullopt;
  HEW_RETURN_IF_ERROR(database_.Run(
      "INSERT INTO versions(id, name, kind, made_by, parent, base, recipe, metrics, program, program_digest, isa, "
      "precision, created) "
      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
      number, v.name, static_cast<int64_t>(v.kind), v.made_by, v.parent, v.base, DumpJson(v.recipe),
      DumpJson(v.metrics), v.program, v.program_digest, v.isa, v.precision, v.created.empty() ? UtcNow() : v.created));
  const int64_t id = database_.LastRowId();
  for (const auto& file : v.files) {
    HEW_RETURN_IF_ERROR(database_.Run("INSERT INTO version_files VALUES (?,?,?)", id, file.name, file.digest));
  }
  int64_t n = 0;
  for (const auto& d : v.data) {
    HEW_RETURN_IF_ERROR(database_.Run("INSERT INTO version_data VALUES (?,?,?,?,?,?,?)", id, n++, d.role, d.path,
                                      d.digest, d.manifest, d.rows));
  }
  HEW_RETURN_IF_ERROR(transaction.Commit());
  return id;
}

Result<Version> Registry::Get(int64_t id) const {
  HEW_ASSIGN(auto row,
             database_.Query(
                 "SELECT name, kind, made_by, parent, base, recipe, metrics, program, program_digest, isa, precision, "
                 "created FROM versions WHERE id=?",
                 id));
  HEW_ASSIGN(const bool found, row.Step());
  if (!found) return BadInput("v{}: expected a version of this workspace, found none of this number", id);
  Version v;
  v.id = id;
  v.name = row.Text(0);
  v.kind = static_cast<VersionKind>(row.Int(1));
  v.made_by = row.Text(2);
  v.parent = row.OptionalInt(3);
  v.base = row.Text(4);
  v.recipe = Load(row.Text(5));
  v.metrics = Load(row.Text(6));
  v.program = row.Text(7);
  v.program_digest = row.Text(8);
  v.isa = row.Text(9);
  v.precision = row.Text(10);
  v.created = row.Text(11);
  HEW_ASSIGN(auto files, database_.Query("SELECT name, digest FROM version_files WHERE version=? ORDER BY name", id));
  while (true) {
    HEW_ASSIGN(const bool more, files.Step());
    if (!more) break;
    v.files.push_back({files.Text(0), files.Text(1)});
  }
  HEW_ASSIGN(auto data,
             database_.Query(
                 "SELECT role, path, digest, manifest, rows FROM version_data WHERE version=? ORDER BY number", id));
  while (true) {
    HEW_ASSIGN(const bool more, data.Step());
    if (!more) break;
    v.data.push_back({data.Text(0), data.Text(1), data.Text(2), data.Text(3), data.Int(4)});
  }
  return v;
}

Result<std::optional<int64_t>> Registry::Find(const std::string& name) const {
  const auto first = [&](std::string_view sql, const auto& value) -> Result<std::optional<int64_t>> {
    HEW_ASSIGN(auto row, database_.Query(sql, value));
    HEW_ASSIGN(const bool found, row.Step());
    return found ? std::optional(row.Int(0)) : std::nullopt;
  };
  if (const auto number = VersionNumber(name)) return first("SELECT id FROM versions WHERE id=?", *number);
  HEW_ASSIGN(const auto alias, first("SELECT version FROM aliases WHERE name=?", name));
  if (alias || name.empty()) return alias;
  return first("SELECT max(id) FROM versions WHERE name=? HAVING count(*) > 0", name);
}

Result<std::vector<VersionSummary>> Registry::List(int64_t last) const {
  std::map<int64_t, std::vector<std::string>> aliases;
  HEW_ASSIGN(const auto names, Aliases());
  for (const auto& [name, id] : names) aliases[id].push_back(name);
  HEW_ASSIGN(auto row, database_.Query("SELECT v.id, v.name, v.made_by, v.created, v.parent, "
                                       "(SELECT sum(passed) FROM counts c WHERE c.version=v.id), "
                                       "(SELECT sum(cases) FROM counts c WHERE c.version=v.id) "
                                       "FROM versions v ORDER BY v.id DESC LIMIT ?",
                                       last));
  std::vector<VersionSummary> list;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return list;
    list.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.OptionalInt(4), {}, row.Int(5), row.Int(6)});
    if (const auto named = aliases.find(row.Int(0)); named != aliases.end()) list.back().aliases = named->second;
  }
}

Result<std::vector<int64_t>> Registry::Ids() const {
  HEW_ASSIGN(auto row, database_.Query("SELECT id FROM versions ORDER BY id"));
  std::vector<int64_t> ids;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return ids;
    ids.push_back(row.Int(0));
  }
}

Result<std::optional<int64_t>> Registry::VersionWithFile(const std::string& digest) const {
  HEW_ASSIGN(auto row,
             database_.Query("SELECT min(version) FROM version_files WHERE digest=? HAVING count(*) > 0", digest));
  HEW_ASSIGN(const bool found, row.Step());
  return found ? std::optional(row.Int(0)) : std::nullopt;
}

Result<std::vector<std::string>> Registry::ReferencedObjects() const {
  HEW_ASSIGN(auto row, database_.Query("SELECT digest FROM version_files UNION SELECT digest FROM version_data UNION "
                                       "SELECT manifest FROM version_data UNION SELECT object FROM suites"));
  std::vector<std::string> digests;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return digests;
    if (!row.Text(0).empty()) digests.push_back(row.Text(0));
  }
}

Result<std::map<std::string, int64_t>> Registry::Aliases() const {
  HEW_ASSIGN(auto row, database_.Query("SELECT name, version FROM aliases"));
  std::map<std::string, int64_t> aliases;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return aliases;
    aliases[row.Text(0)] = row.Int(1);
  }
}

Status Registry::Promote(const std::string& alias, int64_t version) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  HEW_RETURN_IF_ERROR(
      database_.Run("INSERT INTO alias_events(alias, action, version, before, at) VALUES (?,'promote',?,"
                    "(SELECT version FROM aliases WHERE name=?),?)",
                    alias, version, alias, UtcNow()));
  HEW_RETURN_IF_ERROR(database_.Run(
      "INSERT INTO aliases VALUES (?,?) ON CONFLICT(name) DO UPDATE SET version=excluded.version", alias, version));
  return transaction.Commit();
}

Result<int64_t> Registry::Rollback(const std::string& alias) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(database_));
  HEW_ASSIGN(
      auto last,
      database_.Query("SELECT id, version, before FROM alias_events WHERE alias=? AND action='promote' AND undone=0 "
                      "ORDER BY id DESC LIMIT 1",
                      alias));
  HEW_ASSIGN(const bool found, last.Step());
  if (!found) return BadInput("{}: expected an alias that was promoted, found none of this name", alias);
  if (last.IsNull(2))
    return BadInput("{}: expected an earlier version to go back to, found only v{}", alias, last.Int(1));
  const int64_t event = last.Int(0), from = last.Int(1), to = last.Int(2);
  last.Reset();
  HEW_RETURN_IF_ERROR(database_.Run("UPDATE alias_events SET undone=1 WHERE id=?", event));
  HEW_RETURN_IF_ERROR(
      database_.Run("INSERT INTO alias_events(alias, action, version, before, at) VALUES (?,'rollback',?,?,?)", alias,
                    to, from, UtcNow()));
  HEW_RETURN_IF_ERROR(database_.Run("UPDATE aliases SET version=? WHERE name=?", to, alias));
  HEW_RETURN_IF_ERROR(transaction.Commit());
  return to;
}

Result<std::vector<AliasEvent>> Registry::AliasHistory(const std::optional<int64_t>& version) const {
  HEW_ASSIGN(auto row, database_.Query("SELECT alias, action, version, before, at FROM alias_events "
                                       "WHERE ?1 IS NULL OR version=?1 OR before=?1 ORDER BY id",
                                       version));
  std::vector<AliasEvent> events;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return events;
    events.push_back({row.Text(0), row.Text(1), row.Int(2), row.OptionalInt(3), row.Text(4)});
  }
}

}  // namespace hew
