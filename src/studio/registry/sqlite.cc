#include "studio/registry/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/check.h"
#include "studio/registry/sqlite_faults.h"

namespace hew {
namespace {

constexpr int kBusyMs = 10'000;

tl::unexpected<Error> Failed(const std::string& path, int code, sqlite3* database) {
  const char* message = database ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  switch (code & 0xFF) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return BadInput("{}: expected a registry of Hew, found damage: {}", path, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return EnvironmentError("{}: another process has been writing for {} s", path, kBusyMs / 1000);
    default:
      return EnvironmentError("{}: {}", path, message);
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Failed(*path_, code, sqlite3_db_handle(statement_.get()));
}

void Statement::Reset() { sqlite3_reset(statement_.get()); }

void Statement::Bind(int index, int64_t value) {
  HEW_CHECK(sqlite3_bind_int64(statement_.get(), index, value) == SQLITE_OK);
}
void Statement::Bind(int index, double value) {
  HEW_CHECK(sqlite3_bind_double(statement_.get(), index, value) == SQLITE_OK);
}
void Statement::Bind(int index, std::string_view value) {
  HEW_CHECK(sqlite3_bind_text64(statement_.get(), index, value.data() ? value.data() : "", value.size(),
                                SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
}
void Statement::Bind(int index, std::nullopt_t) { HEW_CHECK(sqlite3_bind_null(statement_.get(), index) == SQLITE_OK); }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::Real(int column) const { return sqlite3_column_double(statement_.get(), column); }
std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))) : std::string();
}
bool Statement::IsNull(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Result<Database> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, FaultyVfs());
  Database database;
  database.database_.reset(handle);
  database.path_ = std::make_unique<const std::string>(path);
  if (code != SQLITE_OK) return Failed(path, code, handle);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyMs);
  // EXTRA is FULL, and the folder is synced after the journal is removed as well: the commit itself is durable.
  HEW_RETURN_IF_ERROR(
      database.RunScript("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA foreign_keys=ON;"));
  return database;
}

Result<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr);
  if (code != SQLITE_OK) return Failed(*path_, code, database_.get());
  Statement statement;
  statement.statement_.reset(handle);
  statement.path_ = path_.get();
  return statement;
}

Status Database::RunScript(const char* sql) const {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Failed(*path_, code, database_.get());
  return {};
}

int64_t Database::LastRowId() const { return sqlite3_last_insert_rowid(database_.get()); }
int64_t Database::Changes() const { return sqlite3_changes64(database_.get()); }

Result<Transaction> Transaction::Begin(const Database& database) {
  HEW_RETURN_IF_ERROR(database.RunScript("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_) (void)database_->RunScript("ROLLBACK");
}

Status Transaction::Commit() {
  HEW_RETURN_IF_ERROR(database_->RunScript("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace hew
