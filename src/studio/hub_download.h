// One file from a server to a path: resumed where it stopped, never more than announced, checked as a whole.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "studio/hub_http.h"

namespace hew {

// A file as it is wanted. What is unknown is taken from the answer: its size from Content-Length (a file of no
// announced size is refused), its digest from X-Linked-ETag as the Hugging Face hub sends it.
struct WantedFile {
  std::string name;  // under the folder, checked by CheckFileName
  std::string url;
  std::optional<uint64_t> bytes;
  std::string sha256;    // 64 hexadecimal digits, or ""
  std::string git_sha1;  // Git's blob name, 40 hexadecimal digits, or "": how the hub lists small files
};

struct ArrivedFile {
  std::string name, sha256;
  uint64_t bytes = 0;
  bool checked = false;  // against a digest that was given beforehand
};

// True if PATH holds the wanted file already: its size and its digest, one of which must be known.
Result<bool> IsArrived(const std::string& path, const WantedFile& wanted);

// Fetches into PATH.part, synced and verified; the caller renames it (InstallArrived) when all files of a model are
// there. `token` and `token_origin` as in DownloadRequest. Errors besides those of HttpGet: kBadInput when size or digest
// are not those wanted (the part is then dropped); kCancelled says what was kept.
Result<ArrivedFile> Download(const HttpSettings& settings, const std::string& token, const std::string& token_origin,
                             const WantedFile& wanted, const std::string& path);
Status InstallArrived(const std::string& path);  // PATH.part becomes PATH
uint64_t ArrivedBytes(const std::string& path);  // of PATH.part, 0 when there is none

// A name from a server: a relative path without "..", empty parts, backslashes or control characters.
Status CheckFileName(const std::string& name, const std::string& where);

}  // namespace hew
