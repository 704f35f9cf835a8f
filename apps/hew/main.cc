#include "cli/cli.h"

int main(int argc, char** argv) { return hew::RunCli(argc, argv); }
