/// `signalbox policy` without the rest of the server: what bench/policy/quality.sh runs.
#include <iostream>
#include <string>
#include <vector>

#include "policy/command.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> args(argv + 1, argv + argc);
  return sb::policy::policy_command(args, std::cin, std::cout, std::cerr);
}
