/// What others said of a log's tree heads, checked: cosignatures of witnesses, time stamps.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/verify_log.h"

namespace sb::audit {

/// Read before the log's `checkpoint`: then that is none older, unless the log was rolled back.
struct Statements {
  std::string witnessed;                 ///< `checkpoint.witnessed`; empty: none
  std::optional<std::uint64_t> stamped;  ///< leaves under the newest time stamp
};
/// Those that `how` asks for. Errors: unavailable, corrupt.
Result<Statements> read_statements(LogSource& source, const LogVerification& how);

/// Checks them against the log's own signed tree head; fills the report's `witnessed` and `timestamp`, and returns what
/// is wrong. Errors: unavailable (the source), invalid_argument (the TSA's certificates).
Result<std::vector<std::string>> check_statements(LogSource& source, const NoteVerifier& key,
                                                  const LogVerification& how, const Statements& statements,
                                                  std::string_view note, LogReport& report);

}  // namespace sb::audit
