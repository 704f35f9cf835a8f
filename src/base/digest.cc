#include "base/digest.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "base/file.h"

namespace hew {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  HEW_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::Update(std::string_view bytes) {
  HEW_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::HexDigest() {
  unsigned char digest[32];
  unsigned size = 0;
  HEW_CHECK(EVP_DigestFinal_ex(state_->context, digest, &size) == 1 && size == 32);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha;
  sha.Update(bytes);
  return sha.HexDigest();
}

Result<std::string> Sha256OfFile(const std::string& path) {
  HEW_ASSIGN(auto file, MappedFile::Open(path));
  Sha256 sha;
  constexpr size_t kPiece = size_t{8} << 20;  // given back when it is done with: a large file takes no memory
  for (size_t at = 0; at < file.bytes().size(); at += kPiece) {
    const std::string_view piece = file.bytes().substr(at, kPiece);
    sha.Update(piece);
    ForgetMapped(piece);
  }
  return sha.HexDigest();
}

}  // namespace hew
