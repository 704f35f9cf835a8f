#include "base/git_blob.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "base/file.h"

namespace hew {

Result<std::string> GitBlobSha1OfFile(const std::string& path) {
  HEW_ASSIGN(auto file, MappedFile::Open(path));
  const std::string head = fmt::format("blob {}", file.bytes().size());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  HEW_CHECK(EVP_DigestInit_ex(context, EVP_sha1(), nullptr) == 1);
  HEW_CHECK(EVP_DigestUpdate(context, head.c_str(), head.size() + 1) == 1);  // with its zero byte
  HEW_CHECK(EVP_DigestUpdate(context, file.bytes().data(), file.bytes().size()) == 1);
  unsigned char digest[20];
  unsigned size = 0;
  HEW_CHECK(EVP_DigestFinal_ex(context, digest, &size) == 1 && size == 20);
  EVP_MD_CTX_free(context);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace hew
