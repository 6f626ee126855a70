/// The folder a server keeps everything in: the database, and the secrets that must not be in it.
///
///     DIR/signalbox.db          runs, reviews, the record   (mode 0600, with -wal, -shm and .lock beside it)
///     DIR/audit                 the published log           (audit/tile_files.h)
///     DIR/triage                versions of triage, by content (triage/kept_versions.h)
///     DIR/mirror-spool          what may not be in the mirror yet (mirror/spool.h)
///     DIR/keys/audit.seed       Ed25519 seed that signs tree heads
///     DIR/keys/vault.key        AES-256 key of sealed placeholder maps
///     DIR/keys/pepper           key of API-key hashes and pseudonyms
///
/// Each key file holds 32 random bytes, mode 0600. Losing one loses what it protects: back the folder up as a whole.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/errors.h"

namespace sb::store {

class DataDir {
 public:
  /// Opens `path`; folder and keys that are missing are made and made durable. Running it again changes nothing.
  /// Errors: permission_denied (not writable, or a key file that others may read), corrupt (a key file of a wrong size,
  /// or a database without its keys), disk_full.
  static Result<DataDir> open_or_create(const std::string& path, Entropy& entropy);

  /// Opens what is there and changes nothing. Errors: not_found (no such folder, not initialised), as above.
  static Result<DataDir> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string database() const;
  std::string audit_folder() const { return path_ + "/audit"; }  ///< the published log (audit/tile_files.h)
  const std::string& audit_seed() const { return audit_seed_; }  ///< 32 bytes, secret
  const std::string& vault_key() const { return vault_key_; }    ///< 32 bytes, secret
  const std::string& pepper() const { return pepper_; }          ///< 32 bytes, secret

  static constexpr const char* kDatabase = "signalbox.db";

 private:
  static Result<DataDir> load(const std::string& path);

  std::string path_;
  std::string audit_seed_;
  std::string vault_key_;
  std::string pepper_;
};

}  // namespace sb::store
