/// The record's Merkle tree, as the store's writer grows it.
#pragma once

#include <chrono>

#include "audit/checkpoint_note.h"
#include "audit/merkle.h"
#include "base/clock.h"
#include "store/store.h"

namespace sb::audit {

struct AuditLogOptions {
  /// Name of the log; empty: made of its public key. With a name of its own, `audit verify` needs --key.
  std::string origin;
  std::chrono::milliseconds head_every{100};  ///< a tree head at most that often; always one when the store is idle
};

/// Keeps the compact range of the tree in memory (at most 2 KiB) and signs tree heads. Called on the store's writer
/// thread; verifier() from any thread.
class AuditLog final : public store::LeafLog {
 public:
  /// `clock` is borrowed. Errors: invalid_argument (a seed that is not 32 bytes, an origin that cannot be a key name).
  static Result<std::unique_ptr<AuditLog>> create(std::string_view seed, const Clock& clock,
                                                  AuditLogOptions options = {});

  std::string encode(LeafIndex index, const store::LeafDraft& draft) override;
  std::optional<std::string> append(LeafIndex first, const std::vector<std::string>& leaves) override;
  /// Errors: corrupt (the leaves do not lead to the last tree head, or it is signed with another key).
  Result<> open(std::uint64_t size, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                std::optional<std::string> last_tree_head) override;
  std::string summary() const override { return range_.serialize(); }
  void restore(std::uint64_t size, std::string_view summary) override;

  const NoteVerifier& verifier() const { return signer_.verifier(); }

 private:
  AuditLog(NoteSigner signer, const Clock& clock, std::chrono::milliseconds head_every)
      : signer_(std::move(signer)), clock_(clock), head_every_(head_every) {}
  std::string sign_head();

  const NoteSigner signer_;
  const Clock& clock_;
  const std::chrono::milliseconds head_every_;
  CompactRange range_;
  CompactRange before_;  ///< the last group, which may be rolled back
  std::optional<CompactRange> restored_;
  std::optional<std::chrono::steady_clock::time_point> head_at_;
};

}  // namespace sb::audit
