#include "cli/cli.h"
#include "http/serve.h"

int main(int argc, char** argv) { return hew::RunCli(argc, argv, hew::Serve); }
