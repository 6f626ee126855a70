#include "triage/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>

#include "triage/answer_checks.h"
#include "triage/sealed_file.h"
#include "triage/testing_verifier.h"

namespace sb::triage {
namespace {

using ::testing::HasSubstr;

TEST(Verifier, TellsTheSameGainAfterItWasAFile) {
  auto rows = hedging_rows(120);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].domain = i % 3 == 0 ? "cards" : "transfers";
  const VerifierData made{
      .model = OutcomeModel::fit(rows), .gain_over = 0.1 + 0.2, .target = {.quality = 0.9}, .rows = 120};
  const auto bytes = encode_verifier(made);
  const auto read = decode_verifier(bytes);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->gain_over, made.gain_over) << "to the last bit";
  EXPECT_EQ(read->target.quality, 0.9);
  EXPECT_EQ(read->rows, 120U);
  for (const auto& row : rows) EXPECT_EQ(read->model.gain(row), made.model.gain(row));
  EXPECT_EQ(encode_verifier(*read), bytes);
  const auto verifier = Verifier::from_bytes(bytes, std::nullopt);
  ASSERT_TRUE(verifier) << verifier.error().detail;
  EXPECT_EQ((*verifier)->gain("a question", kHedged), made.model.gain(outcome_row(nullptr, "a question", kHedged)));
  EXPECT_EQ((*verifier)->version().size(), 16U);
}

TEST(Verifier, ADamagedFileIsRefusedByName) {
  const auto& good = test_verifier_bytes();
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    auto bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    EXPECT_FALSE(decode_verifier(bad)) << "a bit turned";
    EXPECT_FALSE(decode_verifier(std::string_view(good).substr(0, random() % good.size()))) << "cut";
  }
  EXPECT_FALSE(decode_verifier(good + "x"));
  EXPECT_EQ(decode_verifier("SBTRIAGE" + good.substr(8)).error().code, Errc::corrupt);
  auto newer = good;
  newer[8] = 2;
  EXPECT_EQ(decode_verifier(newer).error().code, Errc::unsupported);
  const std::string path = ::testing::TempDir() + "damaged.sbo";
  std::ofstream(path) << good.substr(0, 100);
  const auto loaded = Verifier::load_file(path, std::nullopt);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().detail, HasSubstr(path));
  EXPECT_EQ(Verifier::load_file(path + ".not", std::nullopt).error().code, Errc::not_found);
}

// Its checksum is right, for whoever wrote it has made it so.
TEST(Verifier, AFileThatSaysWhatCannotBeIsRefused) {
  constexpr FileKind kKind{"SBOUTCOM", "a verifier", 1, ""};
  const auto payload = std::string(*open_file(kKind, test_verifier_bytes()));
  std::mt19937_64 random(2);
  int read = 0;
  for (int i = 0; i < 2'000; ++i) {
    auto bad = payload;
    for (int k = 0; k < 4; ++k) bad[random() % std::min<std::size_t>(bad.size(), 200)] = static_cast<char>(random());
    const auto decoded = decode_verifier(seal_file(kKind, bad));
    if (!decoded) continue;
    ++read;
    if (decoded->model.reads(hashed_vector("").size(), kAnswerChecks))
      EXPECT_TRUE(std::isfinite(decoded->model.gain(outcome_row(nullptr, "q", "a"))));
  }
  EXPECT_LT(read, 2'000);
  for (std::size_t size = 0; size < payload.size(); size += 7)
    EXPECT_FALSE(decode_verifier(seal_file(kKind, payload.substr(0, size))));
}

TEST(Verifier, WantsTheEncoderItWasLearntWith) {
  const auto bytes = encode_verifier({.model = OutcomeModel::fit(hedging_rows(60)), .encoder = "0123456789abcdef"});
  const auto without = Verifier::from_bytes(bytes, std::nullopt);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, Errc::conflict);
  EXPECT_THAT(without.error().detail, HasSubstr("0123456789abcdef"));
}

// Half of the queries are lost on the small model, told apart by their gain but for `noise` of them.
struct Told {
  std::vector<OutcomeRow> rows;
  std::vector<double> gains;
};
Told told(std::size_t count, double noise, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double share) { return static_cast<double>(random() % 1'000'000) < share * 1e6; };
  Told out;
  for (std::size_t i = 0; i < count; ++i) {
    OutcomeRow row;
    row.strong_ok = chance(0.9);
    row.weak_ok = chance(0.5) && row.strong_ok;
    const bool looks_lost = chance(noise) ? chance(0.5) : !row.weak_ok;
    out.gains.push_back((looks_lost ? 0.5 : 0.0) + static_cast<double>(random() % 1000) / 2500);
    out.rows.push_back(std::move(row));
  }
  return out;
}

TEST(GainLimit, KeepsItsPromiseInTrafficThatItHasNotSeen) {
  const QualityTarget target{.quality = 0.95, .confidence = 0.95};
  int kept = 0, promised = 0;
  double avoided = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto seen = told(1'000, 0.2, 2 * seed), unseen = told(5'000, 0.2, 2 * seed + 1);
    const auto limit = limit_for(seen.rows, seen.gains, target);
    if (!limit) continue;
    ++promised;
    avoided += limit->avoided;
    double right = 0, lost = 0;
    for (std::size_t i = 0; i < unseen.rows.size(); ++i) {
      right += unseen.rows[i].strong_ok;
      lost += unseen.rows[i].strong_ok && !unseen.rows[i].weak_ok && unseen.gains[i] <= limit->gain_over;
    }
    kept += lost / right <= 0.05;
  }
  EXPECT_GE(promised, 95);
  EXPECT_GE(kept, promised * 93 / 100) << "95 of 100, and the 5,000 tell it to within some tenths of a per cent";
  EXPECT_GT(avoided / promised, 0.2) << "a promise that never gives a small answer is no art";
}

TEST(GainLimit, WhatTheDataCannotSupportIsRefusedWithWhatItTakes) {
  const QualityTarget target{.quality = 0.95, .confidence = 0.95};
  const auto few = told(40, 0, 1);
  const auto refused = limit_for(few.rows, few.gains, target);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("40 recorded outcomes cannot promise 95.0 %"));
  EXPECT_THAT(refused.error().detail, HasSubstr("like them could"));
  // As many as it says, of the same kind.
  const auto& detail = refused.error().detail;
  const auto at = detail.find("about ") + 6;
  const auto enough = told(static_cast<std::size_t>(std::stoul(detail.substr(at))) * 3 / 2, 0, 1);
  EXPECT_TRUE(limit_for(enough.rows, enough.gains, target));

  auto hopeless = told(500, 0, 3);
  for (auto& row : hopeless.rows) row.weak_ok = false;
  const auto none = limit_for(hopeless.rows, hopeless.gains, {.quality = 0.999});
  ASSERT_FALSE(none);
  for (auto& row : hopeless.rows) row.strong_ok = false;
  EXPECT_THAT(limit_for(hopeless.rows, hopeless.gains, target).error().detail, HasSubstr("in none of them"));
}

}  // namespace
}  // namespace sb::triage
