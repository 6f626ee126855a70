/// Recomputes the whole record from what is on disk.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint_note.h"
#include "keys/pseudonym.h"

namespace sb::audit {

class StoredContents;

struct VerifyOptions {
  std::string database;             ///< path of the SQLite file; a server may be running on it
  std::optional<NoteVerifier> key;  ///< the log's public key; REQUIRED
  std::string kept_head;  ///< a tree head kept from earlier (a signed note): the log must continue it; empty: none
  std::vector<std::string> published = {};  ///< tree heads that are shown, read before: the leaves must lead to them
  const Pseudonyms* actors = nullptr;       ///< also compares who did what
  StoredContents* contents = nullptr;       ///< also holds what is sealed against what the leaves commit to
};

struct VerifyReport {
  std::uint64_t leaves = 0;
  std::uint64_t steps = 0;          ///< stored steps that the record speaks of
  std::uint64_t contents = 0;       ///< inputs, outputs and verdicts that are what their leaves commit to
  bool actors = false;              ///< who did what was compared too
  std::uint64_t heads = 0;          ///< tree heads whose signature and root are right
  std::uint64_t signed_leaves = 0;  ///< size of the newest of them; leaves after it are not signed yet
  std::string newest_head;          ///< that tree head: keep it, outside this machine, for the next verification
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< the first 20
  std::int64_t elapsed_us = 0;

  bool ok() const { return problem_count == 0; }
};

/// Finds: a changed, missing, added or moved leaf; leaf numbers with gaps; a false or foreign tree head; a log cut
/// short or rolled back behind a tree head, stored or kept; steps, runs, reviews, erasures and holds that are stored
/// otherwise than they are recorded, or one without the other. What was found is in the report; it needs memory for 64
/// hashes, the tree heads, the runs that go on and those that were erased, whatever the log's length. Errors:
/// not_found, permission_denied, unsupported (schema), corrupt (not a database).
Result<VerifyReport> verify_store(const VerifyOptions& options);

}  // namespace sb::audit
