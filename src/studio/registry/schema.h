// The tables of .hew/registry.db. PRAGMA user_version counts changes of it.
#pragma once

namespace hew {

inline constexpr int kSchemaVersion = 1;

// JSON stands where a field is only ever read whole; what is searched or counted has a column.
inline constexpr const char* kSchema = R"sql(
CREATE TABLE versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL, kind INTEGER NOT NULL, made_by TEXT NOT NULL,
  parent INTEGER REFERENCES versions(id),
  base TEXT NOT NULL, recipe TEXT NOT NULL, metrics TEXT NOT NULL,
  program TEXT NOT NULL, program_digest TEXT NOT NULL, isa TEXT NOT NULL, precision TEXT NOT NULL,
  created TEXT NOT NULL);
CREATE INDEX versions_by_name ON versions(name, id);
CREATE TABLE version_files (
  version INTEGER NOT NULL REFERENCES versions(id), name TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (version, name)) WITHOUT ROWID;
CREATE INDEX files_by_digest ON version_files(digest);
CREATE TABLE version_data (
  version INTEGER NOT NULL REFERENCES versions(id), number INTEGER NOT NULL,
  role TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, manifest TEXT NOT NULL, rows INTEGER NOT NULL,
  PRIMARY KEY (version, number)) WITHOUT ROWID;

CREATE TABLE aliases (name TEXT PRIMARY KEY, version INTEGER NOT NULL REFERENCES versions(id)) WITHOUT ROWID;
CREATE TABLE alias_events (
  id INTEGER PRIMARY KEY, alias TEXT NOT NULL, action TEXT NOT NULL,
  version INTEGER NOT NULL REFERENCES versions(id), before INTEGER REFERENCES versions(id),
  undone INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL);
CREATE INDEX alias_events_by_alias ON alias_events(alias, id);

CREATE TABLE bases (digest TEXT NOT NULL, path TEXT NOT NULL, stamp TEXT NOT NULL, seen TEXT NOT NULL,
  PRIMARY KEY (digest, path)) WITHOUT ROWID;
CREATE INDEX bases_by_path ON bases(path);
CREATE TABLE suites (name TEXT PRIMARY KEY, path TEXT NOT NULL, object TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cases (
  key INTEGER PRIMARY KEY, suite TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (suite, id, digest));
CREATE INDEX cases_by_id ON cases(id);
CREATE TABLE answers (
  version INTEGER NOT NULL REFERENCES versions(id), suite TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL,
  passed INTEGER NOT NULL, must_pass INTEGER NOT NULL, tags TEXT NOT NULL, score REAL, answer TEXT NOT NULL, why TEXT NOT NULL,
  arithmetic TEXT NOT NULL, details TEXT NOT NULL,
  PRIMARY KEY (version, suite, id)) WITHOUT ROWID;
CREATE TABLE counts (
  version INTEGER NOT NULL REFERENCES versions(id), suite TEXT NOT NULL, passed INTEGER NOT NULL, cases INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (version, suite)) WITHOUT ROWID;

CREATE TABLE chats (
  id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL REFERENCES versions(id),
  messages TEXT NOT NULL, answer TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE fixes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL REFERENCES versions(id),
  tag TEXT NOT NULL, body TEXT NOT NULL, fixed_in INTEGER REFERENCES versions(id), at TEXT NOT NULL);
CREATE INDEX fixes_by_tag ON fixes(tag);
)sql";

}  // namespace hew
