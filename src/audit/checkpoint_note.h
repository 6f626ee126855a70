/// Signed tree heads in the C2SP formats: tlog-checkpoint (https://c2sp.org/tlog-checkpoint) inside a signed note
/// (https://c2sp.org/signed-note), Ed25519 (pure).
///
///     signalbox.local/log/5f0c...          origin
///     20852163                             number of leaves
///     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2...  root hash, base64
///
///     — signalbox.local/log/5f0c... Az3grlgtzPICa5OS8npVmf1Myq...
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/errors.h"

namespace sb::audit {

constexpr std::size_t kMaxNoteBytes = 64 * 1024;
constexpr std::size_t kKeyIdBytes = 4;

struct TreeHead {
  std::string origin;
  std::uint64_t size = 0;
  Digest root{};
};

/// A name for a log that nobody else uses: made of its public key.
std::string default_origin(std::string_view public_key);

/// What a key signs, as signed-note numbers it.
enum class NoteKeyType : char {
  ed25519 = 1,      ///< the note's text
  cosignature = 4,  ///< the note's text at a time (https://c2sp.org/tlog-cosignature), Ed25519
};

struct NoteSignature {
  std::string_view name;  ///< of the key
  std::string bytes;      ///< key id (4 bytes), signature
  std::string_view line;  ///< as it stands in the note, newline included
};

/// A note taken apart; nothing in it is verified. Borrows the note.
struct NoteParts {
  std::string_view text;  ///< newline at its end included
  std::vector<NoteSignature> signatures;
};
/// Errors: corrupt (not a signed note, larger than 64 KiB, more than 64 signatures).
Result<NoteParts> parse_note(std::string_view note);

/// A public key of 32 bytes as Go's sumdb tools write it: "name+keyid+base64(type || key)".
class NoteKey {
 public:
  /// REQUIRES a name without blanks and plus signs, a key of 32 bytes.
  NoteKey(NoteKeyType type, std::string name, std::string public_key);
  /// Errors: invalid_argument (also: a key of another type).
  static Result<NoteKey> parse(NoteKeyType type, std::string_view text);

  const std::string& name() const { return name_; }
  const std::string& public_key() const { return public_key_; }
  std::array<std::uint8_t, 4> id() const { return id_; }
  std::string to_string() const;
  /// Whether the signature says that it is of this key.
  bool names(const NoteSignature& signature) const;

 private:
  NoteKeyType type_;
  std::string name_;
  std::string public_key_;
  std::array<std::uint8_t, 4> id_;
};

/// Opens notes that were signed with one key.
class NoteVerifier {
 public:
  /// REQUIRES as NoteKey.
  NoteVerifier(std::string name, std::string public_key)
      : key_(NoteKeyType::ed25519, std::move(name), std::move(public_key)) {}
  /// Errors: invalid_argument.
  static Result<NoteVerifier> parse(std::string_view text);

  const std::string& name() const { return key_.name(); }
  const std::string& public_key() const { return key_.public_key(); }
  std::array<std::uint8_t, 4> key_id() const { return key_.id(); }
  std::string to_string() const { return key_.to_string(); }

  /// The text of the note, newline at its end included, if it carries a valid signature of this key; signatures of
  /// other keys (witnesses) are passed over. Errors: corrupt.
  Result<std::string_view> open(std::string_view note) const;

 private:
  explicit NoteVerifier(NoteKey key) : key_(std::move(key)) {}
  NoteKey key_;
};

/// Signs notes under one name.
class NoteSigner {
 public:
  NoteSigner(std::string name, SigningKey key);
  /// REQUIRES a text that ends in a newline.
  std::string sign(std::string_view text) const;
  const NoteVerifier& verifier() const { return verifier_; }

 private:
  SigningKey key_;
  NoteVerifier verifier_;
};

std::string tree_head_text(const TreeHead& head);
/// Errors: corrupt (not three lines of that form).
Result<TreeHead> parse_tree_head(std::string_view text);
/// Both: the head of a note signed by `verifier`, for its log. Errors: corrupt.
Result<TreeHead> open_tree_head(std::string_view note, const NoteVerifier& verifier);

}  // namespace sb::audit
