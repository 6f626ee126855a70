/// Recomputes a published log from its tiles alone: what anybody can do who has the log's public key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/cosignature.h"
#include "audit/log_source.h"

namespace sb::audit {

/// What a quorum of the given witnesses cosigned last.
struct WitnessReport {
  std::uint64_t leaves = 0;  ///< under that tree head; those after it are shown, and not witnessed
  Cosigners cosigners;
};

/// The newest time stamp.
struct TimestampReport {
  std::uint64_t leaves = 0;  ///< under the tree head that was stamped
  std::int64_t time = 0;     ///< that the authority says, s since epoch
};

struct LogReport {
  std::uint64_t leaves = 0;   ///< under the log's tree head
  std::uint64_t checked = 0;  ///< of them read and hashed
  std::uint64_t tiles = 0;    ///< hash tiles that are what their leaves say
  bool foreign = false;       ///< its tree head does not open with the key: nothing behind it was looked at
  std::string head;           ///< the signed tree head: keep it, outside this machine, for the next time
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;         ///< the first 20
  std::optional<WitnessReport> witnessed;    ///< where a quorum was asked for, and is there
  std::optional<TimestampReport> timestamp;  ///< where it was asked for, and is right
  std::int64_t elapsed_us = 0;

  bool ok() const { return problem_count == 0; }
};

struct LogVerification {
  std::string kept_head;         ///< a signed tree head kept from earlier: the log must continue it; empty: none
  bool since_kept = false;       ///< read only what came after it, and what proves that it is continued
  Quorum quorum = {};            ///< must have cosigned a tree head that the log continues; without witnesses: none
  std::string tsa_ca_file = {};  ///< PEM: the newest time stamp must be there, and lead to it; empty: not looked at
};

/// Finds: a false or foreign tree head; one that does not continue the kept one (rolled back, or another history); a
/// changed, missing, added or moved leaf; leaves numbered wrong; tiles and bundles that are changed, cut short or
/// absent; fewer cosignatures than the quorum, or a witnessed or time-stamped tree head that the log does not continue.
/// What was found is in the report. Errors: unavailable (the source), invalid_argument (a kept head that is none, the
/// TSA's certificates).
Result<LogReport> verify_log(LogSource& source, const NoteVerifier& key, const LogVerification& how);

}  // namespace sb::audit
