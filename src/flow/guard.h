/// The policy as the engine puts it around a run: one session a run, one placeholder vault a session.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/record_writer.h"
#include "flow/data.h"
#include "policy/chat_stream_guard.h"
#include "policy/chat_stream_restorer.h"
#include "policy/guards/json_schema.h"
#include "policy/json_guard.h"
#include "policy/policy.h"
#include "triage/router.h"

namespace sb::flow {

/// Where a run fails whose input the policy blocks.
inline constexpr std::string_view kInboundGuard = "/use/extensions/guard/before";

/// What a guard decided about one document.
struct GuardOutcome {
  Data content;  ///< policed
  policy::Verdict verdict = policy::Verdict::allow;
  RecordJson decision;                  ///< {kind, chosen, findings, versions}
  std::vector<std::string_view> types;  ///< of the findings, each once; live as long as the policy
  std::vector<std::string> objections;  ///< "check NAME: label" of checks that object; a member that cannot be changed
  std::string param;                    ///< that member
  /// Types and objections, for the refusal.
  std::string reasons() const;
  bool misformed = false;  ///< a check of the form objects
  std::string repair;      ///< what the model got wrong and may correct once; empty: nothing, or not to be repaired
};

/// Whose run it is, and what its caller may see.
struct GuardSubject {
  std::string tenant;
  std::string key;
  std::string flow;
  std::string model;
  std::span<const std::string> reach{};  ///< what it may come to (Catalog::reach)
  bool may_restore = true;               ///< false: the caller gets placeholders, as the model and the store do
};

/// The guard over the deltas of one streamed answer. The session it came from outlives it.
class StreamSession {
 public:
  StreamSession(const policy::Policy& policy, policy::GuardContext context)
      : context_(context), guard_(policy, context_) {}
  StreamSession(const StreamSession&) = delete;

  policy::ChatStreamGuard& guard() { return guard_; }
  const std::vector<policy::FindingCount>& unrecorded() const { return context_.unrecorded; }

 private:
  policy::GuardContext context_;  // the guard refers to it
  policy::ChatStreamGuard guard_;
};

/// Guards everything that enters or leaves one run. Movable; one shard.
class GuardSession {
 public:
  /// `scorer`: null where none is configured; outlives the session.
  GuardSession(std::shared_ptr<const policy::Policy> policy, GuardSubject subject, std::string tenant_key,
               const policy::InjectionScorer* scorer = nullptr);

  /// Outbound text keeps its placeholders: values come back only for the caller, by `restore`. `given`: to a service,
  /// whose answer this is; for the decision.
  /// Errors: invalid_argument, too_large (the document), internal (a detector failed: nothing may pass).
  Result<GuardOutcome> inspect(policy::Direction direction, std::string text, policy::JsonProfile profile,
                               const RecordJson& given = {});
  /// REQUIRES before a decision is made: the run's data key. A decision says of a value only which others of the run it
  /// equals, and once the key is gone nobody can tell whether it was a certain one.
  void tie_hashes_to(std::string_view run_key);
  /// Of the policy that decides.
  std::string_view policy_version() const { return std::string_view(policy_->hash()).substr(0, 16); }
  /// Of something inside the run, which has no shape that checks know: what the rules say. Errors: as `inspect`.
  Result<GuardOutcome> treat(policy::Direction direction, std::string text);

  /// Puts the values back for a caller who may see them.
  std::string restore(std::string_view json) const;
  std::string restore_plain(std::string_view text) const;  ///< of a text that is no JSON
  /// For the payloads of a streamed answer, from its first on; null where there will be nothing to restore. The session
  /// outlives it.
  std::unique_ptr<policy::ChatStreamRestorer> stream_restorer() const;
  /// False: `restore` changes nothing.
  bool restores() const { return subject_.may_restore && !vault_->empty(); }

  /// Something in the request may be seen by models of our own alone.
  bool needs_local() const { return needs_local_; }
  /// What it was given came from a run whose texts are so.
  void keep_local() { needs_local_ = true; }
  bool may_restore() const { return subject_.may_restore; }
  /// Of the types that a service is trusted with those that the policy lets it have, of what this caller may see.
  std::vector<std::string> may_give(std::vector<std::string> types) const;
  /// The decision of a call that failed after it gave values to a service.
  RecordJson given_decision(const RecordJson& given) const;
  /// What goes to a model may be changed or stopped: what cannot be looked at cannot go.
  bool treats_requests() const;
  /// A check must see an answer whole before anybody does.
  bool holds_answers() const { return checks_out_ && !policy_->log_only(); }
  /// Whether a rule or a check speaks of some models alone.
  bool asks_for_the_model() const;
  /// Whether what the run was given has been held against all rules and checks that speak of these models.
  bool was_held_against(std::span<const std::string> models) const;
  policy::TokenVault& vault() { return *vault_; }
  /// Placeholders stand for something.
  bool vault_used() const { return !vault_->empty(); }
  const std::string& policy_hash() const { return policy_->hash(); }

  /// Checks that somebody outside decides, over the texts of the last document; asked once.
  struct Outside {
    policy::Direction direction = policy::Direction::inbound;
    std::vector<std::shared_ptr<const policy::Check>> checks;
    std::vector<std::string> texts;
  };
  Outside take_outside(policy::Direction direction) {
    return outside_.direction == direction ? std::exchange(outside_, {}) : Outside();
  }
  /// What came of it: the verdict, and its decision for the record.
  policy::Verdict conclude(policy::Direction direction, const std::vector<policy::CheckResult>& results,
                           RecordJson& decision);

  /// Deltas are policed as they come and keep their placeholders, each whole within one delta: what is recorded is
  /// this, what the caller hears is `restore` of it.
  std::unique_ptr<StreamSession> stream();
  /// The decision of a finished stream, as `inspect` would tell it.
  RecordJson stream_decision(StreamSession& stream) const;

  std::string vault_json() const;  ///< empty: nothing to restore
  Result<> load_vault(std::string_view json);

  /// What triage looks at. Views: valid until the session is used again.
  triage::RouteQuery route_query() const;
  const std::string& last_user_text() const { return last_user_text_; }
  /// Before a long wait: the text is not kept beside the request that it is a part of...
  void let_go_of_user_text();
  /// ...and is read from that, as it was guarded, where it is wanted once more.
  void recall_user_text(std::string_view request);
  /// For a run that is taken up again: the features of a request that was guarded before.
  void read_request(const std::string& request);
  /// What is known of the request that the run was given, kept while the flow asks something else.
  struct Request {
    policy::RequestFeatures features;
    std::string last_user_text;
    bool let_go = false;
    std::vector<std::string_view> inbound_types;
    std::vector<std::string> known_types;
    std::size_t bytes = 0;
    std::shared_ptr<const policy::JsonSchema> schema;
  };
  void set_aside();
  void take_back();
  /// Types of the findings in the request that the run was given, set aside or not.
  const std::vector<std::string_view>& given_types() const { return aside_ ? aside_->inbound_types : inbound_types_; }
  /// Types of the findings in the request; a run that is taken up again is told them.
  const std::vector<std::string_view>& inbound_types() const { return inbound_types_; }
  void set_inbound_types(std::vector<std::string> types);

 private:
  policy::GuardContext context(policy::Direction direction, bool restore) const;
  /// Which texts of an answer the caller takes for JSON.
  policy::JsonPieces json_pieces() const {
    return features_.wants_json ? policy::JsonPieces::all : policy::JsonPieces::arguments;
  }
  Result<GuardOutcome> guard(policy::Direction direction, std::string text, policy::JsonProfile profile,
                             bool with_checks, const RecordJson& given);
  /// What was found: one by one, and what was only counted; and what was given away.
  struct Found {
    std::span<const policy::GuardedFinding> one_by_one;
    std::span<const policy::FindingCount> counted;
    const RecordJson* given = nullptr;  ///< null or empty: nothing
  };
  RecordJson decision_json(policy::Verdict verdict, const Found& found, policy::Direction direction,
                           const std::vector<policy::CheckResult>& checks) const;
  std::string recorded_hash(const policy::GuardedFinding& found) const;
  std::vector<policy::CheckResult> check(policy::Direction direction, const std::vector<policy::CheckedText>& texts,
                                         GuardOutcome& outcome) const;
  void note_outside(policy::Direction direction, std::vector<policy::CheckedText> texts);
  void read_requested_schema(const Data& request);

  std::shared_ptr<const policy::Policy> policy_;
  GuardSubject subject_;
  std::string tenant_key_;
  std::string hash_key_;
  const policy::InjectionScorer* scorer_;
  std::uint64_t rules_ = policy::kAllRules;
  std::uint64_t checks_ = policy::kAllRules;
  bool checks_in_ = false, checks_out_ = false;  // whether the policy has any
  bool tokenises_out_ = false;                   // answers may bring values with a placeholder
  Outside outside_;
  bool needs_local_ = false;
  std::shared_ptr<const policy::JsonSchema> requested_schema_;
  std::unique_ptr<policy::TokenVault> vault_;  // stable address: stream guards refer to it
  policy::RequestFeatures features_;
  std::string last_user_text_;
  bool let_go_ = false;  // of that text
  std::vector<std::string_view> inbound_types_;
  std::vector<std::string> known_types_;  // what inbound_types_ refers to in a run that was taken up again
  std::size_t request_bytes_ = 0;
  std::optional<Request> aside_;
};

}  // namespace sb::flow
