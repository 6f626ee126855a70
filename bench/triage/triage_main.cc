// `signalbox triage` alone, without the server it is part of: what compare.py runs.
#include <iostream>
#include <string>
#include <vector>

#include "triage/command.h"

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  return sb::triage::triage_command(args, std::cin, std::cout, std::cerr, {});
}
