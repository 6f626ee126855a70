/// Texts that went through a guard before, as commands look at them again. Where they are kept is not known here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/errors.h"
#include "policy/json_guard.h"
#include "policy/rule.h"

namespace sb::policy {

/// One text or document that went through the guard once.
struct RecordedText {
  std::string id;                      ///< of its run or line
  std::string content;                 ///< in clear, as it came, as far as that is known
  std::optional<JsonProfile> profile;  ///< nothing: plain text
  Direction direction = Direction::inbound;
  std::optional<Subject> subject{};  ///< whose it is; nothing: every rule speaks of it. Borrowed
};

/// Which runs of a data directory are wanted.
struct TrafficFilter {
  std::string data{};        ///< the data directory
  std::string master_key{};  ///< env:NAME or file:PATH; empty: the data directory's own
  std::string url{};         ///< of the server that works on it; empty: none does
  std::string key_file{};    ///< with an API key for that server; empty: SIGNALBOX_API_KEY
  std::string tenant{};      ///< empty: all
  std::string flow{};        ///< "namespace/name"; empty: all
  std::optional<Micros> since_us{};
  std::optional<Micros> until_us{};  ///< exclusive
  std::uint64_t limit = UINT64_MAX;
  std::optional<Direction> direction{};  ///< nothing: both
};

/// What was read, and what could not be.
struct TrafficSums {
  std::uint64_t runs = 0;
  std::uint64_t erased = 0;  ///< their content is gone
  /// Values that recording took out for good, by "inbound EMAIL redact": no policy sees them again.
  std::map<std::string, std::uint64_t> taken_out;
  std::uint64_t still_sealed = 0;  ///< texts with encrypted values that did not open
};

/// Calls back with one text after another, newest runs first; holds one run at a time. An error of the callback ends
/// it. Errors: what keeps the directory from being read or its runs from being opened; no error holds content.
using ReadTraffic =
    std::function<Result<TrafficSums>(const TrafficFilter&, const std::function<Result<>(const RecordedText&)>&)>;

}  // namespace sb::policy
