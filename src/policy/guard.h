/// Applies a policy to a text: finds, decides, replaces. The one place where findings become actions; JSON and streams
/// build on it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/guards/checked_text.h"
#include "policy/policy.h"
#include "policy/vault.h"

namespace sb::policy {

/// What is to be done with the whole text, the gravest last.
enum class Verdict : std::uint8_t {
  allow,    ///< unchanged
  changed,  ///< go on with the new text
  local,    ///< the same, and only to a model of our own
  human,    ///< a person decides first
  block,    ///< stop
};
std::string_view to_string(Verdict verdict);

/// Which texts of a document may be pieces of JSON texts, as in the chunks of a stream.
enum class JsonPieces : std::uint8_t {
  none,
  arguments,  ///< tool-call arguments
  all,        ///< answers too: the caller asked for JSON
};

/// How often findings of one kind were made.
struct FindingCount {
  std::string_view type;  ///< lives as long as the policy
  Action action = Action::allow;
  std::size_t count = 0;
};
void count_finding(std::vector<FindingCount>& counts, std::string_view type, Action action, std::size_t count = 1);

/// What a guard needs to know of its run. Borrowed for the call (for a stream: for its life).
struct GuardContext {
  Direction direction = Direction::inbound;
  std::string_view tenant;      ///< part of every keyed hash: the same value differs between tenants
  std::string_view tenant_key;  ///< 32 bytes, for HMAC-SHA256
  TokenVault& vault;
  /// Outbound: put values back where their placeholders stand. Inbound: that this will be done for the caller, so that
  /// placeholders that he wrote himself must come back as they were.
  bool restore = true;
  std::uint64_t rules = kAllRules;            ///< of Policy::rules_for: those that speak of this run
  std::uint64_t checks = kAllRules;           ///< of Policy::checks_for
  JsonPieces json_pieces = JsonPieces::none;  ///< what is restored there must not break the JSON around it
  bool escape_restored = false;               ///< the text at hand is such a piece
  bool prose = true;  ///< the text at hand is no program's name, in which the tagger's findings would be none
  std::vector<FindingCount> unrecorded{};  ///< findings beyond kMaxRecordedFindings of a text; filled by the guards
  /// Values in the vault when this document came: set by guard_text and guard_json; a document in pieces comes with its
  /// context.
  std::size_t known_before = vault.size();
  std::vector<std::string>* placeholders =
      nullptr;                                ///< those that stand in the text are put here, as normal_token has them
  std::vector<CheckedText>* texts = nullptr;  ///< JSON: what a policy's checks look at is put here
};

/// A finding as it is recorded: where, what, what was done, and a keyed hash that lets one say "the same value again".
struct GuardedFinding {
  Finding finding;  ///< byte offsets into the text before the change; in JSON into the unescaped leaf
  Action action = Action::allow;
  std::string_view rule;              ///< the policy rule's name; empty where none applied
  std::array<char, 16> value_hash{};  ///< hex, first 64 bits of HMAC-SHA256(key, tenant, type, same_value)

  std::string_view hash_text() const { return {value_hash.data(), value_hash.size()}; }
};

/// Whether what stands for these values may stand for other values, too: names of JSON members may be alike then.
bool may_be_alike(std::span<const GuardedFinding> findings);

struct GuardResult {
  Verdict verdict = Verdict::allow;
  std::string text;  ///< the new text, also where nothing changed
  std::vector<GuardedFinding> findings;
};

/// Inbound text is cleaned; outbound text is cleaned and has its placeholders restored. Values that a placeholder
/// brings back are the caller's own and not looked at again. Pure but for the vault, which learns new placeholders.
/// Errors: internal (a detector failed; nothing may pass), too_large (kMaxTextBytes, or the vault is full).
Result<GuardResult> guard_text(const Policy& policy, GuardContext& context, std::string_view text,
                               std::string_view label = {});

/// Placeholders back to values, nothing else. Values that were encrypted stay so: see sealed_value.h.
std::string restore_text(const TokenVault& vault, std::string_view text);

inline constexpr std::size_t kMaxTextBytes = 64U << 20;
/// Findings beyond this many of a text are treated like the others, but no longer recorded one by one: see
/// GuardContext::unrecorded.
inline constexpr std::size_t kMaxRecordedFindings = 10'000;
/// Of a longer value (an open-ended key), only so much is hashed and masked; it is never kept for restoring.
inline constexpr std::size_t kMaxKnownValueBytes = TokenVault::kMaxValueBytes + 1;

/// The shared inner step: appends to `out` what stands for `value` and to `findings` what is recorded. Returns what the
/// text's verdict becomes at least. Errors: too_large (the vault is full).
Result<Verdict> apply_finding(const Policy& policy, GuardContext& context, const Finding& finding,
                              std::string_view value, std::string& out, std::vector<GuardedFinding>& findings);

/// What the policy's rules make of findings in this run, for Scanner::scan. Borrows both.
Scanner::Weigh weigh_by(const Policy& policy, const GuardContext& context);

/// Records a finding that leaves the text alone, or that is `beside` another and would. Returns what the text's verdict
/// becomes at least.
Verdict record_untouched(const Policy& policy, GuardContext& context, const Finding& finding, std::string_view value,
                         std::vector<GuardedFinding>& findings);

/// Memory that a guard reuses between the texts of one document.
struct GuardScratch {
  ScanResult scan;
  std::string text;
};

/// The same as guard_text without copies: where the result is `allow`, `scratch.text` is meaningless. The first `said`
/// bytes are out already: what is found in them alone is passed over, and `scratch.text` has what stands behind them,
/// nothing of it where a value that may not be said goes on there.
Result<Verdict> guard_into(const Policy& policy, GuardContext& context, std::string_view text, std::string_view label,
                           GuardScratch& scratch, std::vector<GuardedFinding>& findings, std::size_t said = 0);

}  // namespace sb::policy
