#include "policy/injection_families.h"

#include <fmt/format.h>

#include <ostream>
#include <set>

#include "policy/injection_measure.h"

namespace sb::policy {
namespace {

constexpr std::size_t kParts = 5;

// The same text is in the same part, wherever it stands.
std::size_t part_of(const FamilyText& text) {
  std::uint32_t hash = 0x811c9dc5U;
  for (const char c : text.text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  return (hash ^ hash >> 15) % kParts;
}

std::string told(std::string_view family, const Objections& seen) {
  return fmt::format("{:<16} {} of {} attacks found ({:.3f}), {} of {} others objected to ({:.3f})\n", family,
                     seen.found, seen.attacks, seen.recall(), seen.wrongly, seen.others, seen.false_positives());
}

}  // namespace

Result<> print_families(std::span<const FamilyText> texts, double target, const TrainScorer& train, std::ostream& out) {
  std::set<std::string_view> families;
  for (const auto& text : texts) {
    if (text.attack) families.insert(text.family);
  }
  Objections all;
  std::size_t part = 0;
  for (const auto family : families) {
    const auto is_left_out = [&](const FamilyText& text) {
      return text.attack ? text.family == family : part_of(text) == part;
    };
    std::vector<const FamilyText*> learnt;
    for (const auto& text : texts) {
      if (!is_left_out(text)) learnt.push_back(&text);
    }
    SB_TRY(const auto scorer, train(learnt));
    std::vector<ScoredText> scored;
    for (const auto& text : texts) {
      if (is_left_out(text)) scored.push_back({scorer->score(text.text), text.attack, false});
    }
    const auto seen = objections(scored, threshold_for(scored, target));
    out << told(family, seen);
    all = {all.attacks + seen.attacks, all.found + seen.found, all.others + seen.others, all.wrongly + seen.wrongly};
    part = (part + 1) % kParts;
  }
  out << told("all", all);
  return {};
}

}  // namespace sb::policy
