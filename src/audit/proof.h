/// A run's part of the record, or an erasure's, as one file that stands for itself: leaves, where they are in the log,
/// the signed tree head, and what was disclosed of the payloads. Made by `audit prove`, verified offline by `audit
/// verify FILE`.
///
///     {"format": "signalbox-proof/1", "run": "0190...", "key": "name+id+base64", "checkpoint": "...",
///      "entries": [{"index": 12, "leaf": "{...}", "proof": ["base64", ...],
///                   "payload": {"salt": "hex", "ciphertext": "base64", "key": "base64"}}]}
///
/// Of an erasure it has `"erasure": "0190..."` instead of `run`: the leaves of the order, and `run.erased` of each run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/cosignature.h"
#include "audit/leaf.h"
#include "audit/log_source.h"
#include "base/ids.h"
#include "base/json.h"

namespace sb::audit {

inline constexpr std::string_view kProofFormat = "signalbox-proof/1";

/// What opens one leaf's commitment.
struct Disclosure {
  std::string salt;
  std::string ciphertext;
  std::string key;  ///< of the ciphertext: AES-256-GCM, nonce first (keys/envelope.h: payload_context)
};

/// Whose leaves a proof has: a run's, or an erasure's.
struct ProofSubject {
  bool is_erasure = false;
  std::string id;
  std::string_view member() const { return is_erasure ? "erasure" : "run"; }
  bool has(const LeafFields& leaf) const;
};

struct ProofParts {
  ProofSubject subject;
  std::string checkpoint;  ///< a tree head signed by `key`
  std::vector<std::pair<std::uint64_t, std::string>> leaves;
  /// The payload that a leaf commits to; nothing where it is not disclosed.
  std::function<std::optional<Disclosure>(const LeafFields& leaf)> disclose;
};
/// Inclusion proofs are read from the log's tiles. Errors: corrupt (the tiles do not lead to the tree head).
Result<json::object> make_proof(LogSource& log, const NoteVerifier& key, const ProofParts& parts);

struct ProofReport {
  ProofSubject subject;
  std::string key;         ///< whose log it is
  bool foreign = false;    ///< its tree head does not open with the expected key: nothing below it was looked at
  std::uint64_t size = 0;  ///< leaves under its tree head
  std::vector<std::uint64_t> indices;
  bool ended = false;  ///< the run's end, or an erasure's last leaf, is among them: nothing later is left out
  std::uint64_t runs_erased = 0;  ///< of an erasure
  Cosigners cosigners;            ///< of the quorum that was asked for
  std::uint64_t payloads = 0;     ///< disclosed, and what the leaves committed to
  std::vector<std::string> problems;
  bool ok() const { return problems.empty(); }
};

/// `expected`: the key that the proof has to be of; nothing: the one it names. `quorum`: must have cosigned its tree
/// head. Errors: corrupt (not such a file).
Result<ProofReport> verify_proof(std::string_view text, const std::optional<NoteVerifier>& expected,
                                 const Quorum& quorum = {});

}  // namespace sb::audit
