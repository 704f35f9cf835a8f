// The page itself, which lies in the program: web/, bundled by the build.
#pragma once

#include <span>
#include <string_view>

#include "http/router.h"

namespace hew {

struct PageFile {
  std::string_view path, content_type, bytes;  // "/page/page.js"
};
std::span<const PageFile> PageFiles();  // written by cmake/hew_page.cmake

// "/" and what lies under "/page/", with ETags and a content security policy that lets nothing in from elsewhere.
void AddPageFiles(Router& router);

}  // namespace hew
