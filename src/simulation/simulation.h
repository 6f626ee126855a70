/// One seed: a world, those who use it, and what befalls it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sb::simulation {

struct Outcome {
  std::uint64_t hash = 0;  ///< of the history: the same for the same seed
  std::vector<std::string> history;
  std::vector<std::string> problems;
  std::size_t crashes = 0;
  std::size_t steps = 0;  ///< handlers that ran
  std::size_t calls = 0;  ///< of the provider
  std::size_t runs = 0;
  double hours = 0;  ///< that passed
};

/// `folder` is its own and empty; `template_folder` as World::prepare made it.
Outcome simulate(std::uint64_t seed, const std::string& folder, const std::string& template_folder);

}  // namespace sb::simulation
