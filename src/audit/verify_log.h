/// Recomputes a published log from its tiles alone: what anybody can do who has the log's public key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/log_source.h"

namespace sb::audit {

struct LogReport {
  std::uint64_t leaves = 0;   ///< under the log's tree head
  std::uint64_t checked = 0;  ///< of them read and hashed
  std::uint64_t tiles = 0;    ///< hash tiles that are what their leaves say
  std::string head;           ///< the signed tree head: keep it, outside this machine, for the next time
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< the first 20
  std::int64_t elapsed_us = 0;

  bool ok() const { return problem_count == 0; }
};

struct LogVerification {
  std::string kept_head;    ///< a signed tree head kept from earlier: the log must continue it; empty: none
  bool since_kept = false;  ///< read only what came after it, and what proves that it is continued
};

/// Finds: a false or foreign tree head; one that does not continue the kept one (rolled back, or another history); a
/// changed, missing, added or moved leaf; leaves numbered wrong; tiles and bundles that are changed, cut short or
/// absent. What was found is in the report. Errors: unavailable (the source), invalid_argument (a kept head that is
/// none).
Result<LogReport> verify_log(LogSource& source, const NoteVerifier& key, const LogVerification& how);

}  // namespace sb::audit
