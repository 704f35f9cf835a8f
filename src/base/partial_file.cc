#include "base/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/file_calls.h"

namespace hew {
namespace {

std::string LastError() { return std::strerror(errno); }

}  // namespace

Result<PartialFile> PartialFile::Open(const std::string& path) {
  PartialFile file;
  file.path_ = path;
  file.partial_ = path + ".part";
  // Neither a link nor a pipe that somebody laid there is followed or waited for.
  file.fd_ = file_calls::Open(file.partial_, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (file.fd_ < 0) return EnvironmentError("{}: cannot create: {}", file.partial_, LastError());
  struct stat info {};
  if (::fstat(file.fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return EnvironmentError("{}: expected a regular file", file.partial_);
  }
  if (::flock(file.fd_, LOCK_EX | LOCK_NB) != 0) {
    return EnvironmentError("{}: another program is writing it", file.partial_);
  }
  file.size_ = static_cast<uint64_t>(info.st_size);
  return file;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      path_(std::move(other.path_)),
      partial_(std::move(other.partial_)) {}

PartialFile::~PartialFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status PartialFile::Write(std::string_view bytes) { return WriteAll(fd_, partial_, bytes, &size_); }

Status PartialFile::Restart() {
  if (file_calls::Truncate(fd_, 0) != 0)
    return EnvironmentError("{}: cannot cut to nothing: {}", partial_, LastError());
  size_ = 0;
  return {};
}

Status PartialFile::Sync() {
  if (file_calls::Sync(fd_) != 0) return EnvironmentError("{}: cannot sync: {}", partial_, LastError());
  return {};
}

Status PartialFile::Install() { return RenamePath(partial_, path_); }

}  // namespace hew
