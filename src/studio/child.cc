#include "studio/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

extern char** environ;

namespace hew {
namespace {

constexpr size_t kMostBytes = 4 << 20;

struct Pipe {
  int read = -1, write = -1;
  bool Open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  void CloseWrite() {
    if (write >= 0) ::close(write);
    write = -1;
  }
  ~Pipe() {
    CloseWrite();
    if (read >= 0) ::close(read);
  }
};

// Takes what is there; false at the end. Beyond the bound it is read and dropped, so that the program is not held up.
bool Take(int fd, std::string* text) {
  char block[1 << 16];
  const ssize_t got = ::read(fd, block, sizeof block);
  if (got > 0 && text->size() < kMostBytes) text->append(block, static_cast<size_t>(got));
  return got > 0;
}

// Read while it runs: what the system reports of an ended program counts the memory of the one that started it.
uint64_t PeakOf(pid_t child) {
  std::ifstream in("/proc/" + std::to_string(child) + "/status");
  std::string word;
  uint64_t kilobytes = 0;
  while (in >> word) {
    if (word == "VmHWM:" && in >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

Result<ChildOutput> RunChild(const std::vector<std::string>& arguments, const std::atomic<bool>* cancel) {
  Pipe out, err;
  if (!out.Open() || !err.Open())
    return EnvironmentError("{}: cannot open a pipe: {}", arguments[0], std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const double start = Now();
  const int failed = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return EnvironmentError("{}: cannot be started: {}", arguments[0], std::strerror(failed));
  out.CloseWrite();
  err.CloseWrite();

  ChildOutput result;
  pollfd ends[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
  bool stopped = false;
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (!stopped && cancel && cancel->load()) {
      ::kill(child, SIGTERM);
      stopped = true;
    }
    const int ready = ::poll(ends, 2, 50);
    result.peak_rss_bytes = std::max(result.peak_rss_bytes, PeakOf(child));
    if (ready <= 0) continue;
    if (ends[0].revents && !Take(ends[0].fd, &result.out)) ends[0].fd = -1;  // poll passes over it
    if (ends[1].revents && !Take(ends[1].fd, &result.err)) ends[1].fd = -1;
  }
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  result.seconds = Now() - start;
  result.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  if (stopped) return tl::unexpected(Error{ErrorCode::kCancelled, fmt::format("{}: stopped", arguments[0])});
  return result;
}

}  // namespace hew
