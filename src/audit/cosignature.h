/// Cosignatures of witnesses (https://c2sp.org/tlog-cosignature, Ed25519) and how they are asked for
/// (https://c2sp.org/tlog-witness, add-checkpoint): texts alone (pure).
///
/// A cosignature says: at this time, this was the largest tree head of the log that I saw, and it continues all that I
/// saw before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint_note.h"
#include "base/crypto.h"

namespace sb::audit {

struct Cosignature {
  std::uint64_t time = 0;  ///< by the witness's clock, seconds since the epoch
  std::string line;        ///< the note's line, newline included
};

/// A witness's public key.
class WitnessKey {
 public:
  /// "name+keyid+base64(0x04 || key)". Errors: invalid_argument.
  static Result<WitnessKey> parse(std::string_view text);

  const std::string& name() const { return key_.name(); }
  std::string to_string() const { return key_.to_string(); }

  /// This witness's cosignature of a note; nothing where there is none. Errors: corrupt (not a note, or a line of this
  /// witness that does not verify).
  Result<std::optional<Cosignature>> find(std::string_view note) const;

 private:
  explicit WitnessKey(NoteKey key) : key_(std::move(key)) {}
  NoteKey key_;
};

/// So many of these witnesses must have cosigned.
struct Quorum {
  std::vector<WitnessKey> witnesses;
  std::size_t needed = 0;
};

/// Who cosigned a note, and when (Cosignature::time), in the order of the quorum's witnesses.
using Cosigners = std::vector<std::pair<std::string, std::uint64_t>>;
/// Errors: corrupt (not a note, a false cosignature, or fewer than needed).
Result<Cosigners> check_quorum(std::string_view note, const Quorum& quorum);

/// The body of a request to cosign `note`, which continues the tree of `old_size` leaves by `proof`.
std::string add_checkpoint_body(std::uint64_t old_size, std::span<const Digest> proof, std::string_view note);
/// The size in an answer 409; nothing where it is none.
std::optional<std::uint64_t> told_size(std::string_view body);

}  // namespace sb::audit
