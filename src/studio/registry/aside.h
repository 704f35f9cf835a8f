#pragma once

#include <filesystem>
#include <string>

namespace hew {

// A run's folder, which goes away with the object and with what is left in it.
struct Aside {
  explicit Aside(std::string folder) : path(std::move(folder)) {}
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  const std::string path;
};

}  // namespace hew
