/// The versions of the data policy: which one is in force, which wait for a second person, who wrote and approved them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/change_gate.h"
#include "base/clock.h"
#include "flow/sealer.h"
#include "keys/key.h"
#include "keys/pseudonym.h"
#include "policy/policy.h"
#include "store/store.h"

namespace sb::api {

enum class PolicyState : std::uint8_t { pending, active, retired };
std::string_view to_string(PolicyState state);

struct PolicyVersion {
  std::string hash;  ///< of the document; its identity
  std::string name;
  std::int64_t version = 0;
  PolicyState state = PolicyState::pending;
  std::string author;    ///< id of the key that published it; "file": the configuration's file
  std::string approver;  ///< empty: nobody was asked
  Micros created_us = 0;
};

/// What the configuration asks of versions that come by the API.
struct PublishRules {
  bool two_people = false;               ///< in force only when somebody other than its author approved it
  std::vector<std::string> guard_hosts;  ///< "host" or "host:port" that its `http` checks may send texts to
};

/// Requests that are in work keep the policy they began with; those that come later get the new one. What is published
/// is on disk, with its leaf in the record, before it is in force. Shared by all shards; thread-safe.
class PolicyBook {
 public:
  PolicyBook(store::Store& store, const flow::Sealer& sealer, const Clock& clock, ChangeGate& changes,
             Pseudonyms pseudonyms, PublishRules rules)
      : store_(store),
        sealer_(sealer),
        clock_(clock),
        changes_(changes),
        pseudonyms_(std::move(pseudonyms)),
        rules_(std::move(rules)) {}

  std::shared_ptr<const policy::Policy> current() const;
  std::vector<PolicyVersion> versions() const;  ///< newest first

  /// At start, with the configuration's own document: the version that was in force before; a document that was changed
  /// since then is taken as by `reload`. What a new data directory starts with asks nobody. On a full disk a changed
  /// document waits for the next start. Errors: invalid_argument (the document), not_found (with two people: the
  /// version that was in force is not kept), corrupt, and as the store's.
  Task<Result<>> open(std::string text, std::string origin);

  /// The configuration's document was read again. The same as before: nothing happens. With two people it waits for
  /// approval like any other.
  Task<Result<>> reload(std::string text, std::string origin);

  /// Errors: invalid_argument (the document, with line and column), permission_denied (a check asks a host that the
  /// configuration does not name), unavailable (another change is being written).
  Task<Result<PolicyVersion>> publish(std::string text, std::string author);
  /// `keys`: all there are. Errors: not_found, conflict (it does not wait), permission_denied (its author, a key of the
  /// same person as far as the keys' makers tell, or one that is younger than the version: its author may have made it
  /// for this).
  Task<Result<PolicyVersion>> approve(std::string hash, std::string approver, std::vector<KeyRecord> keys);
  /// The document as it was written. Errors: not_found.
  Task<Result<std::string>> text_of(std::string hash) const;

 private:
  struct Book {
    std::vector<PolicyVersion> versions;
    std::string file_hash;  ///< of the configuration's document when this was written
  };
  Task<Result<>> begin(std::shared_ptr<const policy::Policy> file, std::string text);
  Task<Result<>> take_file(std::shared_ptr<const policy::Policy> file, std::string text);
  Task<Result<PolicyVersion>> add(std::shared_ptr<const policy::Policy> policy, std::string text, std::string author,
                                  std::string file_hash);
  /// `before`: hash of the version that is in force until then; empty: none.
  Task<Result<>> write(Book book, const PolicyVersion& changed, std::string_view kind, std::string text,
                       std::string before);
  static void make_active(Book& book, std::string_view hash);
  Result<> check_hosts(const policy::Policy& policy) const;

  store::Store& store_;
  const flow::Sealer& sealer_;
  const Clock& clock_;
  ChangeGate& changes_;
  const Pseudonyms pseudonyms_;
  const PublishRules rules_;
  mutable std::mutex mutex_;  // over what follows
  std::shared_ptr<const policy::Policy> current_;
  Book book_;
};

}  // namespace sb::api
