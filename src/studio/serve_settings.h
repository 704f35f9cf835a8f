// What `hew serve` was asked for: handed by the command line to the server, which is no part of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "text/jinja/clock.h"

namespace hew {

struct ServeSettings {
  Runtime rt;
  std::string model;                  // a path, a version, an alias or a workspace's folder; "": see ServedModels::Open
  std::vector<std::string> adapters;  // "NAME=PATH" or "PATH", served beside the versions of the workspace
  std::string template_path;          // a chat template instead of the model's; "": the model's
  int64_t context_size = 0;           // tokens a sequence may hold; 0: the model's own, at most 8192
  int64_t parallel = 16;              // sequences in one step
  int64_t cache_bytes = 1LL << 30;    // keys and values

  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free one
  std::vector<std::string> api_keys;
  bool no_api_key = false;                         // without keys on an address that others reach
  std::string cors_origin;                         // "https://example.org" or "*"; "": pages of other sites are refused
  std::vector<std::string> hosts;                  // further names that requests may call this machine by
  std::string tls_certificate_path, tls_key_path;  // PEM; "": no TLS
  double grace_seconds = 10;                       // for answers at work when the server is told to stop

  std::function<Result<JinjaClock>()> now;                                         // what chat templates see
  std::function<void(const std::string& url, const std::string& model)> on_ready;  // once connections are taken
  std::function<void(const std::string& line)> warn;                               // what the user must know
};

}  // namespace hew
