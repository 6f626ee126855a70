#include "policy/policy_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <ostream>
#include <set>

#include "base/bytes.h"
#include "policy/whole_guard.h"

namespace sb::policy {
namespace {

// The hashes are compared within one run alone, so any key will do.
constexpr std::string_view kNoKey = "00000000000000000000000000000000";

struct Outcome {
  Verdict verdict = Verdict::allow;
  std::string text;
  std::set<std::string> notes;  ///< "EMAIL 12-24 tokenise", "check size"
};

Result<Outcome> outcome_of(const Policy& policy, Direction direction, const RecordedText& recorded,
                           const InjectionScorer* scorer) {
  TokenVault vault;
  GuardContext context{direction, {}, kNoKey, vault};
  auto whole = guard_whole(policy, context, recorded.content, recorded.is_chat, scorer);
  if (!whole && whole.error().code == Errc::invalid_argument) {
    TokenVault fresh;
    GuardContext as_text{direction, {}, kNoKey, fresh};
    whole = guard_whole(policy, as_text, recorded.content, false, scorer);
  }
  if (!whole) return std::unexpected(whole.error());
  Outcome outcome{whole->verdict, std::move(whole->text), {}};
  for (const auto& found : whole->findings) {
    outcome.notes.insert(fmt::format("{} {}-{} {}", found.finding.type, found.finding.span.begin,
                                     found.finding.span.end, to_string(found.action)));
  }
  for (const auto& name : whole->objections) outcome.notes.insert("check " + name);
  return outcome;
}

}  // namespace

Result<> PolicyDiff::compare(const RecordedText& recorded) {
  SB_TRY(const auto before, outcome_of(before_, direction_, recorded, scorer_));
  SB_TRY(const auto after, outcome_of(after_, direction_, recorded, scorer_));
  ++compared_;
  if (before.verdict == after.verdict && before.text == after.text && before.notes == after.notes) return {};
  ++changed_;
  std::string line = recorded.id + ":";
  if (before.verdict != after.verdict)
    line += fmt::format(" {} -> {}", to_string(before.verdict), to_string(after.verdict));
  for (const auto& note : before.notes) {
    if (!after.notes.contains(note)) line += " -[" + note + "]";
  }
  for (const auto& note : after.notes) {
    if (!before.notes.contains(note)) line += " +[" + note + "]";
  }
  if (before.notes == after.notes && before.verdict == after.verdict) line += " other text";
  out_ << line << '\n';
  return {};
}

void PolicyDiff::finish() {
  out_ << fmt::format("{} of {} would change\n", changed_, compared_);
}

Result<> diff_lines(PolicyDiff& diff, std::istream& in) {
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (trim(line).empty()) continue;
    const auto document = parse_json(line);
    if (!document || !document->is_object())
      return fail(Errc::invalid_argument, fmt::format("line {}: not a JSON object", number));
    RecordedText recorded;
    const auto* id = find_member(*document, "id");
    recorded.id = !id ? fmt::format("line {}", number) : id->is_string() ? std::string(id->get_string()) : to_text(*id);
    const auto* input = find_member(*document, "input");
    const auto* text = find_member(*document, "text");
    if (input) {
      recorded.content = to_text(*input);
      recorded.is_chat = true;
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
