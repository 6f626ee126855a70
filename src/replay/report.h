/// What a replay found, for people and for machines.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "replay/replay.h"

namespace sb::replay {

/// What was held against what.
struct Subject {
  std::string traffic;    ///< data directory, or the log that was imported
  std::string candidate;  ///< its file
  std::string currency;
  std::vector<std::string> notes{};  ///< on the traffic
};

std::string to_lines(const Report& report, const Subject& subject);
json::object to_json(const Report& report, const Subject& subject);
/// One page, no script, nothing loaded.
std::string to_html(const Report& report, const Subject& subject);

}  // namespace sb::replay
