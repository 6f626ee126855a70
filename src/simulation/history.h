/// What happened in a simulation, in its order: the same for the same seed, to the last line.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/virtual_time.h"

namespace sb::simulation {

class History {
 public:
  explicit History(const VirtualTime& time) : time_(time), began_us_(time.steady_us()) {}

  void add(std::string_view what) {
    std::string line = fmt::format("{:14.6f} s  {}", static_cast<double>(time_.steady_us() - began_us_) / 1e6, what);
    for (const char letter : line) hash_ = (hash_ ^ static_cast<unsigned char>(letter)) * 1'099'511'628'211U;  // FNV-1a
    lines_.push_back(std::move(line));
  }
  /// A promise was broken: the simulation ends here.
  void problem(std::string what) {
    add("BROKEN: " + what);
    problems_.push_back(std::move(what));
  }

  const std::vector<std::string>& lines() const { return lines_; }
  const std::vector<std::string>& problems() const { return problems_; }
  std::uint64_t hash() const { return hash_; }

 private:
  const VirtualTime& time_;
  const Micros began_us_;
  std::uint64_t hash_ = 14'695'981'039'346'656'037U;
  std::vector<std::string> lines_;
  std::vector<std::string> problems_;
};

}  // namespace sb::simulation
