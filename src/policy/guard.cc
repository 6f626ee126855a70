#include "policy/guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crypto.h"
#include "policy/detect/bytes_class.h"
#include "policy/same_value.h"
#include "policy/sealed_value.h"
#include "policy/tagger/tagger_detector.h"

namespace sb::policy {
namespace {

constexpr std::string_view kSpelling = "spelling";  // no type: those are capitals

std::array<char, 16> keyed_hash(const GuardContext& context, std::string_view type, std::string_view value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  // Lengths are unambiguous: neither tenants nor types hold a NUL.
  std::string message;
  message.reserve(context.tenant.size() + type.size() + value.size() + 2);
  message.append(context.tenant).append(1, '\0').append(type).append(1, '\0').append(value);
  const Digest digest = hmac_sha256(context.tenant_key, message);
  std::array<char, 16> hex;
  for (std::size_t i = 0; i < 8; ++i) {
    hex[2 * i] = kDigits[digest[i] >> 4];
    hex[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return hex;
}

// All spellings of a value begin alike; what comes back for a placeholder is the spelling that it was made for.
std::string tenant_tag(const GuardContext& context, std::string_view type, std::string_view value,
                       std::string_view hash) {
  static constexpr std::size_t kOfValue = 8;
  const auto spelt = keyed_hash(context, kSpelling, fmt::format("{}:{}", type, value));
  return fmt::format("{}{}", hash.substr(0, kOfValue),
                     std::string_view(spelt.data(), TokenVault::kTenantTagBytes - kOfValue));
}

// A stream cannot keep more of an open-ended value; so that whole texts give the same, they do not look further either.
std::string_view clipped(std::string_view value) {
  return value.substr(0, kMaxKnownValueBytes);
}
bool is_known(std::string_view value) {
  return value.size() < kMaxKnownValueBytes;
}

// '*' for every letter and digit, but for the last `most` of them, of a short value for half of them; marks and blanks
// show the shape.
void append_masked(std::string& out, std::string_view value, int most) {
  const auto shown = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  auto left = std::ranges::count_if(
      value, [&](char c) { return is_a(static_cast<unsigned char>(c), kDigit | kUpper | kLower | kHigh) && shown(c); });
  const auto keep = std::min<decltype(left)>(most, left / 2);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (!is_a(byte, kDigit | kUpper | kLower | kHigh)) {
      out += value[i];
    } else if (!shown(value[i])) {
      if (left < keep) out += value[i];  // goes with its lead byte
    } else {
      const bool keeps = left <= keep;
      out += keeps ? value[i] : '*';
      --left;
    }
  }
}

// Of a text in which it is done to a finding that stays as it is.
Verdict verdict_of(Action action) {
  if (action == Action::block) return Verdict::block;
  if (action == Action::route_to_human) return Verdict::human;
  return action == Action::route_to_local ? Verdict::local : Verdict::allow;
}

Result<Verdict> append_replacement(GuardContext& context, const Rule& rule, const Finding& finding,
                                   std::string_view value, const GuardedFinding& recorded, std::string& out) {
  switch (rule.action) {
    case Action::allow:
    case Action::route_to_local:
      break;  // left alone: does not come here
    case Action::mask:
      append_masked(out, value, rule.keep_last);
      return Verdict::changed;
    case Action::replace:
      out += rule.with;
      return Verdict::changed;
    case Action::hash:
      fmt::format_to(std::back_inserter(out), "[{}:{}]", finding.type, recorded.hash_text());
      return Verdict::changed;
    case Action::tokenise:
      if (value.size() <= TokenVault::kMaxValueBytes) {
        SB_TRY(const auto token, rule.tenant_wide ? context.vault.tenant_token_for(
                                                        finding.type, value,
                                                        tenant_tag(context, finding.type, value, recorded.hash_text()))
                                                  : context.vault.token_for(finding.type, value));
        out += token;
        return Verdict::changed;
      }
      break;  // too long to be kept for restoring: taken out for good
    case Action::redact:
      break;
    case Action::encrypt:
      if (value.size() > TokenVault::kMaxValueBytes) break;  // clipped: what is lost is not sealed
      out += seal_value(context.tenant_key, finding.type, value);
      return Verdict::changed;
    case Action::route_to_human:
      fmt::format_to(std::back_inserter(out), "[{}]", finding.type);
      return Verdict::human;
    case Action::block:
      fmt::format_to(std::back_inserter(out), "[{}]", finding.type);
      return Verdict::block;
  }
  fmt::format_to(std::back_inserter(out), "[{}]", finding.type);
  return Verdict::changed;
}

void record(GuardContext& context, const GuardedFinding& found, std::vector<GuardedFinding>& findings) {
  if (findings.size() < kMaxRecordedFindings)
    findings.push_back(found);
  else
    count_finding(context.unrecorded, found.finding.type, found.action);
}

Result<Verdict> apply_placeholder(GuardContext& context, std::string_view token, std::string& out) {
  const auto* restored = context.vault.value_of(token);
  const bool inbound = context.direction == Direction::inbound;
  const auto note = [&](std::string_view stands) {
    if (context.placeholders) context.placeholders->push_back(normal_token(stands));
  };
  if (inbound && !restored) SB_CHECK(context.vault.reserve(token));
  if (restored && !inbound && context.restore) {
    note(token);
    if (context.escape_restored)
      append_json_escaped(out, *restored);
    else
      out += *restored;
    return Verdict::changed;
  }
  // A document that says "[EMAIL_1]" itself, behind the value that got this placeholder: its words get one, too.
  if (inbound && context.restore && context.vault.is_newer(token, context.known_before)) {
    SB_TRY(const auto own, context.vault.token_for(kPlaceholderType, token));
    note(own);
    out += own;
    return Verdict::changed;
  }
  note(token);
  out += token;
  return Verdict::allow;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::allow:
      return "allow";
    case Verdict::changed:
      return "changed";
    case Verdict::local:
      return "local";
    case Verdict::human:
      return "human";
    case Verdict::block:
      return "block";
  }
  return "block";
}

void count_finding(std::vector<FindingCount>& counts, std::string_view type, Action action, std::size_t count) {
  const auto same = [&](const FindingCount& one) { return one.type == type && one.action == action; };
  const auto found = std::ranges::find_if(counts, same);
  if (found == counts.end())
    counts.push_back({type, action, count});
  else
    found->count += count;
}

bool may_be_alike(std::span<const GuardedFinding> findings) {
  return std::ranges::any_of(findings, [](const GuardedFinding& found) {
    return found.action == Action::mask || found.action == Action::redact || found.action == Action::replace;
  });
}

Result<Verdict> apply_finding(const Policy& policy, GuardContext& context, const Finding& finding,
                              std::string_view value, std::string& out, std::vector<GuardedFinding>& findings) {
  if (finding.type == kPlaceholderType) return apply_placeholder(context, value, out);
  const Rule* rule = policy.rule_for(context.direction, finding, context.rules);
  if (!rule || (is_known(value) && Policy::is_allowed(*rule, value))) {
    out += value;
    return Verdict::allow;
  }
  const auto known = clipped(value);
  GuardedFinding recorded{finding, rule->action, rule->name,
                          keyed_hash(context, finding.type, same_value(finding.type, known))};
  record(context, recorded, findings);
  if (policy.log_only()) {
    out += value;
    return Verdict::allow;
  }
  return append_replacement(context, *rule, finding, known, recorded, out);
}

Scanner::Weigh weigh_by(const Policy& policy, const GuardContext& context) {
  return [&policy, &context](const Finding& finding, std::string_view value) -> std::optional<Scanner::Weighed> {
    if (finding.type == kPlaceholderType) return Scanner::Weighed{Weight::acts};
    if (!context.prose && finding.detector == kTaggerName) return std::nullopt;
    const Rule* rule = policy.rule_for(context.direction, finding, context.rules);
    if (!rule) return std::nullopt;
    // Of what goes on behind its window the value is not known yet.
    const bool passes = finding.tail == Tail::none && is_known(value) && Policy::is_allowed(*rule, value);
    if (passes || rule->action == Action::allow) return Scanner::Weighed{};
    if (rule->action == Action::route_to_local) return Scanner::Weighed{Weight::routes};
    return Scanner::Weighed{Weight::acts, verdict_of(rule->action) >= Verdict::human};
  };
}

Verdict record_untouched(const Policy& policy, GuardContext& context, const Finding& finding, std::string_view value,
                         std::vector<GuardedFinding>& findings) {
  const Rule* rule = policy.rule_for(context.direction, finding, context.rules);
  if (!rule || (finding.beside && !finding.stops && rule->action != Action::allow)) return Verdict::allow;
  if (is_known(value) && Policy::is_allowed(*rule, value)) return Verdict::allow;
  record(
      context,
      {finding, rule->action, rule->name, keyed_hash(context, finding.type, same_value(finding.type, clipped(value)))},
      findings);
  return policy.log_only() ? Verdict::allow : verdict_of(rule->action);
}

Result<Verdict> guard_into(const Policy& policy, GuardContext& context, std::string_view text, std::string_view label,
                           GuardScratch& scratch, std::vector<GuardedFinding>& findings, std::size_t said) {
  if (text.size() > kMaxTextBytes)
    return fail(Errc::too_large, fmt::format("a text has at most {} bytes", kMaxTextBytes));
  try {
    policy.scanner(context.direction).scan(text, {}, true, label, weigh_by(policy, context), scratch.scan);
  } catch (...) {
    // What it says may hold what it saw: its words stay out of ours.
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy.name()));
  }
  // What comes in comes whole, text behind text of one document. Answers may come as streams, many at once: each of
  // their texts remembers for itself.
  if (context.direction == Direction::outbound) scratch.scan.names.known.clear();
  Verdict verdict = Verdict::allow;
  if (scratch.scan.findings.empty()) return verdict;
  auto& out = scratch.text;
  out.clear();
  std::size_t at = said;
  bool goes_on = false;
  for (const Finding& finding : scratch.scan.findings) {
    if (finding.span.end <= said) continue;
    const auto value = text.substr(finding.span.begin, finding.span.size());
    if (finding.beside || finding.weight != Weight::acts) {
      verdict = std::max(verdict, record_untouched(policy, context, finding, value, findings));
      continue;
    }
    const std::size_t begin = std::max(finding.span.begin, said);
    out += text.substr(at, begin - at);
    const std::size_t before = out.size();
    SB_TRY(const Verdict one, apply_finding(policy, context, finding, value, out, findings));
    if (one == Verdict::allow)
      out.replace(before, std::string::npos, text, begin, finding.span.end - begin);
    else
      goes_on = goes_on || finding.span.begin < said;
    verdict = std::max(verdict, one);
    at = finding.span.end;
  }
  out += text.substr(at);
  if (goes_on) out.clear();
  return verdict;
}

Result<GuardResult> guard_text(const Policy& policy, GuardContext& context, std::string_view text,
                               std::string_view label) {
  GuardScratch scratch;
  GuardResult result;
  context.known_before = context.vault.size();
  SB_TRY(result.verdict, guard_into(policy, context, text, label, scratch, result.findings));
  result.text = result.verdict == Verdict::allow ? std::string(text) : std::move(scratch.text);
  return result;
}

std::string restore_text(const TokenVault& vault, std::string_view text) {
  if (vault.empty()) return std::string(text);
  ScanResult scan;
  Policy::restore_only().scanner(Direction::outbound).scan(text, {}, scan);
  std::string out;
  std::size_t at = 0;
  for (const auto& finding : scan.findings) {
    const auto* value = vault.value_of(text.substr(finding.span.begin, finding.span.size()));
    if (!value) continue;
    out += text.substr(at, finding.span.begin - at);
    out += *value;
    at = finding.span.end;
  }
  out += text.substr(at);
  return out;
}

}  // namespace sb::policy
