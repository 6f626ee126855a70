/// A verifier that doubts answers which hedge, and trusts the others; for tests.
#pragma once

#include <memory>
#include <string>

#include "triage/verifier.h"

namespace sb::triage {

inline constexpr std::string_view kHedged = "It depends, I assume it is unclear.";
inline constexpr std::string_view kPlain = "It is on the second floor.";

inline std::vector<OutcomeRow> hedging_rows(std::size_t count) {
  std::vector<OutcomeRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const bool hedged = i % 2 == 0;
    auto row = outcome_row(nullptr, "question number " + std::to_string(i * 37 % 101),
                           std::string(hedged ? kHedged : kPlain) + (i % 3 == 0 ? " Thank you." : ""));
    row.strong_ok = true;
    row.weak_ok = !hedged;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The file. Learnt once.
inline const std::string& test_verifier_bytes() {
  static const std::string bytes = encode_verifier(
      {.model = OutcomeModel::fit(hedging_rows(120)), .gain_over = 0.5, .target = {.quality = 0.9}, .rows = 120});
  return bytes;
}

inline std::shared_ptr<const Verifier> test_verifier() {
  return *Verifier::from_bytes(test_verifier_bytes(), std::nullopt);
}

}  // namespace sb::triage
