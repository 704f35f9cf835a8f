#pragma once

namespace hew {

// The whole program: parses, runs one command, returns the exit status of cli.md's contract.
int RunCli(int argc, char** argv);

}  // namespace hew
