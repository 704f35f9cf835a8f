#pragma once

#include <functional>

#include "base/result.h"
#include "studio/serve_settings.h"

namespace hew {

// What `hew serve` runs: the server is a surface of its own, beside the command line.
using ServeFunction = std::function<Result<int>(const ServeSettings&)>;

// The whole program: parses, runs one command, returns the exit status of cli.md's contract.
int RunCli(int argc, char** argv, const ServeFunction& serve);

}  // namespace hew
