// Files by what is in them: each lies under the SHA-256 of its bytes, whole or not at all, and never changes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hew {

class ObjectStore {
 public:
  explicit ObjectStore(std::string folder) : folder_(std::move(folder)) {}

  // The digest; durable when it returns. What is there already is not written again.
  Result<std::string> Put(std::string_view bytes) const;
  Result<std::string> PutFile(const std::string& path) const;

  bool Has(const std::string& digest) const;
  std::string PathOf(const std::string& digest) const { return folder_ + "/" + digest; }
  // The bytes, known to have the digest. Errors: missing or damaged (kBadInput).
  Result<std::string> Get(const std::string& digest) const;
  Status Check(const std::string& digest) const;

  Result<std::vector<std::string>> List() const;  // names in the folder, leftovers of killed writers among them
  Result<uint64_t> Remove(const std::string& name) const;  // gives the bytes freed

 private:
  std::string folder_;
};

bool IsDigest(std::string_view text);  // 64 lower-case hexadecimal digits

}  // namespace hew
