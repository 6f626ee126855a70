#include "audit/log.h"

#include <fmt/format.h>

#include "audit/leaf.h"

namespace sb::audit {

Result<std::unique_ptr<AuditLog>> AuditLog::create(std::string_view seed, const Clock& clock, AuditLogOptions options) {
  SB_TRY(SigningKey key, SigningKey::from_seed(seed));
  if (options.origin.empty()) options.origin = default_origin(key.public_key());
  if (options.origin.find_first_of(" +\t\r\n") != std::string::npos) {
    return fail(Errc::invalid_argument, "the audit log's origin must not hold blanks or plus signs", "audit.origin");
  }
  NoteSigner signer(std::move(options.origin), std::move(key));
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(signer), clock, options.head_every));
}

std::string AuditLog::encode(LeafIndex index, const store::LeafDraft& draft) {
  return encode_leaf(index, draft);
}

std::string AuditLog::sign_head() {
  head_at_ = clock_.steady();
  return signer_.sign(tree_head_text({signer_.verifier().name(), range_.size(), range_.root()}));
}

std::optional<std::string> AuditLog::append(LeafIndex first, const std::vector<std::string>& leaves) {
  const auto size = static_cast<std::uint64_t>(first);
  if (size != range_.size()) {
    // The group before this one did not reach the disk: what it added is taken back.
    SB_ASSERT(size == before_.size());
    range_ = before_;
  }
  if (leaves.empty()) return sign_head();
  before_ = range_;
  for (const std::string& leaf : leaves) range_.append(leaf_hash(leaf));
  if (head_at_ && clock_.steady() - *head_at_ < head_every_) return std::nullopt;
  return sign_head();
}

void AuditLog::restore(std::uint64_t size, std::string_view summary) {
  restored_ = CompactRange::parse(size, summary);
}

Result<> AuditLog::open(std::uint64_t size, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                        std::optional<std::string> last_tree_head) {
  TreeHead head;
  if (last_tree_head) {
    auto opened = open_tree_head(*last_tree_head, verifier());
    if (!opened) {
      return fail(Errc::corrupt, fmt::format("the record was not signed with this data directory's key ({}); restore "
                                             "keys/audit.seed, or the database that belongs to it",
                                             opened.error().detail));
    }
    head = *std::move(opened);
  }
  const auto does_not_fit = [&] {
    return fail(Errc::corrupt,
                fmt::format("the audit log does not lead to its tree head at {} leaves; run `signalbox audit verify`",
                            head.size));
  };
  range_ = CompactRange();
  // A summary that leads to the signed root is as good as the leaves it stands for; any other is not looked at.
  if (last_tree_head && restored_ && restored_->size() == head.size && restored_->root() == head.root)
    range_ = *restored_;
  restored_.reset();
  if (head.size > size) return does_not_fit();
  while (range_.size() < size) {
    SB_TRY(const std::string leaf, leaf_at(static_cast<LeafIndex>(range_.size())));
    range_.append(leaf_hash(leaf));
    if (last_tree_head && range_.size() == head.size && range_.root() != head.root) return does_not_fit();
  }
  before_ = range_;
  return {};
}

}  // namespace sb::audit
