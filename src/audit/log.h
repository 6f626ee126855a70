/// The record's Merkle tree, behind the store's writer.
#pragma once

#include <memory>

#include "audit/checkpoint_note.h"
#include "audit/publisher.h"
#include "audit/timestamps.h"
#include "audit/witnesses.h"
#include "store/store.h"

namespace sb::audit {

struct AuditLogOptions {
  /// Name of the log; empty: made of its public key. With a name of its own, `audit verify` needs --key.
  std::string origin;
  std::string folder;  ///< where the log is published, in the layout of C2SP tlog-tiles; empty: nowhere
  Publisher::Options publish = {};
  WitnessOptions witness = {};      ///< without places: nobody is asked. REQUIRES a folder where there are some
  TimestampOptions timestamp = {};  ///< REQUIRES a folder where there is a URL
  /// False: appends leaves and signs nothing, whatever the log's name is. Who opens it next shows them; a new log is
  /// named by its first server, not by the command that made its directory.
  bool sign = true;
};

/// The store's LeafLog. Encodes leaves on the writer thread; all that costs more happens on the publisher's.
class AuditLog final : public store::LeafLog {
 public:
  /// Errors: invalid_argument (a seed that is not 32 bytes, an origin that cannot be a key name).
  static Result<std::unique_ptr<AuditLog>> create(std::string_view seed, AuditLogOptions options = {});

  Result<> has_room() const override { return publisher_ ? publisher_->has_room() : Result<>(); }
  void encode(std::string& out, LeafIndex index, const store::LeafDraft& draft) override;
  void committed(std::string bundle) override {
    if (publisher_) publisher_->add(std::move(bundle));
  }
  std::optional<store::StoredTreeHead> take_head(std::uint64_t wait_for) override;
  /// Errors: corrupt (the leaves do not lead to the last tree head, stored or shown, or it is signed with another key),
  /// conflict (the log has another name).
  Result<> open(std::uint64_t size, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                std::optional<std::string> last_tree_head) override;

  const NoteVerifier& verifier() const { return signer_.verifier(); }
  /// Leaves under the newest tree head. REQUIRES open(), and that it signs.
  std::uint64_t shown() const { return publisher_->shown(); }
  /// Null: none configured. REQUIRES open().
  const Witnesses* witnesses() const { return witnesses_.get(); }
  const Timestamps* timestamps() const { return timestamps_.get(); }

 private:
  using LeafAt = std::function<Result<std::string>(LeafIndex)>;
  AuditLog(NoteSigner signer, AuditLogOptions options) : signer_(std::move(signer)), options_(std::move(options)) {}
  Result<std::vector<TreeHead>> promised(const std::optional<std::string>& stored, const TileFiles* files) const;
  Result<TileEdge> replay(TileEdge edge, std::uint64_t size, const LeafAt& leaf_at,
                          const std::vector<TreeHead>& promised) const;

  const NoteSigner signer_;
  const AuditLogOptions options_;
  std::optional<std::uint64_t> taken_size_;
  std::unique_ptr<Publisher> publisher_;  ///< null: nothing is signed
  std::unique_ptr<Witnesses> witnesses_;
  std::unique_ptr<Timestamps> timestamps_;
};

}  // namespace sb::audit
