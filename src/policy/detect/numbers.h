/// The classifiers that share the digits of a text: each is asked about the place where a group of digits begins.
#pragma once

#include <string_view>
#include <vector>

#include "policy/detect/bytes_class.h"
#include "policy/detect/token_run.h"
#include "policy/detector.h"

namespace sb::policy {

/// Each appends at most one finding a type for what begins at `run.groups[0]`.
void classify_card(ScanWindow& window, const TokenRun& run, Findings& out);
/// Cards whose four groups of four stand in a table's cells, between bold marks, slashes: "| 4111 | 1111 | 1111 | 1111
/// |".
void classify_marked_card(ScanWindow& window, std::size_t at, Findings& out);
/// `start`: where two letters stand before a digit.
void classify_iban(ScanWindow& window, std::size_t start, Findings& out);
void classify_identifiers(ScanWindow& window, const TokenRun& run, Findings& out);
/// "patient id AHC-0933289": a word that says what follows, and something with a digit.
void classify_named(ScanWindow& window, const TokenRun& run, Findings& out);
/// `start`: where an opening "+", "(" before the first digit stands; the first digit itself where there is none.
void classify_phone(ScanWindow& window, const TokenRun& run, std::size_t start, Findings& out);
/// The digits at a place, five at most: what is longer is neither a part of a date nor an age.
struct Number {
  int value = 0;
  std::size_t digits = 0;
  std::size_t end = 0;  ///< behind them
};
Number number_at(ScanWindow& window, std::size_t at);

/// What begins at the digit `at`, with `first`; whether it was a date, and so nothing else.
bool classify_date(ScanWindow& window, std::size_t at, const Number& first, Findings& out);
/// "45 years old", "aged 45", "just turned 45": the number alone, which is `first`.
void classify_age(ScanWindow& window, std::size_t at, const Number& first, Findings& out);
/// `start`: where the word begins in which the digit `at` stands.
void classify_wallet(ScanWindow& window, std::size_t start, Findings& out);

/// Whether an issuer's range (ISO/IEC 7812) holds numbers that begin so and are this long.
bool is_card_range(std::string_view digits);

/// All that classify_identifiers and classify_named report.
std::vector<std::string_view> identifier_types();

/// Whether nothing but values stands around [start, end): no word before it within reach, none behind it in the window.
bool stands_alone(ScanWindow& window, std::size_t start, std::size_t end);

}  // namespace sb::policy
