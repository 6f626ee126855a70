#include "policy/policy_diff.h"

#include <fmt/format.h>

#include <istream>
#include <ostream>

#include "base/bytes.h"
#include "policy/whole_guard.h"

namespace sb::policy {
namespace {

// The hashes are compared within one run alone, so any key will do.
constexpr std::string_view kNoTenantKey = "00000000000000000000000000000000";

/// What a policy says of a finding, or a check of a text.
struct Said {
  std::string type;
  std::string rule;
  std::string action;
  std::size_t times = 0;  ///< a document has many leaves, and each may say it at the same place
};

struct Outcome {
  Verdict verdict = Verdict::allow;
  std::string text;
  std::map<std::string, Said> notes;  ///< by "EMAIL 12-24 tokenise", "check size"

  void note(std::string what, std::string_view type, std::string_view rule, Action action) {
    auto& said = notes[std::move(what)];
    if (said.times++ == 0) said = {std::string(type), std::string(rule), std::string(to_string(action)), 1};
  }
  std::size_t times(const std::string& what) const {
    const auto found = notes.find(what);
    return found == notes.end() ? 0 : found->second.times;
  }
};

Result<Outcome> outcome_of(const Policy& policy, const RecordedText& recorded, const InjectionScorer* scorer) {
  const auto guard = [&](std::optional<JsonProfile> profile) {
    TokenVault vault;
    GuardContext context{recorded.direction, recorded.subject ? recorded.subject->tenant : std::string_view(),
                         kNoTenantKey, vault};
    if (recorded.subject) {
      context.rules = policy.rules_for(*recorded.subject);
      context.checks = policy.checks_for(*recorded.subject);
    }
    return guard_whole(policy, context, recorded.content, profile, scorer);
  };
  auto whole = guard(recorded.profile);
  if (!whole && recorded.profile && whole.error().code == Errc::invalid_argument) whole = guard(std::nullopt);
  if (!whole) return std::unexpected(whole.error());
  Outcome outcome{whole->verdict, std::move(whole->text), {}};
  for (const auto& found : whole->findings) {
    const auto& [begin, end] = found.finding.span;
    outcome.note(fmt::format("{} {}-{} {}", found.finding.type, begin, end, to_string(found.action)),
                 found.finding.type, found.rule, found.action);
  }
  for (const auto* check : whole->objections) outcome.note("check " + check->name, "check", check->name, check->action);
  return outcome;
}

}  // namespace

Result<> PolicyDiff::compare(const RecordedText& recorded) {
  SB_TRY(const auto before, outcome_of(before_, recorded, scorer_));
  SB_TRY(const auto after, outcome_of(after_, recorded, scorer_));
  ++compared_;
  std::string line;
  if (before.verdict != after.verdict) {
    line += fmt::format(" {} -> {}", to_string(before.verdict), to_string(after.verdict));
    ++verdicts_[{recorded.direction, before.verdict, after.verdict}];
  }
  // What one of the two says oftener than the other.
  const auto tell = [&](const Outcome& more, const Outcome& less, char sign, std::size_t Count::* side) {
    for (const auto& [note, said] : more.notes) {
      const std::size_t known = less.times(note);
      if (known >= said.times) continue;
      line += fmt::format(" {}[{}]", sign, note);
      if (said.times - known > 1) line += fmt::format(" x{}", said.times - known);
      counts_[{recorded.direction, said.type, said.rule, said.action}].*side += said.times - known;
    }
  };
  tell(before, after, '-', &Count::before);
  tell(after, before, '+', &Count::after);
  if (line.empty() && before.text != after.text) line = " other text";
  if (line.empty()) return {};
  ++changed_;
  out_ << recorded.id << ':' << line << '\n';
  return {};
}

void PolicyDiff::finish() {
  for (const auto& [change, texts] : verdicts_) {
    const auto& [direction, from, to] = change;
    out_ << fmt::format("{} verdict {} -> {}: {}\n", to_string(direction), to_string(from), to_string(to), texts);
  }
  for (const auto& [what, count] : counts_) {
    const auto& [direction, type, rule, action] = what;
    out_ << fmt::format("{} {} by rule {}, {}: {} -> {}\n", to_string(direction), type, rule.empty() ? "-" : rule,
                        action, count.before, count.after);
  }
  out_ << fmt::format("{} of {} would change\n", changed_, compared_);
}

Result<> diff_lines(PolicyDiff& diff, Direction direction, std::istream& in) {
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (trim(line).empty()) continue;
    const auto document = parse_json(line);
    if (!document || !document->is_object())
      return fail(Errc::invalid_argument, fmt::format("line {}: not a JSON object", number));
    RecordedText recorded;
    recorded.direction = direction;
    const auto* id = find_member(*document, "id");
    recorded.id = !id ? fmt::format("line {}", number) : id->is_string() ? std::string(id->get_string()) : to_text(*id);
    const auto* input = find_member(*document, "input");
    const auto* text = find_member(*document, "text");
    if (input) {
      recorded.content = to_text(*input);
      recorded.profile = direction == Direction::inbound ? JsonProfile::chat_request : JsonProfile::chat_response;
    } else if (text && text->is_string()) {
      recorded.content = std::string_view(text->get_string());
    } else {
      return fail(Errc::invalid_argument, fmt::format("line {}: needs \"text\" or \"input\"", number));
    }
    if (const auto compared = diff.compare(recorded); !compared)
      return fail(compared.error().code, fmt::format("line {}: {}", number, compared.error().detail));
  }
  return {};
}

}  // namespace sb::policy
