// SQLite with errors as values: a database, its statements, and transactions that roll back unless committed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hew {

// A prepared statement with its values bound. Lives no longer than its database.
class Statement {
 public:
  // True: a row stands ready; false: there is none left.
  Result<bool> Step();
  void Reset();  // to bind and run once more

  void Bind(int index, int64_t value);  // the first is 1
  void Bind(int index, double value);
  void Bind(int index, std::string_view value);
  void Bind(int index, std::nullopt_t);
  void Bind(int index, const std::optional<int64_t>& value) { value ? Bind(index, *value) : Bind(index, std::nullopt); }
  void Bind(int index, const std::optional<double>& value) { value ? Bind(index, *value) : Bind(index, std::nullopt); }
  void Bind(int index, int value) { Bind(index, int64_t{value}); }
  void Bind(int index, bool value) { Bind(index, int64_t{value}); }
  void Bind(int index, const std::string& value) { Bind(index, std::string_view(value)); }
  void Bind(int index, const char* value) { Bind(index, std::string_view(value)); }
  template <typename... Values>
  void BindAll(const Values&... values) {
    int index = 0;
    (Bind(++index, values), ...);
  }

  int64_t Int(int column) const;  // the first is 0
  double Real(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;
  std::optional<int64_t> OptionalInt(int column) const {
    return IsNull(column) ? std::nullopt : std::optional(Int(column));
  }
  std::optional<double> OptionalReal(int column) const {
    return IsNull(column) ? std::nullopt : std::optional(Real(column));
  }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const std::string* path_ = nullptr;
};

class Database {
 public:
  // Opens or makes the file. Rollback journal and full synchronisation: what was committed survives a loss of power.
  // Another process's write is waited for, 10 seconds at most.
  // Errors: kBadInput when the file is no database, kEnvironment for all that the machine does to it.
  static Result<Database> Open(const std::string& path);

  template <typename... Values>
  Result<Statement> Query(std::string_view sql, const Values&... values) const {
    HEW_ASSIGN(Statement statement, Prepare(sql));
    statement.BindAll(values...);
    return statement;
  }
  // Runs a statement to its end and forgets its rows.
  template <typename... Values>
  Status Run(std::string_view sql, const Values&... values) const {
    HEW_ASSIGN(Statement statement, Prepare(sql));
    statement.BindAll(values...);
    HEW_ASSIGN([[maybe_unused]] const bool row, statement.Step());
    return {};
  }
  Result<Statement> Prepare(std::string_view sql) const;
  Status RunScript(const char* sql) const;  // several statements, nothing bound
  int64_t LastRowId() const;
  int64_t Changes() const;  // rows that the last statement changed
  const std::string& path() const { return *path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::unique_ptr<const std::string> path_;  // statements point to it, wherever the database is moved
};

// Begins at once, so that two writers wait for each other at the start and not at the end.
class Transaction {
 public:
  static Result<Transaction> Begin(const Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();  // rolls back what was not committed
  Status Commit();

 private:
  explicit Transaction(const Database* database) : database_(database) {}
  const Database* database_;
};

}  // namespace hew
